"""Which child processes there are, on disk, so that a later daemon can end what an earlier left.

A pid alone proves nothing: it is reused. Only a process with the recorded
creation time is ever ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from freeloader.child.config import write_private

if TYPE_CHECKING:
    import psutil

_SAME_MOMENT = 0.5
_WAIT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Record:
    """One child process; ``created`` is Unix seconds as the kernel tells them."""

    pid: int
    created: float
    socket: str


def record_of(pid: int, socket: Path) -> Record | None:
    """The record of a running process, or None if it is gone already."""
    import psutil  # where there is a child

    try:
        return Record(pid, psutil.Process(pid).create_time(), str(socket))
    except psutil.Error:
        return None


def save(path: Path, records: Iterable[Record]) -> None:
    """Replace the file. Raises OSError."""
    write_private(path, json.dumps([asdict(record) for record in records]))


def sweep(path: Path) -> tuple[int, ...]:
    """End every recorded process that is still there, remove their sockets; returns the pids ended.

    Blocks for up to three seconds.
    """
    ended = []
    for record in _load(path):
        process = _same_process(record)
        if process is not None:
            process.kill()
            ended.append(process)
        with suppress(OSError):  # a directory by now: not what was recorded, so not ours to empty
            Path(record.socket).unlink(missing_ok=True)
    if ended:
        import psutil

        psutil.wait_procs(ended, timeout=_WAIT_SECONDS)
    path.unlink(missing_ok=True)
    return tuple(process.pid for process in ended)


def _same_process(record: Record) -> psutil.Process | None:
    import psutil

    try:
        process = psutil.Process(record.pid)
        if abs(process.create_time() - record.created) > _SAME_MOMENT:
            return None
    except psutil.Error:
        return None
    return process


def _load(path: Path) -> list[Record]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [Record(int(r["pid"]), float(r["created"]), str(r["socket"])) for r in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # no file, or one cut short by a crash: then there is nothing to go by
