"""What the books write and the ledger keeps: holds, usage and quota windows as plain rows.

Here, because books and store share them and neither may know the other. Money is
integer picodollars, times are Unix seconds (wall), durations milliseconds. Bounds
are checked when a row is made, so that nothing that SQLite could not hold exactly
ever reaches the writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from freeloader.money import METERS, Meters
from freeloader.records import record

MAX_PICO = 10**18
"""One row's bound: a million dollars. SQLite's 64 bits hold nine of them."""

NOTHING = Meters()

MAX_COUNT = 2**62
"""Bound of one meter."""

_INTEGERS = frozenset({int})


def check_pico(name: str, value: int) -> int:
    """``value`` itself, if it is an integer amount that one row may hold; else ValueError."""
    if type(value) is not int or not 0 <= value <= MAX_PICO:
        raise ValueError(f"{name} must be an integer between 0 and {MAX_PICO} picodollars")
    return value


def check_meters(meters: Meters) -> None:
    """ValueError if a meter is not an integer that one row may hold."""
    values = meters.values()
    if _INTEGERS.issuperset(map(type, values)) and min(values) >= 0 and max(values) <= MAX_COUNT:
        return
    for name, value in zip(METERS, values, strict=True):
        if type(value) is not int or not 0 <= value <= MAX_COUNT:
            raise ValueError(f"meter {name} must be an integer between 0 and {MAX_COUNT}")


@dataclass(frozen=True, slots=True)
class HoldRow:
    """One attempt's hold: ``amount_pico`` is what it can cost at most, ``meters`` the upper bound.

    ``at`` is when it was placed. ``state``, ``epoch``, ``charged_pico`` and
    ``settled_at`` are the ledger's; they are ignored when a hold is placed.
    States: ``held | settled | released | expired`` (expired: its daemon died, so
    it was charged in full). ``unpriced``: its price is unknown, the amount is a safe guess.
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
    unpriced: bool = False

    def __post_init__(self) -> None:
        check_pico("amount_pico", self.amount_pico)
        check_meters(self.meters)


@record(frozen=True, slots=True)
class UsageRow:
    """What one attempt consumed. ``at`` decides the budget period that is charged.

    ``basis``: ``reported | counted | hold``; ``premium_pico`` is what the premium
    model would have cost; ``estimated`` says that the meters are not the provider's;
    ``unpriced`` that nobody knows the price, so that ``cost_pico`` is a safe guess or 0.
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
    unpriced: bool = False

    def __post_init__(self) -> None:
        check_pico("cost_pico", self.cost_pico)
        if self.premium_pico is not None:
            check_pico("premium_pico", self.premium_pico)
        check_meters(self.meters)


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
class AlertRow:
    """One warning, written down once per ``type``, ``scope`` and ``period``. ``at``: wall seconds;
    ``data`` is JSON-ready and holds no secret."""

    at: float
    type: str
    scope: str
    period: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)
