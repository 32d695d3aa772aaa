"""The tables of both files, as append-only lists of migrations.

A migration, once released, is never edited: the next change is a new function
at the end of its list. The file's version is the number of migrations it has
had (``PRAGMA user_version``, written in the same transaction). Which file it is
says ``PRAGMA application_id``, so that a journal is never taken for a ledger.
When and how they are applied is ``opening``'s business.

Money is INTEGER picodollars, times are REAL Unix seconds, a missing project is
the empty string; tables are STRICT, so that no float can slip into a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeloader.store.reports import sums

if TYPE_CHECKING:
    from sqlite_utils import Database

Migration = Callable[["Database"], None]

_WHO = {"provider": str, "account": int, "model": str, "family": str}
_FOR = {"project": str, "key_id": str, "task": str}
_COUNTS = ("requests", "input", "cache_read", "cache_write", "output", "images", "seconds")
_METERS = dict.fromkeys((*_COUNTS, "units", "usd"), int)


def _create(
    db: Database,
    name: str,
    columns: Mapping[str, type],
    pk: str | tuple[str, ...],
    *,
    optional: Sequence[str] = (),
    indexes: Sequence[Sequence[str]] = (),
    unique: Sequence[Sequence[str]] = (),
) -> None:
    required = {c for c in columns if c not in optional and c != pk}
    db[name].create(dict(columns), pk=pk, not_null=required, strict=True)
    for index in indexes:
        db[name].create_index(list(index))
    for index in unique:
        db[name].create_index(list(index), unique=True)


# ── the ledger ───────────────────────────────────────────────────────────────


def _money(db: Database) -> None:
    spoken = {"request_id": str, "at": float, **_WHO, **_FOR, **_METERS}
    _create(
        db,
        "holds",
        {
            "hold_id": str,
            "attempt_id": str,
            **spoken,
            "amount_pico": int,
            "state": str,
            "epoch": int,
            "charged_pico": int,
            "settled_at": float,
        },
        "hold_id",
        optional=("charged_pico", "settled_at"),
        indexes=[("at",)],
        unique=[("attempt_id",)],
    )
    # Small however long the history is: boot and /v1/budget read only open holds.
    db.execute("CREATE INDEX holds_open ON holds(epoch) WHERE state = 'held'")
    _create(
        db,
        "usage",
        {
            "id": int,
            "attempt_id": str,
            **spoken,
            "cost_pico": int,
            "premium_pico": int,
            "basis": str,
            "latency_ms": float,
            "first_ms": float,
            "outcome": str,
            "estimated": int,
        },
        "id",
        optional=("premium_pico", "latency_ms", "first_ms"),
        indexes=[("at",), ("request_id",), ("project", "at")],
        unique=[("attempt_id",)],
    )
    daily = {"day": str, **_WHO, **_FOR, "outcome": str}
    _create(
        db,
        "usage_daily",
        {
            **daily,
            "attempts": int,
            "estimated": int,
            **_METERS,
            "cost_pico": int,
            "premium_pico": int,
            "latency_ms": float,
        },
        tuple(daily),
    )
    _create(
        db,
        "adjustments",
        {
            "id": int,
            "attempt_id": str,
            "at": float,
            "made_at": float,
            "amount_pico": int,
            "reason": str,
            "project": str,
            "key_id": str,
        },
        "id",
        indexes=[("attempt_id",), ("at",)],
    )
    # Running sums per quarter of an hour: every calendar period in every time zone is made of
    # whole ones, so a budget is read without touching history, and survives its trimming.
    _create(
        db,
        "budget_tracking",
        {"slot": int, "project": str, "key_id": str, "cost_pico": int, "requests": int},
        ("slot", "project", "key_id"),
    )
    _create(
        db,
        "alerts",
        {
            "id": int,
            "at": float,
            "type": str,
            "scope": str,
            "period": str,
            "message": str,
            "data": str,
        },
        "id",
        unique=[("type", "scope", "period")],
    )
    _create(
        db,
        "quota_windows",
        {"key": str, "provider": str, "state": str, "at": float, "expires_at": float},
        "key",
        optional=("expires_at",),
    )


def _owner(db: Database) -> None:
    _create(db, "meta", {"key": str, "value": str}, "key")
    db.execute("INSERT INTO meta VALUES ('instance', lower(hex(randomblob(8))))")
    db.execute("INSERT INTO meta VALUES ('epoch', '0')")
    known = {"data": str, "updated_at": float}
    _create(db, "providers", {"id": str, **known}, "id")
    _create(db, "models", {"provider": str, "id": str, **known}, ("provider", "id"))
    _create(
        db,
        "accounts",
        {"provider": str, "idx": int, "enabled": int, "created_at": float, **known},
        ("provider", "idx"),
    )
    _create(
        db,
        "app_keys",
        {
            "id": str,
            "hash": str,
            "role": str,
            "project": str,
            "name": str,
            "rate_limit": str,
            "budget": str,
            "created_at": float,
            "revoked_at": float,
        },
        "id",
        optional=("project", "revoked_at"),
        unique=[("hash",)],
    )
    _create(
        db,
        "config_history",
        {"version": int, "at": float, "who": str, "what": str, "config": str},
        "version",
    )
    entry = {"id": int, "at": float}
    _create(
        db,
        "audit",
        {**entry, "who": str, "what": str, "subject": str, "detail": str},
        "id",
        indexes=[("at",)],
    )
    _create(
        db,
        "discovery_log",
        {
            **entry,
            "source": str,
            "kind": str,
            "provider": str,
            "subject": str,
            "state": str,
            "detail": str,
        },
        "id",
        indexes=[("state", "at")],
    )
    _create(
        db,
        "benchmarks",
        {**entry, "provider": str, "model": str, "suite": str, "score": float, "detail": str},
        "id",
        optional=("score",),
        indexes=[("provider", "model", "at")],
    )
    _create(
        db,
        "jobs",
        {
            "name": str,
            "last_run": float,
            "last_result": str,
            "last_duration_ms": float,
            "next_due": float,
            "failures": int,
        },
        "name",
        optional=("last_run", "last_result", "last_duration_ms", "next_due"),
    )


def _rolled(db: Database) -> None:
    # Daily sums are kept with every charge (they used to be made when rows went); ``asked`` is 1
    # for the first attempt of a request that was recorded, so that requests are counted once.
    db["usage"].add_column("asked", int, not_null_default=1)
    db["usage_daily"].add_column("asked", int, not_null_default=0)
    db.execute("UPDATE usage_daily SET asked = attempts")
    daily = {"day": str, "project": str, "bucket": int}
    _create(db, "latency_daily", {**daily, "count": int}, tuple(daily))
    sums.backfill(db.conn)
    for act in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit BEGIN "
            "SELECT RAISE(ABORT, 'the audit is append-only'); END"
        )


def _votes(db: Database) -> None:
    columns = {"decision_id": str, "at": float, "model": str, "task": str, "score": float}
    rest = {"comment": str, "key_id": str}
    _create(db, "feedback", {**columns, **rest}, "decision_id", indexes=[("at",)])


def _hourly(db: Database) -> None:
    # Hours of the last days, so that a day is asked for as fast as a month, and budgets by UTC
    # day, so that a month's sums are read from a few rows however much was spent in it.
    _unpriced(db)
    hourly = {"hour": int, **_WHO, **_FOR, "outcome": str}
    sums_ = {"asked": int, "attempts": int, "estimated": int, **_METERS, "cost_pico": int,
             "premium_pico": int, "latency_ms": float, "unpriced": int,
             "unpriced_pico": int}  # fmt: skip
    _create(db, "usage_hourly", {**hourly, **sums_}, tuple(hourly))
    latency = {"hour": int, "project": str, "bucket": int}
    _create(db, "latency_hourly", {**latency, "count": int}, tuple(latency))
    sums.backfill_hours(db.conn)
    daily = {"day": int, "project": str, "key_id": str}
    # Micro-dollars and the rest apart: a day's sum may pass 64 bits of picodollars.
    spent = {"micro": int, "pico": int, "requests": int}
    _create(db, "budget_daily", {**daily, **spent}, tuple(daily))
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


def _journal(db: Database) -> None:
    _create(
        db,
        "decisions",
        {
            "id": str,
            "request_id": str,
            "at": float,
            "project": str,
            "key_id": str,
            "operation": str,
            "requested": str,
            "strategy": str,
            "task": str,
            "provider": str,
            "model": str,
            "outcome": str,
            "reason": str,
            "attempts": int,
            "cost_pico": int,
            "latency_ms": float,
            "detail": str,
        },
        "id",
        optional=("latency_ms",),
        indexes=[("at",), ("project", "at"), ("request_id",)],
    )
    _create(
        db,
        "attempts",
        {
            "id": str,
            "decision_id": str,
            "request_id": str,
            "number": int,
            "at": float,
            "deployment": str,
            "outcome": str,
            "status": int,
            "reason": str,
            "latency_ms": float,
            "first_ms": float,
            "cost_pico": int,
            "meters": str,
            "detail": str,
        },
        "id",
        optional=("status", "latency_ms", "first_ms"),
        indexes=[("decision_id", "number"), ("at",), ("deployment", "at")],
    )
    _create(
        db,
        "prompts",
        {"decision_id": str, "at": float, "prompt": str, "response": str},
        "decision_id",
        optional=("prompt", "response"),
        indexes=[("at",)],
    )


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
    _create(db, "replays", {**columns, **optional}, "name", optional=("answer",), indexes=[("at",)])


def _remembering(db: Database) -> None:
    # What the ledger says of accounts and keys, for when it cannot be read (see ``memory``).
    _create(db, "remembered", {"name": str, "rows": str}, "name")


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


LEDGER = Schema("the ledger", 0x58534C47, (_money, _owner, _rolled, _votes, _hourly), "FULL")
JOURNAL = Schema("the journal", 0x58534A4E, (_journal, _measured, _replays, _remembering), "NORMAL")
