"""What `doctor` says of the machine's clock and of the room on its disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from freeloader.cli.checks.patient import FAIL, OK, WARN, Finding, Patient
from freeloader.cli.shell import duration
from freeloader.clock import iso

DISK_WARN_BYTES = 1024**3
DISK_FAIL_BYTES = 100 * 1024**2
# No machine that can run this release is older; a clock before it was never set.
OLDEST_WALL = 1_790_000_000.0
FUTURE_SECONDS = 3600.0
#: The daemon writes its start down a moment after it began.
JUMPED_SECONDS = 90.0
#: Files that can still be made on the disk.
FILES_FEW = 1_000


def check_clock(patient: Patient) -> Iterator[Finding]:
    wall = patient.clock.now().wall
    if wall < OLDEST_WALL:
        yield Finding("clock", FAIL, f"it says {iso(wall)}: it was never set", "set the time")
        return
    newest = max((file.stat().st_mtime for file in _files(patient.home)), default=0.0)
    if newest > wall + FUTURE_SECONDS:
        yield Finding(
            "clock",
            WARN,
            f"the home was written to at {iso(newest)}, which is to come",
            "set the time: quotas and budgets go by days",
        )
        return
    jumped = _jumped(patient)
    if abs(jumped) > JUMPED_SECONDS:
        way = "forward" if jumped > 0 else "back"
        found = f"it was set {way} by {duration(abs(jumped))} since the daemon started"
        yield Finding("clock", WARN, found, "if it is right now: xswarm restart; else set the time")
        return
    yield Finding("clock", OK, iso(wall))


def _jumped(patient: Patient) -> float:
    """Seconds by which the wall clock was set since the daemon started; sleep does not count.

    The system keeps a process's birth by a clock that nobody sets, and tells it in today's
    wall time; the daemon wrote down what the wall clock said then.
    """
    import psutil

    if patient.record is None:
        return 0.0
    try:
        return psutil.Process(patient.record.pid).create_time() - patient.record.started
    except psutil.Error:
        return 0.0


def check_disk(patient: Patient) -> Iterator[Finding]:
    place = next((p for p in (patient.home, *patient.home.parents) if p.is_dir()), Path("/"))
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:.1f} GB free"
    kept = os.statvfs(place)
    if kept.f_files and kept.f_favail < FILES_FEW:
        yield Finding("disk", FAIL, f"{found}, but room for {kept.f_favail} files only",
                      "remove files: no database can be written without")  # fmt: skip
    elif free < DISK_FAIL_BYTES:
        yield Finding("disk", FAIL, found, "make room: holds cannot be written on a full disk")
    elif free < DISK_WARN_BYTES:
        yield Finding("disk", WARN, found, "make room")
    else:
        yield Finding("disk", OK, found)


def _files(home: Path) -> Iterator[Path]:
    """The files that the daemon itself writes."""
    for name in ("freeloader.db", "freeloader.db-wal", "journal.db", "logs/freeloader.log"):
        if (home / name).is_file():
            yield home / name
