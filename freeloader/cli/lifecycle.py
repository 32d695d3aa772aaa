"""One daemon per home: the lock, the run file, starting in the background, stopping.

The lock (``run/daemon.lock``, held with flock for the daemon's life) is what keeps a
second one out; the run file (``run/daemon.json``, and the bare number in
``run/daemon.pid``) only says who it is. It knows no HTTP and no settings, and
it trusts no pid without the birth time beside it: numbers are used again.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from freeloader.clock import Clock, SystemClock

# How often a wait looks again; waits are bounded by their callers.
TICK_SECONDS = 0.05
# An ending process lets go of its lock within milliseconds; a command holds it for a second.
PATIENCE_SECONDS = 5.0

pause = threading.Event().wait


@dataclass(frozen=True, slots=True)
class Record:
    """Who the daemon of a home is. ``birth`` tells two processes with one pid apart.

    ``started`` is Unix seconds; ``address`` is None until the front listens.
    """

    pid: int
    birth: str
    started: float
    address: str | None = None
    version: str = ""


def birth(pid: int) -> str | None:
    """When the process with this pid was made, as an opaque text; None if none runs.

    A zombie counts as gone. On Linux the kernel's own tick count is used, which
    a changed wall clock does not move.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _birth_elsewhere(pid)
    except (PermissionError, ProcessLookupError):
        return None
    # The name in parentheses may hold spaces and parentheses itself.
    state, *fields = stat.rpartition(b")")[2].split()
    return None if state in (b"Z", b"X") else f"ticks:{fields[18].decode()}"


def _birth_elsewhere(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        gone = process.status() == psutil.STATUS_ZOMBIE
        return None if gone else f"time:{process.create_time():.0f}"
    except psutil.Error:
        return None


def alive(record: Record) -> bool:
    """True while the very process of the record runs."""
    return birth(record.pid) == record.birth


class Lock:
    """``run/daemon.lock`` of one home, held until ``release`` or the end of all who share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire_soon(self, given_up: Callable[[], bool], clock: Clock) -> bool:
        """As ``acquire``, with ``PATIENCE_SECONDS`` for one that is just ending.

        A daemon whose first thread is gone counts as gone, but the system lets go of its
        lock with its last thread. ``given_up`` says that there is nothing to wait for.
        """
        until = clock.now().mono + PATIENCE_SECONDS
        while not self.acquire():
            if given_up() or clock.now().mono >= until:
                return False
            pause(TICK_SECONDS)
        return True

    def acquire(self) -> bool:
        """True if this process has the lock now; False if another one holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Lets go of this process's share; a forked daemon keeps its own."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class RunFiles:
    """The run directory of one home, and what is written there about the daemon."""

    def __init__(self, home: Path, clock: Clock | None = None) -> None:
        self.directory = home / "run"
        self._clock = clock or SystemClock()

    @property
    def lock(self) -> Lock:
        """A lock object for this home (not yet acquired)."""
        self.prepare()
        return Lock(self.directory / "daemon.lock")

    def prepare(self) -> None:
        """Makes the directory, for its owner alone."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def claim(self, version: str) -> Record:
        """Writes this process down as the daemon; the lock must be held."""
        pid = os.getpid()
        record = Record(pid, birth(pid) or "", self._clock.now().wall, None, version)
        self._write(record)
        return record

    def announce(self, record: Record, address: str) -> Record:
        """Writes down where the daemon listens."""
        record = replace(record, address=address)
        self._write(record)
        return record

    def clear(self, record: Record) -> None:
        """Removes what ``record`` wrote, and nobody else's."""
        if self._read() == record:
            for name in ("daemon.json", "daemon.pid"):
                (self.directory / name).unlink(missing_ok=True)

    def running(self) -> Record | None:
        """The daemon of this home if it runs; a stale file counts as none."""
        record = self._read()
        return record if record is not None and alive(record) else None

    def crashed(self) -> Record | None:
        """A daemon that is gone and did not clear up, as after a kill or a crash; else None."""
        record = self._read()
        return record if record is not None and not alive(record) else None

    def _write(self, record: Record) -> None:
        for name, text in (
            ("daemon.pid", f"{record.pid}\n"),
            ("daemon.json", json.dumps(asdict(record)) + "\n"),
        ):
            fresh = self.directory / f".{name}.{record.pid}"
            fresh.write_text(text, encoding="utf-8")
            fresh.chmod(0o600)
            fresh.replace(self.directory / name)

    def _read(self) -> Record | None:
        try:
            found: Any = json.loads((self.directory / "daemon.json").read_text("utf-8"))
            return Record(**found)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, OSError):
            return None  # half written or foreign: the lock decides, not this file


def stop(record: Record, seconds: float, clock: Clock, *, force: bool = False) -> bool:
    """Asks the daemon to end and waits up to ``seconds``; True if it is gone.

    With ``force`` it is killed when the time is up.
    """
    _signal(record, signal.SIGTERM)
    if wait_gone(record, seconds, clock):
        return True
    if not force:
        return False
    _signal(record, signal.SIGKILL)
    return wait_gone(record, 5.0, clock)


def wait_gone(record: Record, seconds: float, clock: Clock) -> bool:
    """Waits up to ``seconds`` for the process to end; True if it has."""
    until = clock.now().mono + seconds
    while alive(record):
        if clock.now().mono >= until:
            return False
        pause(TICK_SECONDS)
    return True


def _signal(record: Record, number: signal.Signals) -> None:
    if alive(record):
        try:
            os.kill(record.pid, number)
        except ProcessLookupError:
            return  # it ended in between, which is what was wanted


def spawn(body: Callable[[int], int], console: Path, directory: Path) -> tuple[int, int]:
    """Starts ``body`` as a daemon of its own; returns (its pid, the end of a pipe to read).

    Double fork and a new session, so that it has no terminal and never gets one;
    standard input is empty, output and errors go to ``console``. ``body`` gets
    the writing end of the pipe and returns the exit code. The pipe closes when
    the daemon ends (or closes it): that is how its death is noticed. To be
    called from a process with one thread and without an event loop.
    """
    reader, writer = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(reader)
        os.setsid()
        if os.fork() > 0:
            os._exit(0)
        _become_daemon(body, writer, console, directory)
    os.close(writer)
    os.waitpid(first, 0)
    pid = int(_read_line(reader) or b"0")
    return pid, reader


def _become_daemon(body: Callable[[int], int], writer: int, console: Path, directory: Path) -> None:
    """In the grandchild: loses the terminal, runs ``body``, and never returns."""
    code = 70
    try:
        os.umask(0o077)
        os.write(writer, f"{os.getpid()}\n".encode())
        os.chdir(directory)
        nothing = os.open(os.devnull, os.O_RDONLY)
        output = os.open(console, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        code = body(writer)
    except BaseException:  # noqa: BLE001 - the end of a process: nobody is left to catch it
        import traceback

        traceback.print_exc()
    finally:
        # Not sys.exit: the parent's exit handlers and buffers are not ours to run.
        import sys

        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _read_line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(descriptor, 1)
        if not piece:
            break
        line += piece
    return line.strip()
