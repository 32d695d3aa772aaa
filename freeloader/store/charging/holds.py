"""Holds in one transaction: placed, settled, released, and charged in full when nobody is left.

Settling is idempotent, and a late settlement never lowers a charge. The charge itself is
made in ``charges``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from freeloader.errors import Conflict
from freeloader.store.charging.charges import adjust, charged, record
from freeloader.store.charging.columns import hold_from, hold_params
from freeloader.store.rows import HoldRow, Settled, UsageRow
from freeloader.store.sql import amounts


def place(conn: sqlite3.Connection, rows: Sequence[HoldRow], epoch: int) -> None:
    """Place all holds or none. Raises Conflict if one of them exists."""
    try:
        conn.executemany(amounts.HOLD_INSERT, [hold_params(row, epoch) for row in rows])
    except sqlite3.IntegrityError as error:
        raise Conflict("One of these holds, or a hold of one of these attempts, exists.") from error


def settle(
    conn: sqlite3.Connection, hold_id: str, usage: UsageRow, amount: int, basis: str, now: float
) -> Settled:
    """Charge ``amount`` for the attempt, once. See ``Settled`` for what it finds."""
    usage = replace(
        usage, cost_pico=amount, basis=basis, estimated=usage.estimated or basis != "reported"
    )
    hold = conn.execute(amounts.HOLD_GET, {"hold_id": hold_id}).fetchone()
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
    conn.execute(amounts.HOLD_CLOSE, close)
    return Settled("settled" if state == "held" else "late", done.charged_pico)


def release(conn: sqlite3.Connection, hold_id: str, now: float) -> Settled:
    """Drop the hold without a charge, if it is still held."""
    hold = conn.execute(amounts.HOLD_GET, {"hold_id": hold_id}).fetchone()
    if hold is None:
        return Settled("released", 0)
    if hold["state"] != "held":
        state = str(hold["state"])
        return Settled("already" if state != "expired" else state, int(hold["charged_pico"] or 0))
    close = {"hold_id": hold_id, "state": "released", "charged_pico": 0, "now": now}
    conn.execute(amounts.HOLD_CLOSE, close)
    return Settled("released", 0)


def bury(conn: sqlite3.Connection, epoch: int, now: float) -> list[HoldRow]:
    """Charge the holds of epochs before ``epoch`` in full: nobody is left who knows better."""
    dead = [hold_from(row) for row in conn.execute(amounts.HOLDS_DEAD, {"epoch": epoch})]
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
        conn.execute(amounts.HOLD_CLOSE, close)
    return [
        replace(hold, state="expired", charged_pico=hold.amount_pico, settled_at=now)
        for hold in dead
    ]


def _raise_to(
    conn: sqlite3.Connection, attempt_id: str, amount: int, reason: str, now: float
) -> Settled:
    """See that at least ``amount`` is charged; never lowers, and doing it twice is once."""
    before = charged(conn, attempt_id)
    if amount > before:
        adjust(conn, attempt_id, amount - before, reason, now)
    return Settled("expired", max(before, amount))
