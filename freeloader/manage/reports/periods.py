"""What people call stretches of time: ``24h``, ``7d``, ``month``, ``2026-11-20``. Pure.

Periods of hours end now and are cut by hours; periods of days are whole UTC days,
today included. Times are Unix seconds (wall).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from freeloader.errors import InvalidRequest

DAY_S = 86_400.0
HOUR_S = 3_600.0
#: Longer periods of hours are cut by days: single rows are read for each hour.
HOURS_MAX = 48
DAYS_MAX = 3_660
#: 2191: no moment that anybody asks for is later.
LATEST = 7e9

_NUMBER = re.compile(r"([1-9][0-9]{0,4})\s*(h|d|w|m|y)", re.ASCII)
_NAMES = {
    "hour": (1, "h"),
    "day": (24, "h"),
    "daily": (24, "h"),
    "week": (7, "d"),
    "weekly": (7, "d"),
    "month": (30, "d"),
    "monthly": (30, "d"),
    "quarter": (90, "d"),
    "year": (365, "d"),
    "all": (DAYS_MAX, "d"),
}
KNOWN = "24h, 7d, 30d, 12w, today, yesterday, day, week, month, quarter, year, all"


@dataclass(frozen=True, slots=True)
class Span:
    """``[since, until)``, and whether it is cut by hours (else by days)."""

    name: str
    since: float
    until: float
    hours: bool


def span_of(name: str, now: float) -> Span:
    """The period called ``name`` at ``now``. Raises InvalidRequest naming what is known."""
    wanted = name.strip().casefold()
    today = now // DAY_S * DAY_S
    if wanted == "today":
        return Span(wanted, today, now, True)
    if wanted == "yesterday":
        return Span(wanted, today - DAY_S, today, True)
    count, unit = _NAMES.get(wanted) or _number(wanted)
    days = {"d": 1, "w": 7, "m": 30, "y": 365}.get(unit)
    if days is None:
        if count <= HOURS_MAX:
            return Span(wanted, now - count * HOUR_S, now, True)
        days, count = 1, -(-count // 24)
    whole = min(count * days, DAYS_MAX)
    return Span(wanted, today - (whole - 1) * DAY_S, now, False)


def moment(text: str, name: str, *, end: bool = False) -> float:
    """An ISO date or time (UTC where no zone is said), or Unix seconds.

    A date as the ``end`` of a stretch means the end of that day. Raises InvalidRequest.
    """
    wanted = text.strip()
    try:
        if re.fullmatch(r"[0-9]{9,10}(\.[0-9]+)?", wanted, re.ASCII):
            return float(wanted)
        # In a query string "+" is a space.
        found = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", wanted))
        if len(wanted) == len("2026-11-20") and end:
            found += timedelta(days=1)
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        wall = found.timestamp()
        if not 0 <= wall <= LATEST:
            raise ValueError(wanted)
        return wall
    except (ValueError, OverflowError) as problem:
        raise InvalidRequest(
            f"{name} must be a date or a time, e.g. 2026-11-20 or 2026-11-20T12:00:00Z.",
            param=name,
        ) from problem


def steps(span: Span) -> list[str]:
    """The names of a span's hours (``2026-11-20T12:00:00Z``) or days (``2026-11-20``), in order."""
    width = HOUR_S if span.hours else DAY_S
    shape = "%Y-%m-%dT%H:00:00Z" if span.hours else "%Y-%m-%d"
    at, out = span.since // width * width, []
    while at < span.until:
        out.append(datetime.fromtimestamp(at, UTC).strftime(shape))
        at += width
    return out


def _number(wanted: str) -> tuple[int, str]:
    match = _NUMBER.fullmatch(wanted)
    if match is None:
        raise InvalidRequest(f"period must be one of: {KNOWN}.", param="period")
    return int(match[1]), match[2]
