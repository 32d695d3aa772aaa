"""What the pipeline asks of the other rooms, as Protocols. No behaviour here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from freeloader.books.ports import Facts, Hold, Settlement
from freeloader.catalog.premium import Premium
from freeloader.clock import Instant
from freeloader.core.budget.actions import Spending
from freeloader.core.model import (
    Attempt,
    Deployment,
    Gates,
    Level,
    Policy,
    Profile,
    Resolution,
    Timeouts,
    Verdict,
)
from freeloader.core.outcome import Outcome
from freeloader.core.outcome.headers import Observation
from freeloader.core.policy.rules import Rule
from freeloader.core.privacy import Watching
from freeloader.core.ranking.need import Curve
from freeloader.core.snapshot import Snapshot
from freeloader.gateway.lanes.base import Sending
from freeloader.money import LIST, Meters, Surcharge
from freeloader.records import record
from freeloader.store.rows import AttemptRow, DecisionRow


class BooksPort(Snapshot, Protocol):
    """The books, as one attempt uses them (see ``freeloader.books``)."""

    def wanted(self, profile: Profile, policy: Policy, now: Instant) -> None:
        """A request came: noted once, whether it will be served or not."""
        ...

    def taken(self, hold: Hold, profile: Profile, policy: Policy) -> None:
        """A hold is for such a request; once for each."""
        ...

    async def reserve(
        self,
        attempt_id: str,
        request_id: str,
        deployment: Deployment,
        upper: Meters,
        project: str | None,
        key_id: str,
        policy: Policy,
        now: Instant,
        surcharge: Surcharge = LIST,
    ) -> Hold | Verdict: ...

    async def settle(
        self, hold: Hold, used: Meters, basis: str, now: Instant, facts: Facts
    ) -> Settlement: ...

    async def release(self, hold: Hold, now: Instant, *, sent: bool = False) -> Settlement:
        """Nothing was consumed; ``sent``: a request that some limits count all the same."""
        ...

    def observe(
        self,
        deployment: Deployment,
        observations: Sequence[Observation],
        now: Instant,
        hold: Hold | None = None,
    ) -> None: ...

    def record(
        self,
        deployment: Deployment,
        outcome: Outcome | None,
        latency_ms: float | None,
        first_ms: float | None,
        output_tokens: int,
        now: Instant,
        asked: Meters | None = None,
    ) -> None: ...

    def spending(self, project: str | None, now: float) -> Spending:
        """The owner's actions that are in force, and the ceiling of unbounded answers."""
        ...

    def refused(self, verdict: Verdict, now: Instant) -> None:
        """A budget turned a request away."""
        ...

    def windows_of(self, deployment: Deployment, now: Instant) -> list[dict[str, Any]]: ...

    def budget_view(self, project: str | None, now: Instant) -> dict[str, Any]: ...

    def quota_behind(
        self, deployment: Deployment, upper: Meters, now: float, ahead: Mapping[str, int]
    ) -> Verdict | None:
        """As ``quota``, were ``ahead`` (by window key) held already: of those who wait."""
        ...

    def claims(self, deployment: Deployment, upper: Meters, now: float) -> Mapping[str, int]:
        """What a call refused for quota lacks: how much it needs, by the key of the window."""
        ...


class LanePort(Protocol):
    """One way to a provider (see ``gateway.lanes``)."""

    def send(self, attempt: Attempt) -> Sending: ...


class NamesPort(Protocol):
    def resolve(self, wanted: str, needs: frozenset[str]) -> Resolution: ...

    def check(self, gates: Gates) -> None:
        """Raises InvalidRequest for a provider or capability that must be a slip."""
        ...


class JournalPort(Protocol):
    """Write-behind; never waits, never raises for a full disk."""

    def decision(self, row: DecisionRow) -> None: ...

    def attempt(self, row: AttemptRow) -> None: ...

    def texts(
        self, decision_id: str, at: float, make: Callable[[], tuple[str | None, str | None]]
    ) -> None:
        """Keeps a request's text and its answer's; ``make`` is called in the writer's thread."""
        ...


@record(frozen=True, slots=True)
class Keep:
    """``[logging] save_prompts`` and ``save_responses``."""

    prompts: bool = False
    responses: bool = False


class Rules(Protocol):
    """What settings say to the pipeline right now; read anew for each request."""

    def names(self) -> NamesPort: ...

    def levels(self, project: str | None) -> Sequence[Level]:
        """The levels behind the key's: project (if any), then settings."""
        ...

    def rules(self) -> Sequence[Rule]:
        """The owner's rules, the first first."""
        ...

    def watching(self, project: str | None) -> Watching:
        """What private data to look for, and what is wished where it is found."""
        ...

    def curve(self) -> Curve:
        """How much intelligence tasks need."""
        ...

    def timeouts(self, provider: str | None = None) -> Timeouts: ...

    def catalog_version(self) -> str: ...

    def policy_version(self) -> str:
        """Changes whenever a setting that decisions depend on does."""
        ...

    def keeping(self) -> Keep:
        """Which texts the owner wants to be kept."""
        ...

    def premium(self) -> Premium | None:
        """The model that savings are measured against; None where there is none."""
        ...


__all__ = [
    "BooksPort",
    "Facts",
    "Hold",
    "JournalPort",
    "Keep",
    "LanePort",
    "NamesPort",
    "Rules",
    "Settlement",
    "Watching",
]
