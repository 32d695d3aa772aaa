"""The running daemon as a stranger on this machine finds it: files, sockets, addresses, child.

K2, K3, K4 and K6 of the catalogue, and H8 down to the database; the shared house answers,
and one of its own under umask 000.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from farm import House, Simulator, call, model, provider, until


def too_open(home: Path) -> list[str]:
    """What in a home others could read, write or enter. A socket is as open as its folder."""
    found = []
    for path in (home, *home.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            bad = stat.S_IMODE(mode) != 0o700
        else:
            bad = not stat.S_ISSOCK(mode) and bool(stat.S_IMODE(mode) & 0o077)
        if bad:
            found.append(f"{path.relative_to(home)} {stat.S_IMODE(mode):04o}")
    return found


def listening(pid: int) -> set[str]:
    """The addresses at which a process and its children take connections."""
    found = set()
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        for one in process.net_connections("inet"):
            if one.status == psutil.CONN_LISTEN:
                found.add(one.laddr.ip)
    return found


def pid_of(house: House) -> int:
    assert house.daemon is not None
    return house.daemon.pid


def sockets_of(house: House) -> list[Path]:
    """The unix sockets of the children, from their own command lines."""
    lines = [p.cmdline() for p in psutil.Process(pid_of(house)).children(recursive=True)]
    return [Path(word) for line in lines for word in line if word.endswith(".sock")]


@pytest.fixture(scope="module")
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Takes OpenTelemetry's spans: its address, and what came."""
    got: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(scope="module")
def open_house(
    tmp_path_factory: pytest.TempPathFactory,
    simulator: Simulator,
    collector: tuple[str, list[bytes]],
) -> Iterator[House]:
    """A home made and a daemon started under umask 000; answers on the direct lane."""
    environ = {"XSWARM_UPSTREAM__LANE": "direct", "XSWARM_LOGGING__OTLP_ENDPOINT": collector[0]}
    house = House(tmp_path_factory.mktemp("open") / "home", environ)
    old = os.umask(0)
    try:
        house.xswarm("init")
        spy = provider(f"{simulator.url}/alpha/v1", {"twin": model("twins")})
        house.xswarm("config", "set", "logging.level", "debug")
        house.xswarm("config", "set", "logging.json", "true")
        house.overlay("alpha", {"version": "2026.11.20", "providers": {"alpha": spy}})
        for made in ("registry", "registry/alpha.json"):  # the test's own, not the daemon's
            (house.home / made).chmod(0o700 if made == "registry" else 0o600)
        house.xswarm("account", "add", "alpha", "-", "--tier", "free", stdin="key-alpha\n")
        house.start()
        assert house.chat(model="alpha/twin")[0] == 200
    finally:
        os.umask(old)
    yield house
    house.stop()


def test_k2_nothing_is_open_to_others_under_umask_000(open_house: House) -> None:
    assert len(list(open_house.home.rglob("*"))) > 8
    assert too_open(open_house.home) == []


def test_k2_nothing_is_open_to_others_under_the_usual_umask(house: House) -> None:
    assert house.chat()[0] == 200
    (house.home / "registry" / "pretend.json").chmod(0o600)  # the test's own
    assert too_open(house.home) == []


def test_k3_only_loopback_is_listened_on(house: House) -> None:
    assert listening(pid_of(house)) == {"127.0.0.1"}


def test_k3_beyond_loopback_takes_a_flag_and_is_said(tmp_path: Path) -> None:
    house = House(tmp_path / "home", {"XSWARM_SERVER__HOST": "0.0.0.0"})
    said = house.xswarm("start", ok=False)
    assert "server.allow_remote true" in said
    assert "Traceback" not in said
    house.env["XSWARM_SERVER__ALLOW_REMOTE"] = "true"
    house.env["XSWARM_UPSTREAM__LANE"] = "direct"
    house.start(wait=False)
    try:
        until(lambda: _health(house.port) == 200, 60, "it listens")
        assert "0.0.0.0" in listening(pid_of(house))
        log = (house.home / "logs" / "freeloader.log").read_text()
        assert "other machines can connect" in log
        assert call("GET", f"{house.url}/v1/models")[0] == 401
        docker = {"Host": f"host.docker.internal:{house.port}"}
        assert call("GET", f"{house.url}/v1/models", headers=docker)[0] == 401
        assert house.call("GET", "/v1/models", headers=docker)[0] == 200
        assert house.call("GET", "/v1/models", headers={"Host": "evil.example"})[0] == 403
    finally:
        house.stop()


def _health(port: int) -> int:
    try:
        return call("GET", f"http://127.0.0.1:{port}/health", timeout=2)[0]
    except OSError:
        return 0


def test_k4_the_child_is_reached_by_its_owner_alone_and_by_few_routes(house: House) -> None:
    until(lambda: house.get("/v1/health")["child"]["state"] == "ready", 90, "a child is ready")
    [path] = sockets_of(house)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for asked in ("GET /", "GET /ui", "GET /docs", "GET /openapi.json", "GET /model/info",
                  "GET /key/list", "POST /key/generate", "POST /config/update", "GET /metrics",
                  "GET /v1/models", "POST /v1/files", "POST /openai/x", "GET /health",
                  "POST /v1/chat/completions/", "POST //v1/chat/completions",
                  "GET /v1/chat/completions", "POST /user/new", "GET /global/spend"):  # fmt: skip
        assert _status(path, asked) == 404, asked


def _status(path: Path, asked: str) -> int:
    with socket.socket(socket.AF_UNIX) as there:
        there.settimeout(10)
        there.connect(str(path))
        head = f"{asked} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        there.sendall(head.encode())
        return int(there.recv(64).split(b" ")[1])


def test_k4_the_child_has_no_database_and_no_key_in_its_environment(house: House) -> None:
    for process in psutil.Process(pid_of(house)).children(recursive=True):
        names = set(process.environ())
        assert not {name for name in names if "KEY" in name or "DATABASE" in name}
        assert "STORE_MODEL_IN_DB" not in names


ALONE = [sys.executable, str(Path(__file__).parents[2] / "scripts" / "alone.py")]


def test_k6_with_no_network_but_loopback_all_works_and_nothing_wants_out(tmp_path: Path) -> None:
    """A daemon, its child and a simulator where everything else has no route, and the kernel
    counts what would go there, questions for names included. (All tests: `scripts/test --alone`.)
    """
    lonely = Path(__file__).with_name("lonely.py")
    done = subprocess.run(
        [*ALONE, sys.executable, str(lonely), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "alone: 0 sent" in done.stderr
    assert json.loads(done.stdout) == {"alpha/m": [200, 200], "gemma/m": [200, 200]}


def test_k6_who_wants_out_is_counted() -> None:
    for place in ("('192.0.2.1', 80)", "('2001:db8::1', 80)", "('a-name.example', 80)"):
        asks = f"import socket\ntry: socket.create_connection({place}, 5)\nexcept OSError: pass"
        done = subprocess.run(
            [*ALONE, sys.executable, "-c", asks], capture_output=True, text=True, check=False
        )
        if done.returncode == 77:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 1, place
        assert "alone: 0 sent" not in done.stderr


EVIL = ["x' OR '1'='1", "%", "_", "a\x00b", "a\r\nX-Evil: 1", "\x1b[31mred", "'; DROP TABLE x; --"]


def test_h8_evil_names_stay_names_down_to_the_database_and_the_log(open_house: House) -> None:
    house = open_house
    before = len(house.get("/v1/decisions")["decisions"])
    for evil in EVIL:
        for fields in ({"model": evil}, {"user": evil}, {"project": evil}, {"session": evil}):
            status, headers, _ = house.chat(**{"model": "alpha/twin", **fields})
            assert status in (200, 400, 404), fields
            assert "x-evil" not in headers
    after = house.get("/v1/decisions?limit=200")["decisions"]
    assert len(after) >= before
    for evil in ("x' OR '1'='1", "%", "_", "alph_"):
        quoted = "".join(f"%{byte:02x}" for byte in evil.encode())
        for where in ("project", "provider"):
            status, _, said = house.call("GET", f"/v1/decisions?{where}={quoted}", role="admin")
            rows: list[Any] = said.get("decisions", []) if status == 200 else []
            assert status in (200, 400), said
            assert all(row.get(where) == evil for row in rows)
    for line in (house.home / "logs" / "freeloader.log").read_text().splitlines():
        assert set(json.loads(line)) >= {"time", "level", "logger", "message"}
        assert "\x1b" not in line


def events(house: House) -> list[dict[str, str]]:
    """The lines of the log that tell an event; text lines (before JSON was asked for) are none."""
    lines = (house.home / "logs" / "freeloader.log").read_text().splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    return [row for row in rows if "event" in row]


def test_each_change_of_state_is_one_event_in_the_json_log(
    open_house: House, simulator: Simulator
) -> None:
    house = open_house
    began = len(events(house))
    simulator.fault("alpha", "401", count=1)
    named = {"X-Request-Id": "the-one-that-failed"}
    body = {"model": "alpha/twin", "messages": [{"role": "user", "content": "a secret plan"}]}
    assert house.call("POST", "/v1/chat/completions", body, headers=named)[0] != 200
    changed: Any = {"logging": {"json": False}}
    assert house.call("POST", "/v1/config", changed, role="admin")[0] == 200
    assert house.call("POST", "/v1/free-tiers/reset", {}, role="admin")[0] == 200
    changed = {"logging": {"json": True}}
    assert house.call("POST", "/v1/config", changed, role="admin")[0] == 200
    change = {"priority": 7}
    assert house.call("PATCH", "/v1/accounts/alpha/1", change, role="admin")[0] == 200
    assert house.chat(model="alpha/twin")[0] == 200
    every = events(house)
    told = every[began:]
    [failed] = [row for row in told if row.get("outcome") == "key_bad"]
    assert failed["request_id"] == "the-one-that-failed"
    assert (failed["deployment"], failed["account"]) == ("alpha@1/twin", "alpha@1")
    [opened] = [row for row in told if row["event"] == "breaker.state" and row["state"] == "open"]
    assert (opened["account"], opened["request_id"]) == ("alpha@1", "the-one-that-failed")
    assert [r["changed"] for r in told if r["event"] == "settings.reload"] == ["logging.json"]
    [account] = [row for row in told if row["event"] == "account.change"]
    assert account["account"] == "alpha@1"
    assert [row["state"] for row in every if row["event"] == "daemon.state"] == ["ready"]
    text = (house.home / "logs" / "freeloader.log").read_text()
    assert "breakers of every provider are reset" in text
    assert '"event": "breaker.reset"' not in text  # it was text between the two changes
    assert "a secret plan" not in text


def test_a_request_is_traced_without_its_text(
    open_house: House, collector: tuple[str, list[bytes]]
) -> None:
    said = "an untold story"
    assert open_house.chat(said, model="alpha/twin")[0] == 200
    until(lambda: b"attempt alpha@1/twin" in b"".join(collector[1]), 20, "the spans came")
    assert said.encode() not in b"".join(collector[1])
