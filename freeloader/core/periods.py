"""Calendar periods: when a day, a month or five hours begin and end in a time zone.

Knows dates and zones, and no quota or money. Instants are Unix seconds (wall);
a period is half-open, ``[start, end)``, and the periods of one window and zone
tile the time line: right across daylight saving, month ends and skipped days.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

_WINDOW = re.compile(r"([1-9][0-9]*)(s|m|h|d)")
_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}
#: The longest month: what a month counts as where it slides instead of following the calendar.
_MONTH = 31 * 86400


@dataclass(frozen=True, slots=True)
class Period:
    """``[start, end)`` in Unix seconds."""

    start: float
    end: float

    def __contains__(self, moment: float) -> bool:
        return self.start <= moment < self.end


def window_seconds(window: str) -> float:
    """The length of a window: ``5h`` → 18000; ``month`` → 31 days; ``once`` → infinity.

    Raises ValueError for anything else.
    """
    if window == "month":
        return float(_MONTH)
    if window == "once":
        return inf
    count, unit = _parse(window)
    return float(count * _UNIT[unit])


def period(window: str, timezone: str, now: float) -> Period:
    """The calendar period of ``window`` that ``now`` falls in, in an IANA time zone.

    Days begin at local midnight; ``Nd`` is counted from Mondays (so ``7d`` is the
    ISO week); windows under a day are counted from local midnight and cut by the
    next one; hours that make more than a day are the whole days that hold them.
    Raises ValueError for an unknown window or zone.
    """
    zone = _zone(timezone)
    today = datetime.fromtimestamp(now, zone).date()
    if window == "month":
        first = today.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
        return Period(_midnight(first, zone), _midnight(following, zone))
    if window == "once":
        return Period(-inf, inf)
    count, unit = _parse(window)
    if count * _UNIT[unit] > _UNIT["d"]:
        count, unit = -(-count * _UNIT[unit] // _UNIT["d"]), "d"
    if unit == "d":
        first = today - timedelta(days=(today.toordinal() - 1) % count)
        return Period(_midnight(first, zone), _midnight(first + timedelta(days=count), zone))
    day = Period(_midnight(today, zone), _midnight(today + timedelta(days=1), zone))
    width = count * _UNIT[unit]
    start = day.start + (now - day.start) // width * width
    return Period(start, min(start + width, day.end))


class Calendar:
    """The same as ``period`` for one window and zone, remembering the last answer.

    Looking up the current period again costs a comparison, not a zone conversion.
    """

    __slots__ = ("_last", "timezone", "window")

    def __init__(self, window: str, timezone: str) -> None:
        self.window, self.timezone = window, timezone
        self._last = Period(0.0, 0.0)

    def at(self, now: float) -> Period:
        last = self._last
        if not last.start <= now < last.end:
            last = self._last = period(self.window, self.timezone, now)
        return last


def iso(wall: float) -> str:
    """Unix seconds as ISO 8601 in UTC to the second, for reasons that people read."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse(window: str) -> tuple[int, str]:
    match = _WINDOW.fullmatch(window)
    if match is None:
        raise ValueError(f"not a window: {window!r} (a number and s, m, h or d; month; once)")
    return int(match[1]), match[2]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as problem:
        raise ValueError(f"not a time zone: {name!r}") from problem


def _midnight(day: date, zone: ZoneInfo) -> float:
    """Where midnight is skipped this is the moment of the jump; where doubled, the first."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
