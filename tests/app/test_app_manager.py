"""What the service manager is told, read from a real notify socket."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from freeloader.app.manager import ServiceManager


@pytest.fixture
def wire(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(5)
        yield ear


def told(wire: socket.socket) -> list[str]:
    return wire.recv(4096).decode().split("\n")


def address(wire: socket.socket) -> str:
    name = wire.getsockname()
    return name if isinstance(name, str) else name.decode()


def test_ready_status_and_stopping_are_told_in_its_words(wire: socket.socket):
    manager = ServiceManager(address(wire))
    manager.ready("ready; 3 deployments")
    assert told(wire) == ["READY=1", "STATUS=ready; 3 deployments"]
    manager.status("ready; 3 deployments")  # no news
    manager.status("two\nlines")
    assert told(wire) == ["STATUS=two lines"]
    manager.stopping(1.5)
    assert told(wire) == ["STOPPING=1", "STATUS=stopping", "EXTEND_TIMEOUT_USEC=1500000"]


def test_a_watchdog_is_fed_from_the_loop_at_least_twice_per_patience(wire: socket.socket):
    async def live() -> None:
        manager = ServiceManager(address(wire), watchdog_s=0.04)
        beat = asyncio.create_task(manager.beat(lambda: "fine"))
        loop = asyncio.get_running_loop()
        wire.setblocking(False)
        for expected in ("WATCHDOG=1", "STATUS=fine", "WATCHDOG=1", "WATCHDOG=1"):
            said = await asyncio.wait_for(loop.sock_recv(wire, 4096), 5)
            assert said.decode() == expected
        beat.cancel()

    asyncio.run(live())


def test_without_a_socket_nothing_is_said_and_nothing_fails():
    manager = ServiceManager.of({})
    manager.ready("x")
    manager.alive()
    manager.stopping(1)
    asyncio.run(manager.beat(lambda: "x"))  # ends by itself
    assert manager.watchdog_s is None


@pytest.mark.parametrize(
    ("environ", "patience"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_only_where_it_is_meant_for_us(environ, patience):
    environ = {"NOTIFY_SOCKET": "/run/x", "OTHER": "stays", **environ}
    assert ServiceManager.of(environ).watchdog_s == patience
    assert environ == {"OTHER": "stays"}, "what we start must not speak for us"


@pytest.mark.parametrize("named", ["", "relative/path", "vsock:2:1"])
def test_an_address_that_is_none_is_ignored(named: str):
    environ = {"NOTIFY_SOCKET": named, "WATCHDOG_USEC": "1000000"}
    manager = ServiceManager.of(environ)
    manager.ready("x")
    assert manager.watchdog_s is None


def test_a_manager_that_is_gone_is_no_reason_to_fail(tmp_path: Path, caplog):
    ServiceManager(str(tmp_path / "nobody")).ready("x")
    assert "could not be told READY=1" in caplog.text


@pytest.mark.skipif(not os.path.exists("/proc/self/ns"), reason="abstract sockets are Linux's")
def test_an_abstract_socket_is_reached():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"\0freeloader-test-{os.getpid()}")
        ear.settimeout(5)
        ServiceManager(f"@freeloader-test-{os.getpid()}").ready("x")
        assert told(ear) == ["READY=1", "STATUS=x"]
