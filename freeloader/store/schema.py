"""The tables of both files, as append-only lists of migrations.

A migration, once released, is never edited: the next change is a new function
at the end of its list. The file's version is the number of migrations it has
had (``PRAGMA user_version``, written in the same transaction). Which file it is
says ``PRAGMA application_id``, so that a journal is never taken for a ledger.
The first ones are in ``founding``; when and how they are applied is ``opening``'s business.

Money is INTEGER picodollars, times are REAL Unix seconds, a missing project is
the empty string; tables are STRICT, so that no float can slip into a sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeloader.store import founding
from freeloader.store.founding import FOR, METERS, WHO, create
from freeloader.store.reports import sums

if TYPE_CHECKING:
    from sqlite_utils import Database

Migration = Callable[["Database"], None]


# ── the ledger ───────────────────────────────────────────────────────────────


def _rolled(db: Database) -> None:
    # Daily sums are kept with every charge (they used to be made when rows went); ``asked`` is 1
    # for the first attempt of a request that was recorded, so that requests are counted once.
    db["usage"].add_column("asked", int, not_null_default=1)
    db["usage_daily"].add_column("asked", int, not_null_default=0)
    db.execute("UPDATE usage_daily SET asked = attempts")
    daily = {"day": str, "project": str, "bucket": int}
    create(db, "latency_daily", {**daily, "count": int}, tuple(daily))
    sums.backfill(db.conn)
    for act in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit BEGIN "
            "SELECT RAISE(ABORT, 'the audit is append-only'); END"
        )


def _votes(db: Database) -> None:
    columns = {"decision_id": str, "at": float, "model": str, "task": str, "score": float}
    rest = {"comment": str, "key_id": str}
    create(db, "feedback", {**columns, **rest}, "decision_id", indexes=[("at",)])


def _hourly(db: Database) -> None:
    # Hours of the last days, so that a day is asked for as fast as a month, and budgets by UTC
    # day, so that a month's sums are read from a few rows however much was spent in it.
    _unpriced(db)
    hourly = {"hour": int, **WHO, **FOR, "outcome": str}
    sums_ = {"asked": int, "attempts": int, "estimated": int, **METERS, "cost_pico": int,
             "premium_pico": int, "latency_ms": float, "unpriced": int,
             "unpriced_pico": int}  # fmt: skip
    create(db, "usage_hourly", {**hourly, **sums_}, tuple(hourly))
    latency = {"hour": int, "project": str, "bucket": int}
    create(db, "latency_hourly", {**latency, "count": int}, tuple(latency))
    sums.backfill_hours(db.conn)
    daily = {"day": int, "project": str, "key_id": str}
    # Micro-dollars and the rest apart: a day's sum may pass 64 bits of picodollars.
    spent = {"micro": int, "pico": int, "requests": int}
    create(db, "budget_daily", {**daily, **spent}, tuple(daily))
    db.execute(
        "INSERT INTO budget_daily SELECT slot / 96, project, key_id, sum(cost_pico / 1000000), "
        "sum(cost_pico % 1000000), sum(requests) FROM budget_tracking GROUP BY 1, project, key_id"
    )


def _unpriced(db: Database) -> None:
    """Attempts of which nobody knows what they cost: what is put down for them is no price."""
    for table in ("holds", "usage", "usage_daily"):
        db[table].add_column("unpriced", int, not_null_default=0)
    db["usage_daily"].add_column("unpriced_pico", int, not_null_default=0)


# ── the journal ──────────────────────────────────────────────────────────────


def _measured(db: Database) -> None:
    # Saved texts are bounded by their size, which is known without reading them.
    db["prompts"].add_column("bytes", int, not_null_default=0)
    db.execute(
        "UPDATE prompts SET bytes = length(CAST(coalesce(prompt, '') AS BLOB)) "
        "+ length(CAST(coalesce(response, '') AS BLOB))"
    )
    db["prompts"].create_index(["at", "decision_id", "bytes"])


def _replays(db: Database) -> None:
    columns = {"name": str, "print": str, "at": float, "boot": str, "state": str, "bytes": int}
    optional = {"answer": bytes}
    create(db, "replays", {**columns, **optional}, "name", optional=("answer",), indexes=[("at",)])


def _remembering(db: Database) -> None:
    # What the ledger says of accounts and keys, for when it cannot be read (see ``memory``).
    create(db, "remembered", {"name": str, "rows": str}, "name")


def _unknown_costs(db: Database) -> None:
    db["decisions"].add_column("unpriced", int, not_null_default=0)


@dataclass(frozen=True, slots=True)
class Schema:
    """One kind of file: its name for people, its mark, its history, its durability."""

    name: str
    application_id: int
    migrations: tuple[Migration, ...]
    synchronous: str

    @property
    def version(self) -> int:
        return len(self.migrations)


LEDGER = Schema(
    "the ledger", 0x58534C47, (founding.money, founding.owner, _rolled, _votes, _hourly), "FULL"
)
JOURNAL = Schema(
    "the journal",
    0x58534A4E,
    (founding.journal, _measured, _replays, _remembering, _unknown_costs),
    "NORMAL",
)
