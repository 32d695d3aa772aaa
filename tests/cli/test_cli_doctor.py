"""doctor: each finding from the fault that causes it, with the daemon stopped and running."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import pytest

from freeloader.cli import checks
from freeloader.cli.checks import running, supply
from freeloader.clock import Instant
from freeloader.secrets import SecretStore
from freeloader.settings import Home
from freeloader.store import opening
from freeloader.store.schema import LEDGER

NOW = 1_795_000_000.0


class Frozen:
    def __init__(self, wall: float) -> None:
        self._wall = wall

    def now(self) -> Instant:
        return Instant(self._wall, 1.0)


@pytest.fixture(autouse=True)
def no_keyring(home):
    """The machine's own keyring has no part in tests."""
    (home / "config.toml").write_text('[secrets]\nbackend = "file"\n[server]\nport = 0\n')


def found(home, check, clock=None):
    """(state, found, remedy) of one check's findings."""
    patient = checks.Patient(home, clock or Frozen(NOW))
    return [(one.state, one.found, one.remedy) for one in check(patient)]


def states(home, check, clock=None):
    return [state for state, _, _ in found(home, check, clock)]


def test_a_sound_home_has_no_fault(xswarm, home):
    ran = xswarm("doctor", "--json")
    assert ran.json["ok"] is True, ran.out
    assert ran.code == 0
    assert {"home", "settings", "admin key", "secret store", "port", "child", "litellm",
            "freeloader.db", "journal.db", "registry", "clock", "disk"} <= {
        one["check"] for one in ran.json["findings"]
    }  # fmt: skip


def test_a_fault_is_exit_code_1_with_a_remedy(xswarm, home):
    (home / "admin.key").unlink()
    ran = xswarm("doctor")
    assert ran.code == 1
    assert "fail  admin key" in ran.out
    assert "→ xswarm init" in ran.out
    assert len(ran.err.splitlines()) == 1


def test_every_finding_that_is_not_ok_has_a_remedy(xswarm, home):
    (home / "client.key").write_text("")
    (home / "admin.key").chmod(0o644)
    (home / "config.toml").write_text("[server\n")
    home.chmod(0o755)
    for one in checks.examine(home, Frozen(1.0)):
        assert one.state == "ok" or one.remedy, one


def test_home(home, tmp_path):
    assert states(home, checks.check_home) == ["ok"]
    home.chmod(0o750)
    assert states(home, checks.check_home) == ["warn"]
    assert states(tmp_path / "none", checks.check_home) == ["fail"]


def test_settings_name_file_and_key(home):
    (home / "config.toml").write_text("[server]\nprot = 3\n")
    [(state, what, _)] = found(home, checks.check_settings)
    assert state == "fail"
    assert "config.toml" in what
    assert "prot" in what


def test_keys(home):
    assert states(home, checks.check_keys) == ["ok", "ok"]
    (home / "admin.key").chmod(0o640)
    (home / "client.key").write_text("\n")
    assert states(home, checks.check_keys) == ["fail", "fail"]


@pytest.mark.parametrize("junk", [b"\0" * 40, b"\xff\xfe", "schlüssel".encode()])
def test_a_key_file_that_holds_no_key(home, xswarm, daemon, junk):
    (home / "admin.key").write_bytes(junk)
    assert states(home, checks.check_keys) == ["fail", "ok"]
    for words in (["doctor"], ["status"], ["key", "list"]):
        ran = xswarm(*words)
        assert ran.code == 1
        assert "defect" not in ran.err


def test_secret_store(home):
    [(state, what, _)] = found(home, checks.check_secrets)
    assert (state, "file" in what) == ("ok", True)


def test_a_secrets_file_that_cannot_be_opened(home):
    asyncio.run(SecretStore(Home(home), "file").put("alpha", {"api_key": "sk-one"}))
    assert states(home, checks.check_secrets) == ["ok"]
    (home / "secrets.key").write_text("junk")
    [(state, what, remedy)] = found(home, checks.check_secrets)
    assert (state, "secrets.key" in what, "restore" in remedy) == ("fail", True, True)
    (home / "secrets.key").unlink()
    assert states(home, checks.check_secrets) == ["fail"]


def test_a_daemon_that_hangs_is_waited_for_once(home, daemon, monkeypatch):
    asked = []

    def hangs(client, path, seconds=2.0):
        asked.append(path)
        return 0, None

    monkeypatch.setattr("freeloader.cli.client.Client.probe", hangs)
    [port] = [one for one in checks.examine(home, Frozen(1.0)) if one.check == "port"]
    assert (port.state, "does not answer" in port.found) == ("fail", True)
    assert asked == ["/health"]


def test_a_daemon_that_does_not_answer(home, daemon):
    daemon.on("GET", "/health", {"status": "ok"})
    assert states(home, checks.check_port) == ["ok"]
    daemon.on("GET", "/health", {}, 500)
    assert states(home, checks.check_port) == ["fail"]


@pytest.mark.parametrize(
    ("child", "state"),
    [
        ({"state": "ready", "restarts": 0}, "ok"),
        ({"state": "ready", "restarts": 9}, "warn"),
        ({"state": "starting"}, "warn"),
        ({"state": "backoff", "restarts": 2}, "warn"),
        ({"state": "fatal", "restarts": 5}, "fail"),
    ],
)
def test_child(home, daemon, child, state):
    daemon.on("GET", "/v1/health", {"child": child})
    assert states(home, checks.check_child) == [state]
    assert daemon.asked[0]["key"] == "Bearer xsw-admin-key"


def test_a_child_that_nobody_needs_may_be_stopped(home, daemon):
    stopped = {"child": {"state": "stopped", "restarts": 0}}
    daemon.on("GET", "/v1/health", {**stopped, "lane": {"mode": "direct", "childNeeded": False}})
    assert states(home, checks.check_child) == ["ok"]
    daemon.on("GET", "/v1/health", {**stopped, "lane": {"mode": "litellm", "childNeeded": True}})
    assert states(home, checks.check_child) == ["warn"]


@pytest.mark.parametrize(
    ("version", "state"), [("1.106.2", "ok"), ("1.82.8", "fail"), ("1.100.0", "warn")]
)
def test_litellm(home, monkeypatch, version, state):
    monkeypatch.setattr("freeloader.cli.checks.supply.metadata.version", lambda _name: version)
    assert states(home, checks.check_litellm) == [state]


def test_the_litellm_looked_for_is_the_one_that_is_pinned():
    from pathlib import Path

    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f'"litellm[proxy]=={supply.LITELLM}"' in project


def test_databases(home):
    assert states(home, checks.check_databases) == ["ok", "ok"]
    (home / "freeloader.db").write_bytes(b"not a database at all" * 500)
    (home / "journal.db").write_bytes(b"")
    assert states(home, checks.check_databases) == ["fail", "fail"]


def test_a_folder_where_an_upgrade_keeps_its_copy(home):
    path = home / "freeloader.db"
    opening.prepare(path, replace(LEDGER, migrations=LEDGER.migrations[:-1]))
    assert states(home, checks.check_databases) == ["ok", "ok"]
    blocked = home / f"freeloader.db.before-v{LEDGER.version}"
    blocked.mkdir()
    (home / "journal.db.part").mkdir()
    rows = found(home, checks.check_databases)
    assert [state for state, _, _ in rows] == ["fail", "fail"]
    assert str(blocked) in rows[0][1]
    assert str(home / "journal.db.part") in rows[1][1]
    assert {remedy for _, _, remedy in rows} == {"move it away"}


def test_sound_databases(home):
    from freeloader.store.opening import prepare
    from freeloader.store.schema import JOURNAL, LEDGER

    prepare(home / "freeloader.db", LEDGER)
    prepare(home / "journal.db", JOURNAL)
    assert states(home, checks.check_databases) == ["ok", "ok"]
    (home / "journal.db").write_bytes((home / "freeloader.db").read_bytes())
    assert states(home, checks.check_databases) == ["ok", "fail"]


def test_clock(home):
    assert states(home, checks.check_clock) == ["ok"]
    assert states(home, checks.check_clock, Frozen(0.0)) == ["fail"]
    log = home / "logs" / "freeloader.log"
    log.write_text("x")
    os.utime(log, (NOW + 10_000, NOW + 10_000))
    assert states(home, checks.check_clock) == ["warn"]


@pytest.mark.parametrize(("free", "state"), [(10**10, "ok"), (5 * 10**8, "warn"), (10**6, "fail")])
def test_disk(home, monkeypatch, free, state):
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))
    assert states(home, checks.check_disk) == [state]


def test_a_broken_overlay_is_named(home):
    (home / "registry").mkdir()
    assert states(home, checks.check_registry) == ["ok"]
    (home / "registry" / "mine.json").write_text("{")
    [(state, what, _)] = found(home, checks.check_registry)
    assert what.startswith("mine.json: not JSON"), "no key, no empty place for one"
    assert state == "warn"
    assert "mine.json" in what


def test_listening_beyond_this_machine(home):
    assert states(home, checks.check_listening) == ["ok"]
    (home / "config.toml").write_text('[server]\nhost = "0.0.0.0"\n')
    [(state, _, remedy)] = found(home, checks.check_listening)
    assert state == "fail"
    assert "server.allow_remote true" in remedy
    (home / "config.toml").write_text('[server]\nhost = "0.0.0.0"\nallow_remote = true\n')
    [(state, what, _)] = found(home, checks.check_listening)
    assert state == "warn"
    assert "unencrypted" in what


def test_packages_and_start_files(home, tmp_path, monkeypatch):
    assert states(home, checks.check_packages) == ["ok"]
    assert states(home, checks.check_start_files) == ["ok"]
    (tmp_path / "x.pth").write_text("import os; os.system('true')\n")
    monkeypatch.setattr(supply, "site_folders", lambda: [tmp_path])
    [(state, what, _)] = found(home, checks.check_start_files)
    assert state == "fail"
    assert "x.pth" in what
    monkeypatch.setattr(supply, "installed", lambda: {"aiohttp": "3.0.0"})
    [(state, what, _)] = found(home, checks.check_packages)
    assert state == "warn"
    assert "aiohttp 3.0.0" in what


@pytest.mark.parametrize(
    ("problem", "check", "state"),
    [
        ("notifications: phone: was not taken: 401", "notifications", "warn"),
        ("no traces: opentelemetry is not installed", "traces", "warn"),
        ("settings not taken over: [server] prot", "settings", "fail"),
        ("freeloader.db: disk is full", "ledger", "fail"),
        ("something new", "daemon", "warn"),
    ],
)
def test_what_the_daemon_complains_of_is_a_finding(home, daemon, problem, check, state):
    daemon.on("GET", "/v1/health", {"problems": [problem, "overlay skipped: mine.json: {"]})
    patient = checks.Patient(home, Frozen(NOW))
    [one] = running.check_problems(patient)
    assert (one.check, one.state) == (check, state)
    assert problem.rpartition(": ")[2] in one.found
    assert one.remedy


@pytest.mark.parametrize(
    ("states_", "state"),
    [({"a": "ok", "b": "disabled"}, ["ok"]), ({"a": "ok", "b": "error"}, ["warn"]),
     ({"a": "error"}, ["fail"]), ({"a": "ok", "b": "quota_exceeded"}, ["warn", "ok"]),
     ({"a": "error", "b": "quota_exceeded"}, ["fail", "fail"])],
)  # fmt: skip
def test_providers_in_trouble(home, daemon, states_, state):
    daemon.on("GET", "/v1/health", {"providers": states_})
    assert states(home, running.check_providers) == state


def test_providers_in_trouble_are_explained(home, daemon):
    why = {"reason": "no connection", "until": "2026-11-20T12:00:00.000Z"}
    daemon.on("GET", "/v1/health", {"providers": {"a": "error"}, "troubles": {"a": why}})
    [(_, what, remedy)] = found(home, running.check_providers)
    assert "a (no connection, until 2026-11-20T12:00:00.000Z)" in what
    assert "account test a" in remedy


def test_load(home, daemon):
    daemon.on("GET", "/v1/health", {"load": {"state": "normal"}})
    assert states(home, running.check_load) == []
    load = {"state": "high", "since": "2026-11-20T00:00:00Z", "reason": "60 requests in flight"}
    daemon.on("GET", "/v1/health", {"load": load})
    [(state, what, remedy)] = found(home, running.check_load)
    assert (state, "60 requests" in what) == ("warn", True)
    assert "fewer requests at once" in remedy
    failing = {**load, "reason": "22% of attempts failed"}
    daemon.on("GET", "/v1/health", {"load": failing})
    [(_, _, remedy)] = found(home, running.check_load)
    assert "xswarm decisions" in remedy
    assert "fewer" not in remedy


def test_limits_of_the_daemons_process(home, daemon):
    assert "descriptors" in {
        one.check for one in running.check_limits(checks.Patient(home, Frozen(NOW)))
    }

    def told(*numbers):
        return [(one.check, one.state) for one in running.limits_findings(*numbers)]

    assert told(20, 65_536, -1) == [("descriptors", "ok")]
    assert told(20, 256, -1) == [("descriptors", "warn")]
    assert told(60, 64, 2**30) == [("descriptors", "fail"), ("memory", "warn")]
