"""The first tables of both files, as they were when the files began.

They are never edited: what changed since is a migration of ``schema``'s. Nothing here says
in which order or when anything is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

WHO = {"provider": str, "account": int, "model": str, "family": str}
FOR = {"project": str, "key_id": str, "task": str}
_COUNTS = ("requests", "input", "cache_read", "cache_write", "output", "images", "seconds")
METERS = dict.fromkeys((*_COUNTS, "units", "usd"), int)
_SPOKEN = {"request_id": str, "at": float, **WHO, **FOR, **METERS}


def create(
    db: Database,
    name: str,
    columns: Mapping[str, type],
    pk: str | tuple[str, ...],
    *,
    optional: Sequence[str] = (),
    indexes: Sequence[Sequence[str]] = (),
    unique: Sequence[Sequence[str]] = (),
) -> None:
    """A STRICT table: every column but the ``optional`` and a single key is NOT NULL."""
    required = {c for c in columns if c not in optional and c != pk}
    db[name].create(dict(columns), pk=pk, not_null=required, strict=True)
    for index in indexes:
        db[name].create_index(list(index))
    for index in unique:
        db[name].create_index(list(index), unique=True)


def money(db: Database) -> None:
    """What was used and what it cost, and what is counted beside."""
    _holds(db)
    _usage(db)
    _around(db)


def _holds(db: Database) -> None:
    create(
        db,
        "holds",
        {
            "hold_id": str,
            "attempt_id": str,
            **_SPOKEN,
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


def _usage(db: Database) -> None:
    create(
        db,
        "usage",
        {
            "id": int,
            "attempt_id": str,
            **_SPOKEN,
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
    daily = {"day": str, **WHO, **FOR, "outcome": str}
    create(
        db,
        "usage_daily",
        {
            **daily,
            "attempts": int,
            "estimated": int,
            **METERS,
            "cost_pico": int,
            "premium_pico": int,
            "latency_ms": float,
        },
        tuple(daily),
    )
    create(
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


def _around(db: Database) -> None:
    """What is read without touching history: running sums, alerts, quota windows."""
    # Running sums per quarter of an hour: every calendar period in every time zone is made of
    # whole ones, so a budget is read without touching history, and survives its trimming.
    create(
        db,
        "budget_tracking",
        {"slot": int, "project": str, "key_id": str, "cost_pico": int, "requests": int},
        ("slot", "project", "key_id"),
    )
    create(
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
    create(
        db,
        "quota_windows",
        {"key": str, "provider": str, "state": str, "at": float, "expires_at": float},
        "key",
        optional=("expires_at",),
    )


def owner(db: Database) -> None:
    """What the owner has and said: registry, accounts, keys, settings; what was done about it."""
    create(db, "meta", {"key": str, "value": str}, "key")
    db.execute("INSERT INTO meta VALUES ('instance', lower(hex(randomblob(8))))")
    db.execute("INSERT INTO meta VALUES ('epoch', '0')")
    known = {"data": str, "updated_at": float}
    create(db, "providers", {"id": str, **known}, "id")
    create(db, "models", {"provider": str, "id": str, **known}, ("provider", "id"))
    create(
        db,
        "accounts",
        {"provider": str, "idx": int, "enabled": int, "created_at": float, **known},
        ("provider", "idx"),
    )
    create(
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
    create(
        db,
        "config_history",
        {"version": int, "at": float, "who": str, "what": str, "config": str},
        "version",
    )
    _records(db)


def _records(db: Database) -> None:
    entry = {"id": int, "at": float}
    create(
        db,
        "audit",
        {**entry, "who": str, "what": str, "subject": str, "detail": str},
        "id",
        indexes=[("at",)],
    )
    create(
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
    create(
        db,
        "benchmarks",
        {**entry, "provider": str, "model": str, "suite": str, "score": float, "detail": str},
        "id",
        optional=("score",),
        indexes=[("provider", "model", "at")],
    )
    create(
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


def journal(db: Database) -> None:
    """The journal's first tables."""
    create(
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
    create(
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
    create(
        db,
        "prompts",
        {"decision_id": str, "at": float, "prompt": str, "response": str},
        "decision_id",
        optional=("prompt", "response"),
        indexes=[("at",)],
    )
