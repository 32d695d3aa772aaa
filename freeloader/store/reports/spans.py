"""A stretch of time as whole UTC days and hours, which have sums, and what is left over.

Pure. Times are Unix seconds (wall); a day is its ISO date, an hour its number since 1970.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor, inf

DAY_S = 86_400
HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class Parts:
    """``days`` as [first, last) dates or None; ``hours`` as [first, last) numbers; ``rows`` as
    half-open stretches within hours."""

    days: tuple[str, str] | None
    rows: tuple[tuple[float, float], ...]
    hours: tuple[tuple[int, int], ...] = ()


def parts(
    since: float,
    until: float,
    rows_since: float = 0.0,
    hours_since: float = inf,
    newest: float = inf,
) -> Parts:
    """[since, until) in parts. A day some of whose single rows may be gone is taken whole.

    ``rows_since``: from when on all single rows are there (see ``Ledger.trim``);
    ``hours_since``: from when on hours have sums. ``newest``: the newest single row, after
    which a day's sum is the sum until then.
    """
    if newest < until:
        until = max(until, ceil(until / DAY_S) * DAY_S)
    first, last = ceil(since / DAY_S), floor(until / DAY_S)
    if first > last:  # within one day
        edges, first, last = [(since, until)], 0, 0
    else:
        edges = [(since, float(first * DAY_S)), (float(last * DAY_S), until)]
    kept, whole = [], [(first, last)] if first < last else []
    for start, stop in edges:
        if stop <= start:
            continue
        if start >= rows_since:
            kept.append((start, stop))
        else:
            day = floor(start / DAY_S)
            whole.append((day, day + 1))
    hours, rows = _hours(kept, hours_since)
    if not whole:
        return Parts(None, rows, hours)
    begin, end = min(day for day, _ in whole), max(day for _, day in whole)
    return Parts((date(begin * DAY_S), date(end * DAY_S)), rows, hours)


def by_hour(since: float, until: float, hours_since: float, newest: float) -> Parts:
    """The same, where hours are to be told apart: no day is taken whole."""
    if newest < until:
        until = max(until, ceil(until / HOUR_S) * HOUR_S)
    hours, rows = _hours([(since, until)], hours_since)
    return Parts(None, rows, hours)


def _hours(
    stretches: list[tuple[float, float]], hours_since: float
) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[float, float], ...]]:
    """What of each stretch are whole hours with sums, and what is not."""
    hours: list[tuple[int, int]] = []
    rows: list[tuple[float, float]] = []
    for since, until in stretches:
        begin = max(since, hours_since)
        first, last = (ceil(begin / HOUR_S), floor(until / HOUR_S)) if begin < until else (0, 0)
        if first >= last:
            rows.append((since, until))
            continue
        hours.append((first, last))
        rows += _between(since, until, first * HOUR_S, last * HOUR_S)
    return tuple(hours), tuple(rows)


def _between(
    since: float, until: float, first: float, last: float
) -> Iterator[tuple[float, float]]:
    if since < first:
        yield since, float(first)
    if last < until:
        yield float(last), until


def date(wall: float) -> str:
    """The UTC day of a moment, ``2026-11-20``."""
    return datetime.fromtimestamp(wall, UTC).date().isoformat()
