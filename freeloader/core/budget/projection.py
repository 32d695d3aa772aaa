"""How long a month's budget lasts at the recent rate, and what is a sudden rise. Pure estimates.

From the days before today: with two weeks of them each weekday goes by its own kind,
with fewer all days are alike, with none today's own rate stands in. Nothing here moves
money; amounts are integer picodollars, times wall seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from freeloader.core.periods import Period, period

#: Whole days from which on weekdays are told apart.
WEEKDAYS_FROM = 14
#: Whole days of which the newest speak where weekdays are not told apart.
_RECENT = 14
#: Less of a day than this is no rate (seconds).
_LEAST_S = 3600.0
#: The window of a spike (seconds), and the quarter hours with spending that are "usual".
SPIKE_S = 600.0
SLOT_S = 900
USUAL_FROM = 4


class Day(NamedTuple):
    """One whole day before today: its weekday (Monday 0) and what was spent."""

    weekday: int
    spent: int


class Forecast(NamedTuple):
    """``month``: spent by its end; ``exhausted_at``: when the limit is, None: not this month."""

    month: int
    exhausted_at: float | None


def expected(days: Sequence[Day], weekday: int) -> int | None:
    """What a whole day of this kind likely costs; ``days`` are without gaps, oldest first."""
    if not days:
        return None
    if len(days) >= WEEKDAYS_FROM:
        same = [day.spent for day in days if day.weekday == weekday]
    else:
        same = [day.spent for day in days[-_RECENT:]]
    return sum(same) // len(same)


def forecast(
    days: Sequence[Day], today: int, month: int, limit: int | None, timezone: str, now: float
) -> Forecast:
    """The rest of the month, day by day. ``today`` and ``month`` are spent already."""
    span, zone = period("month", timezone, now), ZoneInfo(timezone)
    total, ends = month, (now if limit is not None and month and month >= limit else None)
    at = now
    while at < span.end:
        day = period("1d", timezone, at)
        whole = expected(days, datetime.fromtimestamp(at, zone).weekday())
        if whole is None:
            whole = _rate(today, now, period("1d", timezone, now), day)
        left = int(whole * (day.end - at) / (day.end - day.start))
        if ends is None and limit is not None and left and total + left >= limit:
            ends = at + (day.end - at) * max(0, limit - total) / left
        total, at = total + left, day.end
    return Forecast(total, ends)


def _rate(today: int, now: float, this: Period, day: Period) -> int:
    elapsed = max(_LEAST_S, now - this.start)
    return int(today * (day.end - day.start) / elapsed)


def usual(slots: Sequence[int]) -> int | None:
    """What ten minutes cost while anything is spent, from sums of quarter hours; None: too few.

    Idle quarters are left out: a daily hour of work is no spike in an idle day.
    """
    busy = [spent for spent in slots if spent > 0]
    if len(busy) < USUAL_FROM:
        return None
    return int(sum(busy) * SPIKE_S / SLOT_S) // len(busy)


def is_spike(recent: int, usual_: int | None, factor: float) -> bool:
    """True if ``recent`` (ten minutes) is above ``factor`` times the usual."""
    return usual_ is not None and recent > usual_ * factor


def local_day(moment: float, timezone: str) -> date:
    """The day that a moment falls in."""
    return datetime.fromtimestamp(moment, ZoneInfo(timezone)).date()


def ordinal(number: int) -> str:
    """``19`` → ``19th``."""
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"
