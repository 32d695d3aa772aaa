"""Questions over what was consumed: sums by any column, latencies by day or hour.

Whole days and hours are answered from their sums, so that a month and a day cost the
same with a thousand rows as with a million. Amounts are picodollars, times wall seconds. What
would have been spent elsewhere is asked of nobody here: it is in the rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from math import inf
from typing import Any

from freeloader.store.file import DatabaseFile
from freeloader.store.reports import sql, sums
from freeloader.store.reports.spans import DAY_S, HOUR_S, Parts, by_hour, date, parts
from freeloader.store.reports.sums import middle
from freeloader.store.sql import meta

#: When rows before this moment may be gone (``meta``).
ROWS_SINCE = "usage_since"
#: From when on hours have sums (``meta``).
HOURS_SINCE = "hours_since"
#: Hours of which single rows are read for one answer.
HOURS_MAX = 31 * 24


@dataclass(slots=True)
class Tally:
    """Sums of one group. ``asked``: requests; ``attempts``: calls that were recorded.

    ``premium_pico`` is what the premium model would have cost for the same. ``unpriced`` are
    attempts of which nobody knows what they cost, and ``unpriced_pico`` what was put down for
    them where a budget had to be kept: a part of ``cost_pico``.
    """

    asked: int = 0
    attempts: int = 0
    estimated: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    images: int = 0
    unpriced: int = 0
    cost_pico: int = 0
    premium_pico: int = 0
    unpriced_pico: int = 0

    def take(self, row: Mapping[str, Any]) -> None:
        """Adds one row of a tally statement."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + int(row[name] or 0))
        self.premium_pico += _whole(row, "premium_")
        self.adjust(row)

    def adjust(self, row: Mapping[str, Any]) -> None:
        """Adds one row of money alone."""
        self.cost_pico += _whole(row, "")
        self.unpriced_pico += _whole(row, "unpriced_")

    def add(self, other: Tally) -> None:
        for name in (*_COUNTS, "cost_pico", "premium_pico", "unpriced_pico"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def known_pico(self) -> int:
        """What is known to have been charged."""
        return self.cost_pico - self.unpriced_pico


def _whole(row: Mapping[str, Any], name: str) -> int:
    """An amount from its two sums."""
    return int(row[f"{name}micro"] or 0) * 1_000_000 + int(row[f"{name}pico"] or 0)


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

        By ``hour`` older ones come from single rows, so that those that are gone are missing.
        """
        ask = sql.TALLIES[by]
        mine = {"project": project, "key_id": key_id}

        def query(conn: sqlite3.Connection) -> dict[tuple[Any, ...], Tally]:
            found: dict[tuple[Any, ...], Tally] = {}
            cut = _parts(conn, since, until, whole="hour" not in by)
            if cut.days is not None:
                days = {"first": cut.days[0], "last": cut.days[1], **mine}
                _take(found, conn.execute(ask.days, days), by)
            for first, last in cut.hours:
                hours = {"first": first, "last": last, **mine}
                _take(found, conn.execute(ask.hours, hours), by, numbers=True)
            for start, stop in cut.rows:
                rows = {"since": start, "until": stop, **mine}
                _take(found, conn.execute(ask.rows, rows), by)
                for row in conn.execute(ask.adjusted, rows):
                    found.setdefault(tuple(row[name] for name in by), Tally()).adjust(row)
            return found

        return await self._file.read(query)

    async def latencies(
        self, since: float, until: float, *, hours: bool, project: str | None = None
    ) -> dict[str, Latency]:
        """p50 and p95 of answered calls by day, or by hour (``2026-11-20T12:00:00Z``)."""
        statement = sql.HOURLY_LATENCY if hours else sql.DAILY_LATENCY
        step = "hour" if hours else "day"
        ask: dict[str, Any] = {"first": date(since), "last": date(until + DAY_S - 1)}
        if hours:
            ask = {"first": int(since // HOUR_S), "last": int(-(-until // HOUR_S))}

        def query(conn: sqlite3.Connection) -> dict[str, Latency]:
            counts: dict[Any, dict[int, int]] = {}
            for row in conn.execute(statement, {**ask, "project": project}):
                counts.setdefault(row[step], {})[row["bucket"]] = row["count"]
            return {_named(step, at): _latency(of) for at, of in counts.items()}

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
    conn.execute(meta.META_SET, {"key": ROWS_SINCE, "value": repr(latest)})


def forget_hours(conn: sqlite3.Connection) -> float:
    """Notes that hours of long before the newest row are about to go; before which moment."""
    newest = conn.execute(sql.USAGE_NEWEST).fetchone()[0]
    if newest is None:
        return 0.0
    since = max(sums.hours_since(newest), _noted(conn, HOURS_SINCE))
    conn.execute(sql.HOURS_SINCE_SET, {"since": repr(since)})
    return since


def _parts(conn: sqlite3.Connection, since: float, until: float, *, whole: bool) -> Parts:
    newest = conn.execute(sql.USAGE_NEWEST).fetchone()[0]
    newest = inf if newest is None else float(newest)
    hours = _noted(conn, HOURS_SINCE)
    if not whole:
        return by_hour(max(since, until - HOURS_MAX * HOUR_S), until, hours, newest)
    return parts(since, until, _rows_since(conn), hours, newest)


def _rows_since(conn: sqlite3.Connection) -> float:
    return _noted(conn, ROWS_SINCE)


def _noted(conn: sqlite3.Connection, key: str) -> float:
    """A moment that is noted in the ledger; 0: from the beginning on."""
    row = conn.execute(meta.META_GET, {"key": key}).fetchone()
    return 0.0 if row is None else float(row["value"])


def _take(
    found: dict[tuple[Any, ...], Tally],
    rows: Iterable[sqlite3.Row],
    by: tuple[str, ...],
    *,
    numbers: bool = False,
) -> None:
    """``numbers``: days and hours are numbers, and get their names here."""
    for row in rows:
        if row["attempts"]:
            key = tuple(_named(name, row[name]) if numbers else row[name] for name in by)
            found.setdefault(key, Tally()).take(dict(row))


def _named(step: str, at: Any) -> Any:
    """An hour or a day by its number since 1970 → its name; anything else as it is."""
    if step == "hour":
        return f"{date(at * HOUR_S)}T{at % 24:02d}:00:00Z"
    return date(at * DAY_S) if step == "day" and type(at) is int else at


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
