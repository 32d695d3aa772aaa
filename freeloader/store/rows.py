"""The rows that go into and come out of the two database files.

Plain frozen data. Money is integer picodollars, times are Unix seconds (wall),
durations milliseconds. Bounds are checked here, when a row is made, so that
nothing that SQLite could not hold exactly ever reaches the writer. No SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from freeloader.money import METERS, Meters

MAX_PICO = 10**18
"""One row's bound: a million dollars. SQLite's 64 bits hold nine of them."""

NOTHING = Meters()

MAX_COUNT = 2**62
"""Bound of one meter."""


def check_pico(name: str, value: int) -> int:
    """``value`` itself, if it is an integer amount that one row may hold; else ValueError."""
    if type(value) is not int or not 0 <= value <= MAX_PICO:
        raise ValueError(f"{name} must be an integer between 0 and {MAX_PICO} picodollars")
    return value


def check_meters(meters: Meters) -> None:
    """ValueError if a meter is not an integer that one row may hold."""
    for name in METERS:
        value = getattr(meters, name)
        if type(value) is not int or not 0 <= value <= MAX_COUNT:
            raise ValueError(f"meter {name} must be an integer between 0 and {MAX_COUNT}")


@dataclass(frozen=True, slots=True)
class HoldRow:
    """One attempt's hold: ``amount_pico`` is what it can cost at most, ``meters`` the upper bound.

    ``at`` is when it was placed. ``state``, ``epoch``, ``charged_pico`` and
    ``settled_at`` are the ledger's; they are ignored when a hold is placed.
    States: ``held | settled | released | expired`` (expired: its daemon died, so
    it was charged in full).
    """

    hold_id: str
    attempt_id: str
    request_id: str
    at: float
    provider: str
    account: int
    model: str
    amount_pico: int
    family: str = ""
    project: str | None = None
    key_id: str = ""
    task: str = ""
    meters: Meters = NOTHING
    state: str = "held"
    epoch: int = 0
    charged_pico: int | None = None
    settled_at: float | None = None

    def __post_init__(self) -> None:
        check_pico("amount_pico", self.amount_pico)
        check_meters(self.meters)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one attempt consumed. ``at`` decides the budget period that is charged.

    ``basis``: ``reported | counted | hold``; ``premium_pico`` is what the premium
    model would have cost; ``estimated`` says that the meters are not the provider's.
    """

    request_id: str
    attempt_id: str
    at: float
    provider: str
    account: int
    model: str
    family: str = ""
    project: str | None = None
    key_id: str = ""
    task: str = ""
    meters: Meters = NOTHING
    cost_pico: int = 0
    premium_pico: int | None = None
    basis: str = "reported"
    latency_ms: float | None = None
    first_ms: float | None = None
    outcome: str = "ok"
    estimated: bool = False

    def __post_init__(self) -> None:
        check_pico("cost_pico", self.cost_pico)
        if self.premium_pico is not None:
            check_pico("premium_pico", self.premium_pico)
        check_meters(self.meters)


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
class WindowRow:
    """The state of one quota window; ``state`` is the books' own, JSON-ready.

    After ``expires_at`` (None: never) the row says nothing any more and may go.
    """

    key: str
    state: Mapping[str, Any]
    at: float
    provider: str = ""
    expires_at: float | None = None


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
class JobState:
    """What is remembered of one named job between starts (wall seconds)."""

    name: str
    last_run: float | None = None
    last_result: str | None = None
    last_duration_ms: float | None = None
    next_due: float | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """Why one request went where it went. Written again under the same id, the later one stands."""

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
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
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
