"""Keeps the sums of days and hours in step with every charge, in the transaction of the charge.

A sum never makes a charge fail: it stops below what 64 bits hold. Plain functions
over a connection; which charge is right is ``charges``' business.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from math import exp, log
from operator import itemgetter
from typing import Any

from freeloader.store.reports import sql

_STEP = log(1.1)
_GROUP, _ADDED = itemgetter(*sql.GROUP), itemgetter(*sql.ADDED)
#: Where the sums themselves stop (see ``sql``).
_MOST, _MOST_PICO = 4611686018427387904, 8000000000000000000
#: Sums of hours stay for so long (seconds): the longest period that is cut by hours, twice.
HOURS_KEPT_S = 4 * 86_400.0


def add(conn: sqlite3.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Recorded attempts; each of ``rows`` are the columns of one."""
    hours: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    took: dict[tuple[int, str, int], list[float]] = {}
    for row in rows:
        hour = int(row["at"] / 3600)
        hours.setdefault((hour, *_GROUP(row)), []).append(row)
        if row["latency_ms"] is not None and row["outcome"] == "ok":
            key = (hour, row["project"], bucket(row["latency_ms"]))
            took.setdefault(key, []).append(row["at"])
    for alike in hours.values():
        together = _together(alike)
        conn.execute(sql.DAILY_ADD, together)
        conn.execute(sql.HOURLY_ADD, together)
    for (_, project, number), when in took.items():
        spent = {"at": when[0], "project": project, "bucket": number, "count": len(when)}
        conn.execute(sql.LATENCY_ADD, spent)
        conn.execute(sql.LATENCY_ADD_HOUR, spent)


def _together(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Attempts of one hour and one group as one addition; no number beyond what a row may hold."""
    columns = zip(*map(_ADDED, rows), strict=True)
    added = {name: min(sum(column), _MOST) for name, column in zip(sql.ADDED, columns, strict=True)}
    unpriced = [row["cost_pico"] for row in rows if row["unpriced"]]
    return {
        **rows[0],
        **added,
        "attempts": len(rows),
        "asked": sum(row["asked"] for row in rows),
        "estimated": sum(row["estimated"] for row in rows),
        "cost_pico": min(sum(row["cost_pico"] for row in rows), _MOST_PICO),
        "premium_pico": min(sum(row["premium_pico"] or 0 for row in rows), _MOST_PICO),
        "latency_ms": sum(row["latency_ms"] or 0.0 for row in rows),
        "unpriced": len(unpriced),
        "unpriced_pico": min(sum(unpriced), _MOST_PICO),
    }


def change(conn: sqlite3.Connection, usage: sqlite3.Row, amount: int) -> None:
    """A later adjustment of an attempt, in the day and the hour of the attempt."""
    change = {**dict(usage), "amount_pico": amount}
    conn.execute(sql.DAILY_CHANGE, change)
    conn.execute(sql.HOURLY_CHANGE, change)


def backfill(conn: sqlite3.Connection) -> None:
    """Sums of what was recorded before there were any; once, in a migration."""
    conn.execute(sql.ROWS_SINCE_BACKFILL)
    conn.execute(sql.ASKED_BACKFILL)
    conn.execute(sql.DAILY_BACKFILL)
    rows = conn.execute(sql.LATENCIES).fetchall()
    conn.executemany(
        sql.LATENCY_ADD,
        (
            {"at": at, "project": project, "bucket": bucket(ms), "count": 1}
            for at, project, ms in rows
        ),
    )


def backfill_hours(conn: sqlite3.Connection) -> None:
    """Hours of the last days of what was recorded before they had sums; once, in a migration."""
    newest = conn.execute(sql.USAGE_NEWEST).fetchone()[0]
    if newest is None:
        return
    since = hours_since(newest)
    conn.execute(sql.HOURS_SINCE_SET, {"since": repr(since)})
    conn.execute(sql.HOURS_AGAIN, {"since": since})
    rows = conn.execute(sql.LATENCIES_SINCE, {"since": since}).fetchall()
    conn.executemany(
        sql.LATENCY_ADD_HOUR,
        (
            {"at": at, "project": project, "bucket": bucket(ms), "count": 1}
            for at, project, ms in rows
        ),
    )


def hours_since(newest: float) -> float:
    """From when on hours have sums, given the newest row: nobody asks for older ones often."""
    return (newest - HOURS_KEPT_S) // 3600 * 3600


def bucket(latency_ms: float) -> int:
    """The bucket of a latency: each is a tenth wider than the one before, from 1 ms on."""
    return 0 if latency_ms <= 1 else min(200, int(log(latency_ms) / _STEP) + 1)


def middle(number: int) -> float:
    """What a latency of that bucket was, to within five per cent."""
    return 1.0 if number <= 0 else exp((number - 0.5) * _STEP)
