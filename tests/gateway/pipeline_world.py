"""A house for one request: scripted lanes, books, journal and rules, and the pipeline over them."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import PlainSnapshot, deployment, profile

from freeloader.books.ports import Hold, Settlement
from freeloader.catalog.premium import Premium
from freeloader.clock import Instant, SystemClock
from freeloader.core.budget.actions import Spending
from freeloader.core.events import Answer, Delta, End, Event, Fault, Headers, Usage
from freeloader.core.model import (
    Attempt,
    Caller,
    Deployment,
    Gates,
    Level,
    Resolution,
    Timeouts,
    Verdict,
)
from freeloader.core.policy.rules import Rule
from freeloader.core.privacy import Watching
from freeloader.core.ranking.need import Curve
from freeloader.gateway.pipeline import Pipeline
from freeloader.gateway.ports import Keep
from freeloader.gateway.retries import RetryBudget
from freeloader.gateway.sessions import Sessions
from freeloader.gateway.tools import Tasks, Tools
from freeloader.money import Meters, Price

OWNER = Caller("k", "client")
AUTO = Resolution("auto", "auto")
AT_ONCE = Level("settings", max_wait_ms=0)
LIMITS = Timeouts()
OFF = Watching()
PAID = Price(1_000_000, 2_000_000)


def chunk(text: str = "", **more: Any) -> Delta:
    delta = {"content": text} if text else {"role": "assistant"}
    return Delta({"model": "raw", "choices": [{"index": 0, "delta": delta, **more}]}, bool(text))


def whole(text: str = "hi") -> Delta:
    message = {"role": "assistant", "content": text}
    return Delta({"model": "raw", "choices": [{"index": 0, "message": message}]}, True)


def used(input_: int = 10, output: int = 5, *, reported: bool = True) -> Usage:
    return Usage(Meters(requests=1, input=input_, output=output), reported)


def fault(status: int | None = 500, phase: str = "head", **more: Any) -> Fault:
    return Fault(Answer(status, phase=phase, **more))


GOOD = [Headers(200, {}), chunk(), chunk("hel"), chunk("lo"), used(), End()]


@dataclass
class Lane:
    """Plays one list of events per attempt, by deployment; an exhausted one hangs."""

    scripts: dict[str, list[list[Event]]]
    sent: list[Attempt] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    async def send(self, attempt: Attempt) -> AsyncIterator[Event]:
        self.sent.append(attempt)
        try:
            for event in self.scripts[attempt.deployment.id].pop(0):
                await asyncio.sleep(0)
                yield event
            if not isinstance(event, End | Fault):
                await asyncio.Event().wait()
        finally:
            self.closed.append(attempt.deployment.id)


@dataclass
class Books(PlainSnapshot):
    """A snapshot that also notes what is reserved, settled and released."""

    refuse: dict[str, Verdict] = field(default_factory=dict)
    log: list[tuple[Any, ...]] = field(default_factory=list)
    facts: list[Any] = field(default_factory=list)
    ceiling: int = 8192

    async def reserve(self, attempt_id: str, *args: Any) -> Hold | Verdict:
        request_id, what, upper, project, key_id, _policy, now, *_ = args
        if what.id in self.refuse:
            return self.refuse[what.id]
        self.log.append(("hold", what.id))
        cost = what.model.price.ceiling(upper) if what.billable else 0
        return Hold(attempt_id, request_id, what, project, key_id, upper, cost, now)

    async def settle(
        self, hold: Hold, meters: Meters, basis: str, now: Instant, facts: Any
    ) -> Settlement:
        self.log.append(("settle", hold.deployment.id, basis, meters))
        self.facts.append(facts)
        price = hold.deployment.model.price
        cost = price.cost(meters) if price and hold.deployment.billable else 0
        return Settlement(hold.attempt_id, cost, hold.cost, 0, meters, basis, basis != "reported")

    async def release(self, hold: Hold, now: Instant, *, sent: bool = False) -> Settlement:
        self.log.append(("release", hold.deployment.id, sent))
        return Settlement(hold.attempt_id, 0, hold.cost, 0, Meters(), "released", False)

    def observe(self, *args: Any) -> None:
        self.log.append(("observe", *args[:1]))

    def record(self, what: Deployment, outcome: Any, *args: Any) -> None:
        self.log.append(("record", what.id, outcome.kind if outcome else "ok"))
        if outcome is not None and outcome.kind == "slow_down":
            pause = Verdict("breaker", "quota_exhausted", "its rate", outcome.until)
            self.pauses = {**self.pauses, what.id: pause}

    def paused(self, deployment: Deployment, now: float) -> Verdict | None:
        found = self.pauses.get(deployment.id)
        return found if found is None or found.until is None or found.until > now else None

    def spending(self, project: str | None, now: float) -> Spending:
        return Spending((), self.ceiling)

    def refused(self, verdict: Verdict, now: Instant) -> None:
        self.log.append(("refused", verdict.code))

    def windows_of(self, what: Deployment, now: Instant) -> list[dict[str, Any]]:
        return []

    def budget_view(self, project: str | None, now: Instant) -> dict[str, Any]:
        return {"daily": {"spent": 0.0, "remaining": None}}

    def quota_behind(
        self, what: Deployment, upper: Meters, now: float, ahead: Mapping[str, int]
    ) -> Verdict | None:
        return self.quota(what, upper, now)

    def claims(self, what: Deployment, upper: Meters, now: float) -> Mapping[str, int]:
        return {what.id: 1}

    def said(self, what: str) -> list[tuple[Any, ...]]:
        return [row[1:] for row in self.log if row[0] == what]


@dataclass
class Rules:
    resolution: Resolution = AUTO
    level: Level = AT_ONCE
    limits: Timeouts = LIMITS
    own: tuple[Rule, ...] = ()
    wish: Watching = OFF
    kept: Keep = field(default_factory=Keep)

    def names(self) -> Rules:
        return self

    def resolve(self, wanted: str, needs: frozenset[str]) -> Resolution:
        return self.resolution

    def check(self, gates: Gates) -> None:
        """Nothing is a slip here."""

    def rules(self) -> Sequence[Rule]:
        return self.own

    def levels(self, project: str | None) -> Sequence[Level]:
        return [self.level]

    def timeouts(self, provider: str | None = None) -> Timeouts:
        return self.limits

    def watching(self, project: str | None) -> Watching:
        return self.wish

    def curve(self) -> Curve:
        return Curve()

    def catalog_version(self) -> str:
        return "test"

    def policy_version(self) -> str:
        return "p1"

    def keeping(self) -> Keep:
        return self.kept

    def premium(self) -> Premium:
        return Premium("best/of-all", Price(10_000_000, 20_000_000))


@dataclass
class Journal:
    decisions: list[Any] = field(default_factory=list)
    attempts: list[Any] = field(default_factory=list)
    saved: list[Any] = field(default_factory=list)

    def texts(self, decision_id: str, at: float, make: Callable[[], Any]) -> None:
        self.saved.append(make())

    def decision(self, row: Any) -> None:
        self.decisions.append(row)

    def attempt(self, row: Any) -> None:
        self.attempts.append(row)


async def ready(_: Resolution) -> None:
    """The lane can send."""


@dataclass
class World:
    books: Books
    lane: Lane
    rules: Rules = field(default_factory=Rules)
    journal: Journal = field(default_factory=Journal)
    tasks: Tasks = field(default_factory=Tasks)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    scrub: Callable[[str], str] = str
    leave_seconds: float = 60.0
    audits: list[Any] = field(default_factory=list)

    async def audit(self, row: Any) -> None:
        self.audits.append(row)

    retries: RetryBudget = field(default_factory=RetryBudget)
    sessions: Sessions = field(default_factory=Sessions)

    def begin(self, **asked: Any) -> Any:
        return self.pipeline().begin(profile(**asked), OWNER, "r")

    def explain(self, **asked: Any) -> dict[str, Any]:
        return self.pipeline().explain(profile(**asked), OWNER)

    def pipeline(self) -> Pipeline:

        async def credentials(_: Deployment) -> Mapping[str, str]:
            return {"api_key": "hush-hush"}

        tools = Tools(
            self.books,  # type: ignore[arg-type]
            self.lane,
            self.rules,  # type: ignore[arg-type]
            self.journal,
            SystemClock(),
            self.tasks,
            credentials,
            ready,
            lambda kind: f"{kind}-{next(self.numbers)}",
            self.scrub,
            audit=self.audit,
            retries=self.retries,
            leave_seconds=self.leave_seconds,
            sessions=self.sessions,
        )
        return Pipeline(tools)


FIRST = deployment("a", "m", speed=9.0)
SECOND = deployment("b", "m", speed=2.0)


def world(scripts: dict[str, list[list[Event]]], *every: Deployment, **rules: Any) -> World:
    return World(Books.of(every or (FIRST, SECOND)), Lane(scripts), Rules(**rules))


async def collect(run: Any) -> list[Event]:
    return [event async for event in run.events()]
