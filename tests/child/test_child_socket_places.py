"""S5: what else can be at the place of the child's socket, and who learns the key of its start."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
from test_child_keeper import CHILD, ENTRY, RULES

from freeloader.child import places
from freeloader.child.keeper import Keeper
from freeloader.child.places import Places
from freeloader.child.process import Worker
from freeloader.child.readiness import alive
from freeloader.child.records import Record, save, sweep
from freeloader.clock import SystemClock

#: Listens there before the child does, answers whatever it is asked, and writes down what that was.
STRANGER = """
    import os, socket, sys
    there = socket.socket(socket.AF_UNIX)
    there.bind(sys.argv[1])
    there.listen()
    print("listening", flush=True)
    while True:
        one, _ = there.accept()
        heard = one.recv(65536)
        with open(sys.argv[2], "ab") as file:
            file.write(heard or b"(nothing)")
        if heard:
            one.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
        one.close()
"""


@contextmanager
def stranger(place: Path, heard: Path) -> Iterator[None]:
    command = [sys.executable, "-c", textwrap.dedent(STRANGER), str(place), str(heard)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        yield
    finally:
        process.kill()
        process.communicate()


async def test_s5_a_stranger_at_the_socket_learns_no_key_and_is_not_taken_for_the_child(
    tmp_path: Path,
) -> None:
    heard = tmp_path / "heard"
    worker = Worker(1, 0, tmp_path / "w.sock")
    child = (sys.executable, "-c", "import sys; sys.stdin.read()")
    await worker.spawn(child, dict(os.environ), tmp_path, {}, lambda _: None)
    try:
        with stranger(worker.socket, heard):
            assert not await alive(worker, 10)
            with pytest.raises(OSError, match="not the child"):
                await worker.session.post("/v1/chat/completions", json={"api_key": "planted"})
            while not heard.exists() or heard.read_bytes().count(b"(nothing)") < 2:
                await asyncio.sleep(0.01)
            assert heard.read_bytes() == b"(nothing)" * 2
    finally:
        worker.signal(9)
        await worker.wait()
        await worker.close()
    assert not worker.socket.exists()


async def test_s7_a_connection_that_cannot_be_asked_about_is_closed_and_none_of_aiohttps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last descriptor went to the connection itself."""
    heard = tmp_path / "heard"
    worker = Worker(1, 0, tmp_path / "w.sock")

    def none_left(_: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with stranger(worker.socket, heard):
        monkeypatch.setattr("freeloader.child.listener.os.dup", none_left)
        with pytest.raises(aiohttp.ClientConnectorError, match="Too many open files"):
            await worker.session.post("/v1/chat/completions", json={"api_key": "planted"})
        while not heard.exists() or not heard.read_bytes():
            await asyncio.sleep(0.01)
        assert heard.read_bytes() == b"(nothing)"
    await worker.close()


def a_listener(place: Path) -> None:
    """One that is gone: its socket is left."""
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(place))
        there.listen()


def a_directory(place: Path) -> None:
    place.mkdir()
    (place / "something").write_text("in it")


def a_link(place: Path) -> None:
    target = place.parent.parent.parent / "target"
    target.mkdir()
    (target / "precious").write_text("stays")
    place.symlink_to(target)


def a_dangling_link(place: Path) -> None:
    place.symlink_to(place.parent / "nothing")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """As deep as the links' target has to be above it."""
    made = tmp_path / "a" / "run"
    made.mkdir(parents=True)
    return made


PLANTED = [a_listener, Path.touch, a_directory, a_link, a_dangling_link]


@pytest.mark.parametrize("plant", PLANTED)
async def test_s5_whatever_is_at_the_place_of_a_socket_a_child_serves_in_the_end(
    plant: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first generation may fail by it, and the next has a place of its own."""
    prepare = Places.prepare

    def planted(self: Places) -> None:
        prepare(self)
        plant(self.socket(1, 0))

    monkeypatch.setattr(Places, "prepare", planted)
    command = (sys.executable, "-c", textwrap.dedent(CHILD), "plain")
    keeper = Keeper(
        tmp_path / "run", tmp_path / "logs", SystemClock(), rules=RULES, command=command
    )
    await keeper.start([ENTRY])
    try:
        await keeper.wait_ready(30)
        with keeper.lease() as lease:
            async with lease.session.get("/") as answer:
                assert answer.status == 200
    finally:
        await keeper.stop()
    assert not (tmp_path / "run" / "child").exists()
    if plant is a_link:
        assert (tmp_path / "target" / "precious").read_text() == "stays"


@pytest.mark.parametrize("plant", PLANTED)
def test_s5_whatever_is_at_the_place_of_the_directory_it_is_ours_and_private(
    plant: Callable[[Path], None], run: Path
) -> None:
    plant(run / "child")
    Places(run).prepare()
    assert (run / "child").is_dir()
    assert not (run / "child").is_symlink()
    assert list((run / "child").iterdir()) == []
    assert (run / "child").stat().st_mode & 0o777 == 0o700
    if plant is a_link:
        assert (run.parent.parent / "target" / "precious").read_text() == "stays"


@pytest.mark.parametrize("plant", PLANTED)
def test_s5_a_recorded_socket_is_removed_unless_it_has_become_a_directory(
    plant: Callable[[Path], None], run: Path
) -> None:
    """The record is a file like any other: it must not be able to name what is to be emptied."""
    plant(run / "g1-0.sock")
    save(run / "child.json", [Record(2**22 + 1, 0.0, str(run / "g1-0.sock"))])
    assert sweep(run / "child.json") == ()
    assert not (run / "child.json").exists()
    assert os.path.lexists(run / "g1-0.sock") == (plant is a_directory)


def test_vacate_takes_what_is_not_there(tmp_path: Path) -> None:
    places.vacate(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []
