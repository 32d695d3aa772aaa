"""A stretch of time as whole UTC days, which have sums, and what is left over on either side.

Pure. Times are Unix seconds (wall); a day is its ISO date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Parts:
    """``days`` as [first, last) dates or None; ``rows`` as half-open stretches within days."""

    days: tuple[str, str] | None
    rows: tuple[tuple[float, float], ...]


def parts(since: float, until: float, rows_since: float = 0.0) -> Parts:
    """[since, until) in parts. A day some of whose single rows may be gone is taken whole.

    ``rows_since``: from when on all single rows are there (see ``Ledger.trim``).
    """
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
    if not whole:
        return Parts(None, tuple(kept))
    begin, end = min(day for day, _ in whole), max(day for _, day in whole)
    return Parts((date(begin * DAY_S), date(end * DAY_S)), tuple(kept))


def date(wall: float) -> str:
    """The UTC day of a moment, ``2026-11-20``."""
    return datetime.fromtimestamp(wall, UTC).date().isoformat()
