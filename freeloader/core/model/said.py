"""What is said of a candidate, and the one try that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from freeloader.core.model.asked import Profile
from freeloader.core.model.existing import Deployment
from freeloader.core.model.nothing import EMPTY
from freeloader.records import record


class Verdict(NamedTuple):
    """Why a candidate may not serve, with numbers: a refusal is a value, not an exception.

    ``gate`` is the contract's name of the gate, or ``quota``, ``budget``,
    ``breaker``, ``tier``, ``ownLimit``, ``price``, ``tried``, ``state``; ``code`` the
    error code it would become; ``until`` (wall seconds) when it may pass again;
    ``relax`` the value of the gate that would let it through; ``facts`` the numbers
    behind a refusal of money, JSON-ready. (A tuple: thousands are made while one
    decision is explained, in a third of a dataclass's time.)
    """

    gate: str
    code: str
    reason: str
    until: float | None = None
    relax: Any = None
    facts: Mapping[str, Any] = EMPTY


@record(frozen=True, slots=True)
class Term:
    """One part of a score: ``value`` 0–1 absolute, ``weight`` its share, ``why`` the numbers."""

    name: str
    value: float
    weight: float
    why: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that one attempt may take, by phase."""

    connect: float = 5.0
    first_byte: float = 60.0
    idle: float = 60.0
    total: float = 600.0


@record(frozen=True, slots=True)
class Attempt:
    """One try at one deployment: the unit of hold, settlement, breaker and journal."""

    id: str
    request_id: str
    number: int
    deployment: Deployment
    profile: Profile
    timeouts: Timeouts = Timeouts()
    credentials: Mapping[str, str] = field(default=EMPTY, repr=False)
