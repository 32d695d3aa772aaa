"""The record of pids never ends a stranger; the log is bounded; the environment is ours."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from freeloader.child.environment import child_environ
from freeloader.child.logfile import TAIL_LINES, LogFile
from freeloader.child.places import Places
from freeloader.child.process import Worker
from freeloader.child.records import record_of, save, sweep

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_sweep_ends_what_was_recorded_and_spares_a_recycled_pid(tmp_path: Path) -> None:
    left, stranger = subprocess.Popen(SLEEP), subprocess.Popen(SLEEP)
    try:
        path, socket = tmp_path / "child.json", tmp_path / "g1-0.sock"
        socket.touch()
        records = [record_of(left.pid, socket), record_of(stranger.pid, tmp_path / "other")]
        save(path, [record for record in records if record is not None])
        rows = json.loads(path.read_text())
        rows[1]["created"] -= 100  # the pid was somebody else's when it was written down
        path.write_text(json.dumps(rows))
        assert sweep(path) == (left.pid,)
        assert not psutil.pid_exists(left.pid)
        assert psutil.pid_exists(stranger.pid)
        assert stranger.poll() is None
        assert not socket.exists()
        assert not path.exists()
    finally:
        for process in (left, stranger):
            process.kill()
            process.wait()


def test_sweep_takes_a_file_cut_short_or_none_at_all(tmp_path: Path) -> None:
    path = tmp_path / "child.json"
    assert sweep(path) == ()
    path.write_text('[{"pid": 1, "crea')
    assert sweep(path) == ()


def test_places_are_private_and_short_enough_for_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    places = Places(deep)
    places.prepare()
    try:
        socket = places.socket(999999, 99)
        assert len(str(socket).encode()) <= 100
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(places.config(1).parent.stat().st_mode) == 0o700
    finally:
        places.clear()
    assert not socket.parent.exists()


def test_the_log_is_rotated_bounded_private_and_keeps_its_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "litellm.log"
    log = LogFile(path, max_bytes=1000, keep=2)
    for number in range(200):
        log.write(b"\x1b[32mline %d\x1b[0m\nhalf" % number)
    log.close()
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["litellm.log", "litellm.log.1", "litellm.log.2"]
    assert all(file.stat().st_size <= 1100 for file in tmp_path.iterdir())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(log.tail) <= TAIL_LINES + 1
    assert log.tail[-2].endswith("line 199")
    assert "\x1b" not in "".join(log.tail)


def test_k4_the_environment_is_made_from_scratch(tmp_path: Path) -> None:
    source = {
        "PATH": "/bin",
        "OPENAI_API_KEY": "planted",
        "DATABASE_URL": "planted",
        "HTTPS_PROXY": "http://u:planted@p",
        "PORT": "1",
        "TZ": "Europe/Berlin",
    }
    environ = child_environ(tmp_path, source)
    assert "planted" not in json.dumps(environ)
    assert "PORT" not in environ
    assert environ["PATH"] == "/bin"
    assert environ["TZ"] == "Europe/Berlin"
    assert environ["HOME"] == str(tmp_path)
    assert environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"


def test_a_key_that_the_child_prints_is_masked_however_it_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "litellm.log"
    log = LogFile(path, scrub=lambda text: text.replace("sk-planted", "***"))
    for piece in (b"error: sk-pl", b"anted is wrong\nnext sk-", b"planted"):
        log.write(piece)
        assert "planted" not in "".join(log.tail)
    log.close()
    assert path.read_text() == "error: *** is wrong\nnext ***"
    assert "planted" not in "".join(log.tail)


async def test_s2_a_worker_that_ends_while_it_is_started_is_an_end_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pipe is closed before its orders are written, where the loop is uvloop's."""
    start = asyncio.create_subprocess_exec

    async def dies_at_once(*command: str, **options: Any) -> Any:
        process = await start(*command, **options)
        await process.wait()

        def write(_: bytes) -> None:
            raise RuntimeError("unable to perform operation; the handler is closed")

        monkeypatch.setattr(process.stdin, "write", write)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", dies_at_once)
    worker = Worker(1, 0, tmp_path / "w.sock")
    await worker.spawn((sys.executable, "-c", "raise SystemExit(3)"), {}, tmp_path, {}, len)
    assert await worker.wait() == worker.exited == 3
    await worker.close()
