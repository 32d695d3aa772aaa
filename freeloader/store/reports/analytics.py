"""Questions over what was consumed: sums by any column, latencies by day or hour.

Whole days are answered from daily sums, so that a month costs the same with a
thousand rows as with a million. Amounts are picodollars, times wall seconds. What
would have been spent elsewhere is asked of nobody here: it is in the rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from freeloader.store import sql as statements
from freeloader.store.file import DatabaseFile
from freeloader.store.reports import sql
from freeloader.store.reports.spans import DAY_S, Parts, date, parts
from freeloader.store.reports.sums import bucket, middle

#: When rows before this moment may be gone (``meta``).
ROWS_SINCE = "usage_since"
#: Hours of which single rows are read for one answer.
HOURS_MAX = 31 * 24


@dataclass(slots=True)
class Tally:
    """Sums of one group. ``asked``: requests; ``attempts``: calls that were recorded.

    ``premium_pico`` is what the premium model would have cost for the same.
    """

    asked: int = 0
    attempts: int = 0
    estimated: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    images: int = 0
    cost_pico: int = 0
    premium_pico: int = 0

    def take(self, row: Mapping[str, Any]) -> None:
        """Adds one row of a tally statement."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + int(row[name] or 0))
        self.cost_pico += int(row["micro"] or 0) * 1_000_000 + int(row["pico"] or 0)
        premium = int(row["premium_micro"] or 0) * 1_000_000 + int(row["premium_pico"] or 0)
        self.premium_pico += premium

    def add(self, other: Tally) -> None:
        for name in (*_COUNTS, "cost_pico", "premium_pico"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


_COUNTS = tuple(f.name for f in fields(Tally) if not f.name.endswith("_pico"))
Latency = tuple[float, float]
"""The median and the 95th percentile, in milliseconds, to within five per cent."""


class Reports:
    """See the module. ``project`` ``""``: those without one; None: all."""

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file

    async def tally(
        self,
        since: float,
        until: float,
        by: tuple[str, ...],
        *,
        project: str | None = None,
        key_id: str | None = None,
    ) -> dict[tuple[Any, ...], Tally]:
        """Sums of [since, until) by columns (a key of ``sql.TALLIES``).

        By ``hour`` single rows are read, so that those that are gone are missing.
        """
        by_day, by_row, adjusted = sql.TALLIES[by]
        mine = {"project": project, "key_id": key_id}

        def query(conn: sqlite3.Connection) -> dict[tuple[Any, ...], Tally]:
            found: dict[tuple[Any, ...], Tally] = {}
            cut = _parts(conn, since, until, whole="hour" not in by)
            if cut.days is not None:
                days = {"first": cut.days[0], "last": cut.days[1], **mine}
                _take(found, conn.execute(by_day, days), by)
            for start, stop in cut.rows:
                rows = {"since": start, "until": stop, **mine}
                _take(found, conn.execute(by_row, rows), by)
                for row in conn.execute(adjusted, rows):
                    tally = found.setdefault(tuple(row[name] for name in by), Tally())
                    tally.cost_pico += int(row["micro"] or 0) * 1_000_000 + int(row["pico"] or 0)
            return found

        return await self._file.read(query)

    async def latencies(
        self, since: float, until: float, *, hours: bool, project: str | None = None
    ) -> dict[str, Latency]:
        """p50 and p95 of answered calls by day, or by hour (``2026-11-20T12:00:00Z``)."""

        def query(conn: sqlite3.Connection) -> dict[str, Latency]:
            counts: dict[str, dict[int, int]] = {}
            if hours:
                span = {"since": since, "until": until, "project": project}
                for row in conn.execute(sql.ROWS_LATENCY, span):
                    of = counts.setdefault(row["hour"], {})
                    number = bucket(row["latency_ms"])
                    of[number] = of.get(number, 0) + 1
            else:
                days = {"first": date(since), "last": date(until + DAY_S - 1), "project": project}
                for row in conn.execute(sql.DAILY_LATENCY, days):
                    counts.setdefault(row["day"], {})[row["bucket"]] = row["count"]
            return {at: _latency(of) for at, of in counts.items()}

        return await self._file.read(query)

    async def begun(self) -> str | None:
        """The first day of which anything is known."""

        def query(conn: sqlite3.Connection) -> str | None:
            found = conn.execute(sql.DAILY_OLDEST).fetchone()[0]
            return None if found is None else str(found)

        return await self._file.read(query)


def forget_before(conn: sqlite3.Connection, moment: float) -> None:
    """Notes that single rows before ``moment`` are about to go, if there are any."""
    if conn.execute(sql.USAGE_ANY_BEFORE, {"before": moment}).fetchone() is None:
        return
    latest = max(moment, _rows_since(conn))
    conn.execute(statements.META_SET, {"key": ROWS_SINCE, "value": repr(latest)})


def _parts(conn: sqlite3.Connection, since: float, until: float, *, whole: bool) -> Parts:
    if not whole:
        return Parts(None, ((max(since, until - HOURS_MAX * 3600), until),))
    return parts(since, until, _rows_since(conn))


def _rows_since(conn: sqlite3.Connection) -> float:
    row = conn.execute(statements.META_GET, {"key": ROWS_SINCE}).fetchone()
    return 0.0 if row is None else float(row["value"])


def _take(
    found: dict[tuple[Any, ...], Tally], rows: Iterable[sqlite3.Row], by: tuple[str, ...]
) -> None:
    for row in rows:
        if row["attempts"]:
            found.setdefault(tuple(row[name] for name in by), Tally()).take(dict(row))


def _latency(counts: Mapping[int, int]) -> Latency:
    return _share(counts, 0.5), _share(counts, 0.95)


def _share(counts: Mapping[int, int], share: float) -> float:
    """The latency below which ``share`` of the calls were."""
    wanted = share * sum(counts.values())
    seen = 0
    for number in sorted(counts):
        seen += counts[number]
        if seen >= wanted:
            return round(middle(number), 1)
    return 0.0
