"""What happens to the ledger's money in one transaction: pieces for the writer.

Every charge goes through ``record`` or ``adjust``, which keep the running sums of
``budget_tracking`` and ``budget_daily``, and the sums of days and hours, in step with
usage and adjustments. A charge is never edited and never lowered by a late settlement.
Plain functions over a connection inside a transaction; no threads, no waiting, no clock.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil, floor
from operator import itemgetter
from typing import Any

from freeloader.errors import Conflict, NotFound
from freeloader.money import METERS, Meters
from freeloader.store.pieces import put_all
from freeloader.store.reports import sums
from freeloader.store.rows import MAX_PICO, HoldRow, Settled, UsageRow, check_meters, check_pico
from freeloader.store.sql import money

_USAGE = itemgetter(*money.USAGE_COLUMNS)

SLOT_S = 900
"""Seconds of one running sum: calendar periods of every time zone are made of whole ones."""


def slots(since: float, until: float) -> dict[str, int]:
    """The slots that cover ``since`` to ``until``, outward: never less than asked for."""
    return {"since": floor(since / SLOT_S), "until": ceil(until / SLOT_S)}


SLOTS_A_DAY = 96


def days_and_slots(since: float, until: float) -> dict[str, int]:
    """The same as whole UTC days, ``first`` to ``last``, and the slots before and after them."""
    span = slots(since, until)
    first, last = -(-span["since"] // SLOTS_A_DAY), span["until"] // SLOTS_A_DAY
    if first >= last:
        return {**span, "first": 0, "last": 0, "head": span["until"], "tail": span["until"]}
    return {**span, "first": first, "last": last,
            "head": first * SLOTS_A_DAY, "tail": last * SLOTS_A_DAY}  # fmt: skip


def place(conn: sqlite3.Connection, rows: Sequence[HoldRow], epoch: int) -> None:
    """Place all holds or none. Raises Conflict if one of them exists."""
    try:
        conn.executemany(money.HOLD_INSERT, [_hold_params(row, epoch) for row in rows])
    except sqlite3.IntegrityError as error:
        raise Conflict("One of these holds, or a hold of one of these attempts, exists.") from error


def settle(
    conn: sqlite3.Connection, hold_id: str, usage: UsageRow, amount: int, basis: str, now: float
) -> Settled:
    """Charge ``amount`` for the attempt, once. See ``Settled`` for what it finds."""
    usage = replace(
        usage, cost_pico=amount, basis=basis, estimated=usage.estimated or basis != "reported"
    )
    hold = conn.execute(money.HOLD_GET, {"hold_id": hold_id}).fetchone()
    if hold is None:
        return record(conn, usage)
    state = str(hold["state"])
    if state == "expired":
        return _raise_to(conn, usage.attempt_id, amount, "settled after a crash", now)
    if state == "settled":
        return Settled("already", charged(conn, usage.attempt_id))
    done = record(conn, usage)
    close = {
        "hold_id": hold_id,
        "state": "settled",
        "charged_pico": done.charged_pico,
        "now": now,
    }
    conn.execute(money.HOLD_CLOSE, close)
    return Settled("settled" if state == "held" else "late", done.charged_pico)


def release(conn: sqlite3.Connection, hold_id: str, now: float) -> Settled:
    """Drop the hold without a charge, if it is still held."""
    hold = conn.execute(money.HOLD_GET, {"hold_id": hold_id}).fetchone()
    if hold is None:
        return Settled("released", 0)
    if hold["state"] != "held":
        state = str(hold["state"])
        return Settled("already" if state != "expired" else state, int(hold["charged_pico"] or 0))
    close = {"hold_id": hold_id, "state": "released", "charged_pico": 0, "now": now}
    conn.execute(money.HOLD_CLOSE, close)
    return Settled("released", 0)


def record(conn: sqlite3.Connection, usage: UsageRow) -> Settled:
    """Charge an attempt that has no hold, once."""
    params = usage_params(usage)
    fresh = _insert(conn, params)
    if fresh is None:
        return Settled("already", charged(conn, usage.attempt_id))
    sums.add(conn, [fresh])
    _track(conn, usage.at, usage.project or "", usage.key_id, usage.cost_pico, 1)
    return Settled("recorded", usage.cost_pico)


def record_all(conn: sqlite3.Connection, rows: Sequence[UsageRow]) -> None:
    """As ``record`` for each, with the sums of all of them at once."""
    fresh = _not_charged(conn, [usage_params(row) for row in rows])
    put_all(conn, money.USAGE_PUT, list(map(_USAGE, fresh)))
    sums.add(conn, fresh)
    slots_: dict[tuple[int, str, str], list[int]] = {}
    for one in fresh:
        key = (floor(one["at"] / SLOT_S), one["project"], one["key_id"])
        slots_.setdefault(key, []).append(one["cost_pico"])
    for (slot, project, key_id), costs in slots_.items():
        _track(conn, slot * SLOT_S, project, key_id, sum(costs), len(costs))


def _not_charged(conn: sqlite3.Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose attempt was not charged before, with what the request's others tell: only its
    first attempt asks something, and only one of them is compared."""
    attempts = {"names": json.dumps([row["attempt_id"] for row in rows])}
    requests = {"names": json.dumps([row["request_id"] for row in rows])}
    known = {name for (name,) in conn.execute(money.USAGE_KNOWN, attempts)}
    before = {
        name: (count, more) for name, count, more in conn.execute(money.USAGE_BEFORE, requests)
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
    found = conn.execute(money.USAGE_INSERT, params).fetchall()
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
    row = conn.execute(money.USAGE_OF_ATTEMPT, {"attempt_id": attempt_id}).fetchone()
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
    conn.execute(money.ADJUST_INSERT, entry)
    _track(conn, row["at"], row["project"], row["key_id"], amount, 0)
    sums.change(conn, row, amount)
    return Settled("recorded", before + amount)


def bury(conn: sqlite3.Connection, epoch: int, now: float) -> list[HoldRow]:
    """Charge the holds of epochs before ``epoch`` in full: nobody is left who knows better."""
    dead = [hold_from(row) for row in conn.execute(money.HOLDS_DEAD, {"epoch": epoch})]
    for hold in dead:
        usage = UsageRow(
            hold.request_id,
            hold.attempt_id,
            hold.at,
            hold.provider,
            hold.account,
            hold.model,
            family=hold.family,
            project=hold.project,
            key_id=hold.key_id,
            task=hold.task,
            meters=hold.meters,
            cost_pico=hold.amount_pico,
            # Nobody knows whether there was an answer to compare: nothing saved, nothing lost.
            premium_pico=None if hold.unpriced else hold.amount_pico,
            basis="hold",
            outcome="lost",
            estimated=True,
            unpriced=hold.unpriced,
        )
        done = record(conn, usage)
        close = {
            "hold_id": hold.hold_id,
            "state": "expired",
            "charged_pico": done.charged_pico,
            "now": now,
        }
        conn.execute(money.HOLD_CLOSE, close)
    return [
        replace(hold, state="expired", charged_pico=hold.amount_pico, settled_at=now)
        for hold in dead
    ]


def charged(conn: sqlite3.Connection, attempt_id: str) -> int:
    """What an attempt has been charged in all, adjustments included."""
    key = {"attempt_id": attempt_id}
    row = conn.execute(money.USAGE_OF_ATTEMPT, key).fetchone()
    return (row["cost_pico"] if row else 0) + int(conn.execute(money.ADJUSTED, key).fetchone()[0])


def hold_from(row: sqlite3.Row) -> HoldRow:
    """A hold as the table has it."""
    values = _common_from(row)
    names = ("hold_id", "amount_pico", "state", "epoch", "charged_pico", "settled_at")
    rest = {name: row[name] for name in names}
    return HoldRow(**values, **rest, unpriced=bool(row["unpriced"]))


def usage_from(row: sqlite3.Row) -> UsageRow:
    """A usage row as the table has it."""
    names = ("cost_pico", "premium_pico", "basis", "latency_ms", "first_ms", "outcome")
    values = {name: row[name] for name in names}
    values |= {name: bool(row[name]) for name in ("estimated", "unpriced")}
    return UsageRow(**_common_from(row), **values)


def total(rows: Iterable[sqlite3.Row]) -> dict[str, int]:
    """Amounts by name, from sums that were taken apart so as not to overflow."""
    return {row["name"]: row["micro"] * 1_000_000 + row["pico"] for row in rows}


def _raise_to(
    conn: sqlite3.Connection, attempt_id: str, amount: int, reason: str, now: float
) -> Settled:
    """See that at least ``amount`` is charged; never lowers, and doing it twice is once."""
    before = charged(conn, attempt_id)
    if amount > before:
        adjust(conn, attempt_id, amount - before, reason, now)
    return Settled("expired", max(before, amount))


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
    conn.execute(money.SLOT_ADD, entry)
    conn.execute(money.BUDGET_DAY_ADD, entry)


_COMMON = (
    *("request_id", "attempt_id", "at", "provider", "account", "model", "family"),
    *("key_id", "task"),
)


def _common_params(row: HoldRow | UsageRow) -> dict[str, Any]:
    check_meters(row.meters)
    values = {name: getattr(row, name) for name in _COMMON}
    values["project"] = row.project or ""
    values.update({name: getattr(row.meters, name) for name in METERS})
    return values


def _common_from(row: sqlite3.Row) -> dict[str, Any]:
    values = {name: row[name] for name in _COMMON}
    values["project"] = row["project"] or None
    values["meters"] = Meters(*(row[name] for name in METERS))
    return values


def _hold_params(row: HoldRow, epoch: int) -> dict[str, Any]:
    return _common_params(row) | {
        "hold_id": row.hold_id,
        "amount_pico": check_pico("amount_pico", row.amount_pico),
        "epoch": epoch,
        "unpriced": int(row.unpriced),
    }


def usage_params(row: UsageRow) -> dict[str, Any]:
    """The columns of a usage row. Raises ValueError for what no row may hold."""
    check_pico("cost_pico", row.cost_pico)
    names = ("cost_pico", "premium_pico", "basis", "latency_ms", "first_ms", "outcome")
    values = {name: getattr(row, name) for name in names}
    marks = {"estimated": int(row.estimated), "unpriced": int(row.unpriced)}
    return _common_params(row) | values | marks
