"""The daemon as a service manager runs it: told when ready, fed while alive, no key in its log."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from farm import CANARY, House, model, provider

WATCHDOG_S = 1.0


@pytest.fixture
def wire(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(60)
        yield ear


def heard(wire: socket.socket, wanted: str, seconds: float = 60) -> list[str]:
    """Everything that was said up to the line ``wanted``."""
    end, lines = time.monotonic() + seconds, []
    while time.monotonic() < end:
        lines += wire.recv(4096).decode().split("\n")
        if wanted in lines:
            return lines
    raise AssertionError(f"{wanted} was not said in {seconds:g} s: {lines}")


def test_a_service_says_ready_feeds_its_watchdog_and_ends_in_order(
    tmp_path: Path, wire: socket.socket
):
    house = House(tmp_path / "home")
    house.xswarm("init")
    # A key handed over as systemd's LoadCredential= does.
    document = provider("http://127.0.0.1:9/v1", {"one": model("ones")})
    document["auth"]["env"] = ["PRETEND_API_KEY"]
    house.overlay("pretend", {"version": "2026.11.20", "providers": {"pretend": document}})
    credentials = tmp_path / "credentials"
    credentials.mkdir(mode=0o700)
    (credentials / "PRETEND_API_KEY").write_text(f"{CANARY}\n")
    environ = {
        **house.env,
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
        "CREDENTIALS_DIRECTORY": str(credentials),
    }
    with house.output.open("wb") as out:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "freeloader", "start", "--service"],
            env=environ,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    house.daemon = daemon
    try:
        before = heard(wire, "READY=1")
        assert "STOPPING=1" not in before
        # In the pace of the watchdog and until the child answers: the loop never stands still.
        for _ in range(4):
            heard(wire, "WATCHDOG=1", WATCHDOG_S * 5)
        house.ready()
        accounts = house.get("/v1/accounts")
        assert "pretend" in str(accounts), "the credential became an account"
        heard(wire, "STATUS=ready; LiteLLM ready; 1 deployments")
        child = house.child_pid()
        assert child is not None
        environment = Path(f"/proc/{child}/environ")
        if environment.exists():
            assert b"NOTIFY_SOCKET" not in environment.read_bytes()
        daemon.send_signal(signal.SIGTERM)
        said = heard(wire, "STOPPING=1")
        assert daemon.wait(40) == 0
        assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in said)
    finally:
        if daemon.poll() is None:
            os.kill(daemon.pid, signal.SIGKILL)
            daemon.wait(10)
    printed = house.said()
    assert f"ready at {house.url}" in printed
    assert house.key("client") not in printed
    assert CANARY not in printed
