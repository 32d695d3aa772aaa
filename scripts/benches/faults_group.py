"""S7: the memory of a control group runs out, as a container's or a service's does.

A group is made below the one that the bench runs in, for the daemon alone, and removed
afterwards. Where none can be made (no rights, no memory controller), the row says so.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from faults_kit import LANE, Row, furnished, holds, large_at_once, market

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, until

from freeloader.gateway.guards.control_groups import limiting

#: Above what the daemon has: too little for the bodies that come.
_SCARCE = 48 * 2**20
_PLENTY = 2**30
_BODIES = 24


def group(place: Path, *, quick: bool) -> list[Row]:
    """The row of the table."""
    fault = "S7: a control group's memory is used up"
    with _made() as made:
        if made is None:
            return [Row(fault, "", "", "SKIPPED: no control group can be made here", True)]
        with market(place, ("alpha",)) as simulator:
            house = furnished(place, simulator, ("alpha",), environ={LANE: "direct"})
            try:
                return [_row(fault, house, made)]
            finally:
                if house.daemon is not None and house.daemon.poll() is None:
                    house.stop()


def _row(fault: str, house: House, made: Path) -> Row:
    limit = next(made / n for n in ("memory.max", "memory.limit_in_bytes") if (made / n).exists())
    limit.write_text(str(_PLENTY))
    join = f'echo $$ > "{made}/cgroup.procs"; exec "$@"'
    house.start(under=("sh", "-c", join, "sh"))
    assert house.daemon is not None
    assert house.chat(model="alpha/m")[0] == 200
    limit.write_text(str(psutil.Process(house.daemon.pid).memory_info().rss + _SCARCE))
    told = large_at_once(house, _BODIES)
    owner = house.call("GET", "/v1/config", role="admin")[0]
    alive = house.daemon.poll() is None
    limit.write_text(str(_PLENTY))
    began = time.monotonic()
    until(lambda: house.chat(model="alpha/m")[0] == 200, 20, "it answers again")
    back = time.monotonic() - began
    shed = sum(status == 503 and wait for status, wait in told)
    # What was let in is too long for the model, and told so.
    answered = sum(status in (200, 400, 413, 422) for status, _ in told)
    left = holds(house)
    kept = alive and shed and shed + answered == len(told) == _BODIES
    return Row(
        fault, f"{limit.name} {_SCARCE // 2**20} MB above what it has, {_BODIES} bodies of 4 MB",
        "what has no room is shed with 503 and Retry-After, the owner gets in, nothing is killed",
        f"{shed} shed, {answered} answered, owner {owner}, {'alive' if alive else 'DEAD'}, "
        f"back after {back:.2f} s, {left} holds left",
        bool(kept) and owner == 200 and back < 1.5 and left == 0,
    )  # fmt: skip


@contextmanager
def _made() -> Iterator[Path | None]:
    """A group of our own with a memory limit; None where there can be none."""
    own = limiting()
    made = own[0].limit.parent / f"freeloader-{time.time_ns()}" if own else None
    with suppress(OSError):
        if made is not None:
            made.mkdir()
    names = ("memory.max", "memory.limit_in_bytes")
    if made is None or not any((made / name).exists() for name in names):
        if made is not None:
            with suppress(OSError):
                made.rmdir()
        yield None
        return
    try:
        yield made
    finally:
        until(lambda: not (made / "cgroup.procs").read_text().strip(), 30, "the group is empty")
        made.rmdir()
