"""The only reader of time.

Ages and time-outs use ``mono`` (monotonic seconds); windows, days and anything
shown to people use ``wall`` (Unix seconds, UTC). Nothing else in the package
calls ``time`` or ``datetime.now``.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, Protocol


class Instant(NamedTuple):
    """One moment on both clocks. ``wall``: Unix seconds; ``mono``: seconds since some start.

    (A tuple: one is made twenty times for each request.)
    """

    wall: float
    mono: float

    def iso(self) -> str:
        """The wall time as ISO 8601 in UTC, milliseconds, with a Z."""
        return iso(self.wall)


_instant = partial(tuple.__new__, Instant)


def iso(wall: float) -> str:
    """Unix seconds as ISO 8601 in UTC, e.g. ``2026-11-20T12:00:00.000Z``."""
    text = datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


#: The wall clock may run ahead of the monotonic one by so many seconds and mean nothing.
SLEPT_S = 5.0


def slept(before: Instant, after: Instant) -> float:
    """Seconds that the machine slept between the two: the monotonic clock stands still then.

    0 where it did not. (A clock that is set forward looks the same, and costs as little.)
    """
    away = (after.wall - before.wall) - (after.mono - before.mono)
    return away if away >= SLEPT_S else 0.0


def asleep() -> float:
    """Seconds that the machine was suspended since it was started.

    What tells a night with the lid closed from a clock that was set: both move the wall clock
    past the monotonic one, but while the machine is suspended a third clock goes on.
    """
    through = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # elsewhere that one does
    return time.clock_gettime(through) - time.monotonic()


class Clock(Protocol):
    """Where the time comes from; tests give their own."""

    def now(self) -> Instant: ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> Instant:
        return _instant((time.time(), time.monotonic()))
