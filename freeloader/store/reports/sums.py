"""Keeps the daily sums in step with every charge, in the transaction of the charge.

A sum never makes a charge fail: it stops below what 64 bits hold. Plain functions
over a connection; which charge is right is ``charges``' business.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from math import exp, log
from typing import Any

from freeloader.store.reports import sql

_STEP = log(1.1)


def add(conn: sqlite3.Connection, usage: Mapping[str, Any]) -> None:
    """One recorded attempt; ``usage`` are the columns of its row."""
    conn.execute(sql.DAILY_ADD, usage)
    if usage["latency_ms"] is not None and usage["outcome"] == "ok":
        conn.execute(sql.LATENCY_ADD, {**usage, "bucket": bucket(usage["latency_ms"])})


def change(conn: sqlite3.Connection, usage: sqlite3.Row, amount: int) -> None:
    """A later adjustment of an attempt, on the day of the attempt."""
    conn.execute(sql.DAILY_CHANGE, {**dict(usage), "amount_pico": amount})


def backfill(conn: sqlite3.Connection) -> None:
    """Sums of what was recorded before there were any; once, in a migration."""
    conn.execute(sql.ROWS_SINCE_BACKFILL)
    conn.execute(sql.ASKED_BACKFILL)
    conn.execute(sql.DAILY_BACKFILL)
    rows = conn.execute(sql.LATENCIES).fetchall()
    conn.executemany(
        sql.LATENCY_ADD,
        ({"at": at, "project": project, "bucket": bucket(ms)} for at, project, ms in rows),
    )


def bucket(latency_ms: float) -> int:
    """The bucket of a latency: each is a tenth wider than the one before, from 1 ms on."""
    return 0 if latency_ms <= 1 else min(200, int(log(latency_ms) / _STEP) + 1)


def middle(number: int) -> float:
    """What a latency of that bucket was, to within five per cent."""
    return 1.0 if number <= 0 else exp((number - 0.5) * _STEP)
