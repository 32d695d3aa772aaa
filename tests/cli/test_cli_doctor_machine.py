"""doctor on the machine around the daemon: groups, orphans, modes, names, services, clocks."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from freeloader.cli import checks, units
from freeloader.cli.checks import system
from freeloader.cli.checks import units as unit_checks
from freeloader.cli.lifecycle import Record, RunFiles
from freeloader.clock import Instant
from freeloader.gateway.guards.control_groups import limiting, tasks

NOW = 1_795_000_000.0
GIGABYTE = 2**30


class Frozen:
    def now(self) -> Instant:
        return Instant(NOW, 1.0)


@pytest.fixture
def patient(home: Path) -> checks.Patient:
    (home / "config.toml").write_text('[secrets]\nbackend = "file"\n[server]\nport = 0\n')
    for path in (home / "config.toml", *home.glob("*.key")):
        path.chmod(0o600)
    return checks.Patient(home, Frozen())


def grouped(place: Path, version: int, files: dict[str, str]) -> tuple[Path, Path]:
    """A `/proc/self/cgroup` and the tree that it speaks of."""
    own, root = place / "cgroup", place / "fs"
    kinds = {1: ["4:memory:/box", "3:pids:/box"], 2: ["0::/box"]}[version]
    own.write_text("".join(f"{line}\n" for line in kinds))
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return own, root


def second(used: int, limit: str, count: str = "5", most: str = "max") -> dict[str, str]:
    return {"box/memory.max": limit, "box/memory.current": str(used), "box/memory.stat": "",
            "box/pids.max": most, "box/pids.current": count}  # fmt: skip


def first(used: int, limit: str, count: str = "5", most: str = "max") -> dict[str, str]:
    return {"memory/box/memory.limit_in_bytes": limit, "pids/box/pids.max": most,
            "memory/box/memory.usage_in_bytes": str(used), "memory/box/memory.stat": "",
            "pids/box/pids.current": count}  # fmt: skip


@pytest.mark.parametrize(("version", "files"), [(1, first), (2, second)])
@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ((0, "max"), []),
        ((GIGABYTE // 2, str(4 * GIGABYTE)), [("memory", "ok")]),
        ((GIGABYTE // 2, str(GIGABYTE)), [("memory", "warn")]),
        ((GIGABYTE - 1000, str(GIGABYTE)), [("memory", "fail")]),
        ((0, "max", "5", "4096"), [("tasks", "ok")]),
        ((0, "max", "5", "64"), [("tasks", "warn")]),
        ((0, "max", "63", "64"), [("tasks", "fail")]),
    ],
)
def test_s7_what_a_container_gives_is_looked_at(
    tmp_path: Path, version: int, files: object, numbers: tuple[object, ...],
    found: list[tuple[str, str]],
) -> None:  # fmt: skip
    told = files(*numbers)  # type: ignore[operator]
    if version == 1 and numbers[1] == "max":
        told["memory/box/memory.limit_in_bytes"] = str(2**63 - 4096)
    own, root = grouped(tmp_path, version, told)
    findings = system.group_findings(limiting(own, root), tasks(own, root), few=system.MEMORY_FEW)
    rows = list(findings)
    assert [(one.check, one.state) for one in rows] == found
    assert all(one.remedy for one in rows if one.state != "ok")


def test_s7_without_a_child_less_memory_is_enough(tmp_path: Path) -> None:
    own, root = grouped(tmp_path, 2, second(0, str(GIGABYTE)))
    group = limiting(own, root)
    [one] = system.group_findings(group, None, few=system.MEMORY_ALONE)
    assert one.state == "ok"


def test_s4_a_child_that_outlived_its_daemon_is_named(patient: checks.Patient) -> None:
    [one] = system.check_orphans(patient)
    assert one.state == "ok"
    socket = patient.home / "run" / "child" / "g1-0.sock"
    left = subprocess.Popen(
        [sys.executable, "-c", "input()", "freeloader.child.launcher", str(socket)],
        stdin=subprocess.PIPE,
    )
    try:
        [one] = system.check_orphans(patient)
        assert (one.state, str(left.pid) in one.found) == ("warn", True)
        assert f"kill {left.pid}" in one.remedy
        patient.record = Record(os.getpid(), "", NOW)
        [one] = system.check_orphans(patient)
        assert one.state == "ok", "a daemon's own child is no orphan"
    finally:
        left.communicate()


def test_k2_what_others_could_read_is_named(patient: checks.Patient) -> None:
    patient.home.chmod(0o700)
    (patient.home / "freeloader.db").write_text("x")
    (patient.home / "freeloader.db").chmod(0o644)
    assert [one.state for one in system.check_modes(patient)] == ["ok"], "nobody gets in"
    (patient.home / "secrets.enc").write_text("x")
    (patient.home / "secrets.enc").chmod(0o644)
    [one] = system.check_modes(patient)
    assert (one.state, "secrets.enc (0644)" in one.found) == ("warn", True)
    assert "freeloader.db" not in one.found
    assert f"chmod -R go= {patient.home}" in one.remedy
    assert "change the keys" in one.remedy
    patient.home.chmod(0o755)
    [one] = system.check_modes(patient)
    assert "freeloader.db (0644)" in one.found


def test_h4_who_was_refused_for_a_name_is_told_how_to_let_him_in(
    patient: checks.Patient, daemon: object
) -> None:
    patient.record = checks.Patient(patient.home, Frozen()).record
    row = {"count": 3, "last": "xswarm:3000", "at": "2026-11-20T12:00:00.000Z"}
    turned = {"host_not_allowed": row, "invalid_api_key": {"count": 9, "at": ""}}
    daemon.on("GET", "/v1/health", {"turnedAway": turned})  # type: ignore[attr-defined]
    [one] = [one for one in system.check_door(patient) if one.check == "door"]
    assert one.state == "warn"
    assert "'xswarm:3000'" in one.found
    assert "server.allowed_hosts" in one.remedy


def test_containers_are_told_where_they_get_in(
    patient: checks.Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "listdir", lambda _path: ["lo", "docker0"])
    [one] = system.check_door(patient)
    assert (one.state, "do not reach 127.0.0.1" in one.found) == ("ok", True)


def planned(home: Path, python: str = sys.executable) -> units.Plan:
    program = units.Program(Path(python), (Path("/opt/x"),), home, chosen=True)
    return units.plan("systemd", program, {"XDG_CONFIG_HOME": str(home)}, 0, system=False)


def test_a_service_that_is_not_for_here(tmp_path: Path) -> None:
    plan, home = planned(tmp_path), tmp_path

    def finding(text: str) -> tuple[str, str]:
        one = unit_checks.service_finding(plan, text, home, system=False)
        assert one.state == "ok" or "service install" in one.remedy
        return one.state, one.found

    assert finding(plan.text)[0] == "ok"
    assert finding(plan.text.replace("WatchdogSec=30\n", ""))[0] == "warn"
    state, found = finding(planned(tmp_path / "other").text)
    assert (state, str(tmp_path / "other") in found) == ("warn", True)
    state, found = finding(planned(tmp_path, "/no/such/python").text)
    assert (state, "/no/such/python, which is not there" in found) == ("fail", True)


def test_the_same_of_a_property_list(tmp_path: Path) -> None:
    program = units.Program(Path(sys.executable), (), tmp_path, chosen=True)
    plan = units.plan("launchd", program, {}, 0, system=False)
    moved = replace(program, python=Path("/no/such/python"))
    other = units.plan("launchd", moved, {}, 0, system=False)
    for text, state in ((plan.text, "ok"), (other.text, "fail"), ("no plist", "warn")):
        assert unit_checks.service_finding(plan, text, tmp_path, system=False).state == state


def test_an_installed_service_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    patient = checks.Patient(home, Frozen())
    assert list(unit_checks.check_service(patient)) == []
    path = home / "systemd/user/xswarm.service"
    path.parent.mkdir(parents=True)
    path.write_text("[Service]\n")
    [one] = unit_checks.check_service(patient)
    assert (one.check, one.state) == ("service", "warn")


def test_a_clock_that_was_set_while_the_daemon_ran(patient: checks.Patient) -> None:
    import psutil

    born = psutil.Process().create_time()
    for shift, word in ((0.0, None), (7200.0, "forward"), (-7200.0, "back")):
        patient.record = Record(os.getpid(), "", born - shift)
        [one] = checks.check_clock(patient)
        assert (one.state == "warn", word is None or word in one.found) == (word is not None, True)


def test_s1_a_daemon_that_was_killed_is_told(patient: checks.Patient) -> None:
    files = RunFiles(patient.home)
    files.prepare()
    files._write(Record(2**22 + 1, "ticks:1", NOW, "http://127.0.0.1:1"))
    one, _ = checks.check_port(patient)
    assert (one.check, one.state, "killed or crashed" in one.found) == ("daemon", "warn", True)


def test_a_disk_without_room_for_another_file(
    patient: checks.Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = os.statvfs(patient.home)
    full = os.statvfs_result((*kept[:5], 1_000_000, 3, 3, *kept[8:]))
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    [one] = checks.check_disk(patient)
    assert (one.state, "3 files" in one.found) == ("fail", True)


def test_a_keyring_that_holds_keys_and_is_locked(
    patient: checks.Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeloader.store.integrity.secrets_in", lambda *_: ["groq@1"])
    [one] = checks.check_secrets(patient)
    assert (one.state, "groq@1" in one.found) == ("fail", True)
    assert "unlock" in one.remedy


def test_s9_an_older_database_is_said_to_be_brought_up(patient: checks.Patient) -> None:
    from freeloader.store.opening import prepare
    from freeloader.store.schema import LEDGER

    older = replace(LEDGER, migrations=LEDGER.migrations[:-1])
    prepare(patient.home / "freeloader.db", older)
    [one, _] = checks.check_databases(patient)
    assert one.state == "ok"
    assert f"from version {older.version} to {LEDGER.version}" in one.found
