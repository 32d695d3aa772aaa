"""Charges in one transaction: what an attempt cost, once, and what is added to it later.

Every charge goes through ``record`` or ``adjust``, which keep the running sums of
``budget_tracking`` and ``budget_daily``, and the sums of days and hours, in step with
usage and adjustments. A charge is never edited. Holds are ``holds``'s.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from math import floor
from operator import itemgetter
from typing import Any

from freeloader.errors import NotFound
from freeloader.store.charging.columns import usage_params
from freeloader.store.charging.slots import SLOT_S
from freeloader.store.pieces import put_all
from freeloader.store.reports import sums
from freeloader.store.rows import MAX_PICO, Settled, UsageRow
from freeloader.store.sql import amounts

_USAGE = itemgetter(*amounts.USAGE_COLUMNS)


def record(conn: sqlite3.Connection, usage: UsageRow) -> Settled:
    """Charge an attempt that has no hold, once."""
    params = usage_params(usage)
    fresh = _insert(conn, params)
    if fresh is None:
        return Settled("already", charged(conn, usage.attempt_id))
    sums.add(conn, [fresh])
    _track(conn, usage.at, usage.project or "", usage.key_id, usage.cost_pico, fresh["asked"])
    return Settled("recorded", usage.cost_pico)


def record_all(conn: sqlite3.Connection, rows: Sequence[UsageRow]) -> None:
    """As ``record`` for each, with the sums of all of them at once."""
    fresh = _not_charged(conn, [usage_params(row) for row in rows])
    put_all(conn, amounts.USAGE_PUT, list(map(_USAGE, fresh)))
    sums.add(conn, fresh)
    slots_: dict[tuple[int, str, str], list[tuple[int, int]]] = {}
    for one in fresh:
        key = (floor(one["at"] / SLOT_S), one["project"], one["key_id"])
        slots_.setdefault(key, []).append((one["cost_pico"], one["asked"]))
    for (slot, project, key_id), some in slots_.items():
        costs, asked = zip(*some, strict=True)
        _track(conn, slot * SLOT_S, project, key_id, sum(costs), sum(asked))


def _not_charged(conn: sqlite3.Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose attempt was not charged before, with what the request's others tell: only its
    first attempt asks something, and only one of them is compared."""
    attempts = {"names": json.dumps([row["attempt_id"] for row in rows])}
    requests = {"names": json.dumps([row["request_id"] for row in rows])}
    known = {name for (name,) in conn.execute(amounts.USAGE_KNOWN, attempts)}
    before = {
        name: (count, more) for name, count, more in conn.execute(amounts.USAGE_BEFORE, requests)
    }
    fresh = []
    for row in rows:
        if row["attempt_id"] in known:
            continue
        known.add(row["attempt_id"])
        count, compared = before.get(row["request_id"], (0, 0))
        premium = None if compared else row["premium_pico"]
        before[row["request_id"]] = (count + 1, compared + (premium is not None))
        fresh.append({**row, "asked": int(count == 0), "premium_pico": premium})
    return fresh


def _insert(conn: sqlite3.Connection, params: dict[str, Any]) -> dict[str, Any] | None:
    """The row with what only the table knows; None where the attempt was charged before."""
    # All of it is read: a statement that is left unfinished would go on into the commit.
    found = conn.execute(amounts.USAGE_INSERT, params).fetchall()
    return params | dict(found[0]) if found else None


def adjust(
    conn: sqlite3.Connection, attempt_id: str, amount: int, reason: str, now: float
) -> Settled:
    """Add ``amount`` (may be negative) to what an attempt was charged, in its own period.

    Raises NotFound if it was never charged, ValueError if less than nothing would be left.
    """
    before = charged(conn, attempt_id)
    if not 0 <= before + amount <= MAX_PICO:
        raise ValueError(f"an adjustment of {amount} picodollars does not fit a charge of {before}")
    row = conn.execute(amounts.USAGE_OF_ATTEMPT, {"attempt_id": attempt_id}).fetchone()
    if row is None:
        raise NotFound(f"No usage of attempt {attempt_id} is recorded.")
    entry = {
        "attempt_id": attempt_id,
        "at": row["at"],
        "made_at": now,
        "amount_pico": amount,
        "reason": reason,
        "project": row["project"],
        "key_id": row["key_id"],
    }
    conn.execute(amounts.ADJUST_INSERT, entry)
    _track(conn, row["at"], row["project"], row["key_id"], amount, 0)
    sums.change(conn, row, amount)
    return Settled("recorded", before + amount)


def charged(conn: sqlite3.Connection, attempt_id: str) -> int:
    """What an attempt has been charged in all, adjustments included."""
    key = {"attempt_id": attempt_id}
    row = conn.execute(amounts.USAGE_OF_ATTEMPT, key).fetchone()
    return (row["cost_pico"] if row else 0) + int(conn.execute(amounts.ADJUSTED, key).fetchone()[0])


def total(rows: Iterable[sqlite3.Row]) -> dict[str, int]:
    """Amounts by name, from sums that were taken apart so as not to overflow."""
    return {row["name"]: row["micro"] * 1_000_000 + row["pico"] for row in rows}


def _track(
    conn: sqlite3.Connection, at: float, project: str, key_id: str, pico: int, requests: int
) -> None:
    entry = {
        "slot": floor(at / SLOT_S),
        "project": project,
        "key_id": key_id,
        "cost_pico": pico,
        "requests": requests,
    }
    conn.execute(amounts.SLOT_ADD, entry)
    conn.execute(amounts.BUDGET_DAY_ADD, entry)
