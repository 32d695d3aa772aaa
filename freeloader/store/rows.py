"""The rows that go into and come out of the two database files; those of the books are core's.

Plain frozen data. Money is integer picodollars, times are Unix seconds (wall),
durations milliseconds. Bounds are checked here, when a row is made, so that
nothing that SQLite could not hold exactly ever reaches the writer. No SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from freeloader.core.rows import (
    MAX_COUNT,
    MAX_PICO,
    NOTHING,
    HoldRow,
    UsageRow,
    WindowRow,
    check_meters,
    check_pico,
)
from freeloader.money import Meters
from freeloader.records import record


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settle, release or adjust did.

    ``state``: ``settled | released | already | late | expired | recorded``.
    ``late``: it had been released and is charged after all. ``expired``: it had
    been charged in full after a crash, and is never lowered by this. ``recorded``:
    there was no hold. ``charged_pico`` is what the attempt has been charged in all.
    """

    state: str
    charged_pico: int


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One app key. Only the hash of it is known. ``rate_limit`` and ``budget`` are JSON-ready."""

    id: str
    hash: str
    role: str
    created_at: float
    project: str | None = None
    name: str = ""
    rate_limit: Any = None
    budget: Any = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """One accepted change of settings, without secrets; ``config`` is empty in lists."""

    version: int
    at: float
    who: str
    what: str
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what to what, and when. Append-only."""

    at: float
    who: str
    what: str
    subject: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """One change of the registry that was proposed. ``detail`` is JSON-ready; its ``state``
    is ``pending``, ``applied``, ``noted``, ``rejected``, ``superseded`` or ``undone``."""

    at: float
    source: str
    kind: str
    provider: str
    subject: str
    state: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


@dataclass(frozen=True, slots=True)
class VoteRow:
    """What somebody said of one decision's answer: ``score`` 0 (bad) to 1 (good)."""

    decision_id: str
    at: float
    model: str
    task: str
    score: float
    comment: str = ""
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """One answer of a benchmark. ``suite`` is the round it belongs to, ``detail`` JSON-ready."""

    at: float
    provider: str
    model: str
    suite: str
    score: float | None
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


@dataclass(frozen=True, slots=True)
class JobState:
    """What is remembered of one named job between starts (wall seconds)."""

    name: str
    last_run: float | None = None
    last_result: str | None = None
    last_duration_ms: float | None = None
    next_due: float | None = None
    failures: int = 0


@record(frozen=True, slots=True)
class DecisionRow:
    """Why one request went where it went. Written again under the same id, the later one stands.

    ``unpriced``: nobody knows what it cost, and ``cost_pico`` is what is counted for it.
    """

    id: str
    request_id: str
    at: float
    project: str | None = None
    key_id: str = ""
    operation: str = "chat"
    requested: str = ""
    strategy: str = ""
    task: str = ""
    provider: str = ""
    model: str = ""
    outcome: str = ""
    reason: str = ""
    attempts: int = 0
    cost_pico: int = 0
    latency_ms: float | None = None
    unpriced: bool = False
    detail: Mapping[str, Any] = field(default_factory=dict)


@record(frozen=True, slots=True)
class AttemptRow:
    """One try at one deployment, as the journal explains it."""

    id: str
    decision_id: str
    request_id: str
    number: int
    at: float
    deployment: str
    outcome: str
    status: int | None = None
    reason: str = ""
    latency_ms: float | None = None
    first_ms: float | None = None
    cost_pico: int = 0
    meters: Meters = NOTHING
    detail: Mapping[str, Any] = field(default_factory=dict)


__all__ = [
    "MAX_COUNT",
    "MAX_PICO",
    "NOTHING",
    "AttemptRow",
    "AuditRow",
    "ConfigRow",
    "DecisionRow",
    "HoldRow",
    "JobState",
    "KeyRow",
    "Settled",
    "UsageRow",
    "WindowRow",
    "check_meters",
    "check_pico",
]
