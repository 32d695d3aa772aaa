"""One daemon per home, told by real processes: locks, births, stopping, forking."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from freeloader.cli import lifecycle
from freeloader.cli.lifecycle import Lock, Record, RunFiles
from freeloader.clock import SystemClock

ROOT = Path(__file__).parents[2]
CLOCK = SystemClock()


@pytest.fixture
def child():
    """Starts short Python programs that say "ready" and are gone after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(10)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


WAIT = "print('ready', flush=True); import sys; sys.stdin.read()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAIT
HOLD = (
    "import sys; from pathlib import Path; from freeloader.cli.lifecycle import Lock;"
    "lock = Lock(Path(sys.argv[1])); assert lock.acquire(); " + WAIT
)


def record_of(pid: int) -> Record:
    return Record(pid, lifecycle.birth(pid) or "", CLOCK.now().wall)


def test_the_lock_keeps_a_second_process_out_and_dies_with_the_first(child, tmp_path):
    path = tmp_path / "daemon.lock"
    holder = child(HOLD, str(path))
    mine = Lock(path)
    assert not mine.acquire()
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    assert mine.acquire()
    assert not Lock(path).acquire()
    mine.release()
    mine.release()
    assert Lock(path).acquire()


def test_one_that_is_just_ending_is_waited_for(tmp_path, monkeypatch):
    """Its first thread is gone and counts as dead; the lock goes with the last one."""
    ending, next_one = Lock(tmp_path / "daemon.lock"), Lock(tmp_path / "daemon.lock")
    assert ending.acquire()
    looks = []

    def look_again(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            ending.release()

    monkeypatch.setattr(lifecycle, "pause", look_again)
    assert next_one.acquire_soon(lambda: False, CLOCK)
    assert len(looks) == 3
    assert not ending.acquire_soon(lambda: True, CLOCK), "a running daemon is not waited for"
    monkeypatch.setattr(lifecycle, "PATIENCE_SECONDS", 0.0)
    assert not ending.acquire_soon(lambda: False, CLOCK)
    assert len(looks) == 3
    next_one.release()


def test_a_forked_process_keeps_the_lock_its_parent_lets_go(tmp_path):
    lock = Lock(tmp_path / "daemon.lock")
    assert lock.acquire()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    lock.release()
    second = Lock(tmp_path / "daemon.lock")
    held = not second.acquire()
    os.close(writer)
    os.waitpid(pid, 0)
    assert held
    assert second.acquire()


def test_birth_tells_processes_apart(child):
    process = child(WAIT)
    birth = lifecycle.birth(process.pid)
    assert birth
    assert birth == lifecycle.birth(process.pid)
    assert lifecycle.alive(record_of(process.pid))
    assert not lifecycle.alive(Record(process.pid, "ticks:1", 0.0))


def test_a_zombie_is_gone():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # ended, not yet collected
    found = lifecycle.birth(pid)
    os.waitpid(pid, 0)
    assert found is None
    assert lifecycle.birth(pid) is None


def test_run_files_say_who_and_where(tmp_path):
    files = RunFiles(tmp_path)
    files.prepare()
    assert files.running() is None
    record = files.announce(files.claim("1.2.3"), "http://127.0.0.1:3000")
    assert files.running() == record
    assert (record.pid, record.version) == (os.getpid(), "1.2.3")
    assert (tmp_path / "run" / "daemon.pid").read_text() == f"{os.getpid()}\n"
    assert (tmp_path / "run").stat().st_mode & 0o077 == 0
    assert (tmp_path / "run" / "daemon.json").stat().st_mode & 0o077 == 0
    files.clear(record)
    assert files.running() is None
    assert not (tmp_path / "run" / "daemon.pid").exists()


def test_run_files_of_another_daemon_are_left_alone(tmp_path):
    files = RunFiles(tmp_path)
    files.prepare()
    old = files.claim("1")
    new = files.announce(old, "http://127.0.0.1:1")
    files.clear(old)
    assert files.running() == new


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "what": 2}', "\xff"])
def test_a_broken_run_file_means_not_running(tmp_path, text):
    files = RunFiles(tmp_path)
    files.prepare()
    (tmp_path / "run" / "daemon.json").write_text(text, encoding="latin-1")
    assert files.running() is None


def test_a_number_used_again_is_not_the_daemon(tmp_path, child):
    files = RunFiles(tmp_path)
    files.prepare()
    process = child(WAIT)
    files._write(Record(process.pid, "ticks:1", 0.0, "http://127.0.0.1:1"))
    assert files.running() is None
    assert lifecycle.stop(Record(process.pid, "ticks:1", 0.0), 5, CLOCK)
    assert process.poll() is None, "the innocent process was killed"


def test_stop_ends_it_politely(child):
    process = child(WAIT)
    assert lifecycle.stop(record_of(process.pid), 20, CLOCK)
    assert process.wait(10) == -signal.SIGTERM


def test_stop_gives_up_in_time_and_force_does_not(child):
    process = child(DEAF)
    record = record_of(process.pid)
    assert not lifecycle.stop(record, 0.1, CLOCK)
    assert process.poll() is None
    assert lifecycle.stop(record, 0.1, CLOCK, force=True)
    assert process.wait(10) == -signal.SIGKILL


SPAWN = """
import os, sys
from pathlib import Path
from freeloader.cli import lifecycle

def body(writer):
    print("to the console")
    print("an error", file=sys.stderr)
    facts = [os.getsid(0) == os.getpid(), os.getppid() != PARENT, sys.stdin.read() == "",
             os.getcwd(), os.umask(0o077) == 0o077]
    os.write(writer, (repr(facts) + "\\n").encode())
    {ending}

PARENT = os.getpid()
folder = Path(sys.argv[1])
pid, reader = lifecycle.spawn(body, folder / "console.log", folder)
said = b""
while piece := os.read(reader, 1000):
    said += piece
print(pid, said.decode().strip())
"""


def spawn(tmp_path: Path, ending: str) -> tuple[int, list[object], str]:
    done = subprocess.run(
        [sys.executable, "-c", SPAWN.format(ending=ending), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    pid, _, facts = done.stdout.strip().partition(" ")
    return int(pid), eval(facts), (tmp_path / "console.log").read_text()


def test_a_daemon_has_no_terminal_and_its_end_is_noticed(tmp_path):
    pid, facts, console = spawn(tmp_path, "return 0")
    # Not a session leader: it can never get a terminal again.
    assert facts == [False, True, True, str(tmp_path), True]
    assert console == "to the console\nan error\n"
    assert pid > 0
    assert (tmp_path / "console.log").stat().st_mode & 0o077 == 0


def test_a_daemon_that_fails_leaves_its_reason_in_the_console(tmp_path):
    _, _, console = spawn(tmp_path, "raise RuntimeError('no luck')")
    assert "RuntimeError: no luck" in console
