"""What else says what was spent: the journal beside a mended ledger, and its own rows.

Adds charges that the journal knows and the ledger lost, and makes the running sums
at least what the rows say. Never lowers anything.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from freeloader.money import METERS, PICO_PER_USD, Meters
from freeloader.store.charging import charges, columns
from freeloader.store.mending import sql
from freeloader.store.reports import sql as reports
from freeloader.store.rows import MAX_COUNT, MAX_PICO, UsageRow
from freeloader.store.sql import amounts, meta, owner
from freeloader.store.sql.past import REMEMBERED_GET


def make_sums(conn: sqlite3.Connection) -> None:
    """Running sums at least what the rows add up to, and an epoch beyond every hold."""
    conn.execute(sql.SLOTS_AGAIN)
    conn.execute(sql.BUDGET_DAYS_AGAIN)
    conn.execute(sql.DAYS_AGAIN)
    conn.execute(reports.HOURS_AGAIN, {"since": _noted(conn, "hours_since")})
    conn.execute(sql.EPOCH_AT_LEAST)


def from_journal(conn: sqlite3.Connection, journal: sqlite3.Connection, now: float) -> int:
    """Charges of attempts that only the journal knows; how many. Open holds of them are ended.

    Their sums are ``make_sums``' business: a running sum may know them although the row is lost.
    """
    since = _trimmed_before(conn)  # what is older was trimmed there, not lost
    added = 0
    for row in journal.execute(sql.ATTEMPTS_CHARGED):
        known = conn.execute(sql.USAGE_THERE, {"attempt_id": row["id"]}).fetchone()
        if known or row["at"] < since:
            continue
        usage = _usage(row)
        conn.execute(amounts.USAGE_INSERT, columns.usage_params(usage)).fetchall()
        close = {"state": "settled", "charged_pico": usage.cost_pico, "now": now}
        for hold in conn.execute(sql.HOLD_OF, {"attempt_id": row["id"]}).fetchall():
            conn.execute(amounts.HOLD_CLOSE, {**close, "hold_id": hold["hold_id"]})
        added += 1
    return added


def last_charged(journal: sqlite3.Connection, limit: int) -> list[UsageRow]:
    """What the journal says was charged last."""
    return [_usage(row) for row in journal.execute(sql.ATTEMPTS_LAST, {"limit": limit})]


def take_over(conn: sqlite3.Connection, known: list[UsageRow], now: float) -> int:
    """Charges what a sound ledger does not know; how many. In its sums, and in the audit.

    The journal is told only after the ledger was: what it alone knows was lost there.
    """
    since = _trimmed_before(conn)
    lost = [
        usage
        for usage in known
        if usage.at >= since
        and conn.execute(sql.USAGE_THERE, {"attempt_id": usage.attempt_id}).fetchone() is None
    ]
    for usage in lost:
        charges.record(conn, usage)
    if lost:
        detail = {"charges": len(lost), "decisions": sorted({u.request_id for u in lost})[:50]}
        subject = "charges that only the journal knew: the ledger had lost its last writes"
        conn.execute(
            owner.AUDIT_INSERT,
            {"at": now, "who": "daemon", "what": "ledger.recover", "subject": subject,
             "detail": json.dumps(detail)},
        )  # fmt: skip
    return len(lost)


def tables(conn: sqlite3.Connection) -> list[str]:
    """Every table of ours; ``meta`` first, since the others are read by what it says."""
    names = [str(row[0]) for row in conn.execute(sql.TABLES)]
    return sorted(names, key=lambda name: name != "meta")


def forget_own(conn: sqlite3.Connection) -> dict[str, str]:
    """Takes a fresh ledger's own marks out, so that the old one's can come in; what they were."""
    own = {str(row["key"]): str(row["value"]) for row in conn.execute(sql.META_ALL)}
    conn.execute(sql.META_CLEAR)
    return own


def restore_own(conn: sqlite3.Connection, own: dict[str, str]) -> None:
    """Puts back those marks of a fresh ledger that were not saved."""
    for key, value in own.items():
        if conn.execute(meta.META_GET, {"key": key}).fetchone() is None:
            conn.execute(meta.META_SET, {"key": key, "value": value})
            if key == "instance":
                begin_anew(conn)


def begin_anew(conn: sqlite3.Connection) -> None:
    """This ledger took the place of a lost one: its mark of a home is not that home's."""
    conn.execute(meta.META_SET, {"key": "anew", "value": "1"})


def may_be_of_one_home(one: sqlite3.Connection, other: sqlite3.Connection) -> bool:
    """False where two ledgers are of different homes for certain."""
    marks = [{str(r["key"]): str(r["value"]) for r in conn.execute(sql.META_ALL)}
             for conn in (one, other)]  # fmt: skip
    anew = any("anew" in mark for mark in marks)
    return anew or marks[0].get("instance") == marks[1].get("instance")


def set_doubt(conn: sqlite3.Connection, doubt: str) -> None:
    """Nothing is paid for from the next start on, until ``end_doubt``."""
    conn.execute(meta.META_SET, {"key": "doubt", "value": doubt})


def end_doubt(conn: sqlite3.Connection) -> bool:
    """The owner has looked. False: there was none."""
    return conn.execute(sql.DOUBT_END).rowcount > 0


def note(conn: sqlite3.Connection, now: float, done: list[str], kept: list[str]) -> None:
    """A line in the audit."""
    detail = json.dumps({"done": done, "kept": kept})
    row = {"at": now, "who": "doctor", "what": "ledger.repair", "subject": "", "detail": detail}
    conn.execute(owner.AUDIT_INSERT, row)


def recall(conn: sqlite3.Connection, journal: sqlite3.Connection, now: float) -> list[str]:
    """Accounts and keys from the journal's copy, where the ledger has none left; which ones."""
    done = []
    for name, count, put in (
        ("accounts", "SELECT count(*) FROM accounts", _account),
        ("keys", "SELECT count(*) FROM app_keys", _key),
    ):
        row = journal.execute(REMEMBERED_GET, {"name": name}).fetchone()
        if row is None or conn.execute(count).fetchone()[0]:
            continue
        for one in json.loads(row["rows"]):
            put(conn, one, now)
        done.append(name)
    return done


def _account(conn: sqlite3.Connection, row: dict[str, Any], now: float) -> None:
    data = json.loads(row["data"])
    values = {name: data[name] for name in ("provider", "idx")}
    known = {"enabled": int(data["enabled"]), "now": now, "data": row["data"]}
    conn.execute(owner.ACCOUNT_PUT, values | known)


def _key(conn: sqlite3.Connection, row: dict[str, Any], now: float) -> None:
    conn.execute(owner.KEY_INSERT, row)


def _trimmed_before(conn: sqlite3.Connection) -> float:
    return _noted(conn, "usage_since")


def _noted(conn: sqlite3.Connection, key: str) -> float:
    row = conn.execute(meta.META_GET, {"key": key}).fetchone()
    return 0.0 if row is None else float(row["value"])


def _usage(row: sqlite3.Row) -> UsageRow:
    account, _, model = str(row["deployment"]).partition("/")
    provider, _, idx = account.rpartition("@")
    meters = {_snake(name): value for name, value in json.loads(row["meters"]).items()}
    cost = min(int(row["cost_pico"]), MAX_PICO)
    known = {n: v for n, v in meters.items() if n in METERS and type(v) is int and v >= 0}
    return UsageRow(
        str(row["decision_id"]),
        str(row["id"]),
        float(row["at"]),
        provider,
        int(idx) if idx.isdigit() else 0,
        model,
        project=row["project"] or None,
        key_id=row["key_id"],
        task=row["task"],
        meters=Meters(**{n: min(v, MAX_COUNT) for n, v in known.items()}),
        cost_pico=cost,
        premium_pico=_premium(row, cost),
        basis="counted",
        latency_ms=row["latency_ms"],
        first_ms=row["first_ms"],
        outcome=str(row["outcome"]),
        estimated=True,
        unpriced=bool(row["unpriced"]),
    )


def _premium(row: sqlite3.Row, cost: int) -> int | None:
    """What the premium model would have cost; where that is not told nothing was saved or lost."""
    if row["unpriced"]:
        return None
    would = row["would"]
    return cost if would is None else min(round(would * PICO_PER_USD), MAX_PICO)


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name)
