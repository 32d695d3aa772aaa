"""Who routes: the real core over the real books, and three usual ways, all against the same truth.

``Ours`` asks ``core.routing`` and holds, settles and learns in ``books.Books``, as the
gateway does. The others keep no books: they go by a refusal's Retry-After, leave a
model alone until then, and go on to the next until one answers (no limit to that).
Nobody here knows the hidden limits, or what a request will come to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.clock import Instant
from freeloader.core import outcome, routing
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Deployment, Gates, Level, Policy, Profile, Resolution, Weights
from freeloader.core.policy import combine
from freeloader.core.ranking import scoring
from freeloader.core.routing import bounds
from freeloader.core.snapshot import UNMEASURED
from freeloader.core.tokens import EXPECTED_OUTPUT, expected_tokens, upper_tokens
from freeloader.money import Meters
from week.demand import BOUND, NEEDS, SIZES, Request
from week.truth import Providers

#: Bytes of UTF-8 that a token of input is here: English prose.
_BYTES = 4.2
RETRIES = 3
AUTO = Resolution("auto", "auto")


@dataclass
class Served:
    """``done``: when the answer is complete; ``call`` is then to be made, by virtual time."""

    deployment: Deployment
    done: float
    call: Callable[[float], Any] | None = None


@dataclass
class Later:
    """Ask again at ``at``."""

    at: float


@dataclass
class Tally:
    """What a player did. ``learning`` counts refusals of limits that nobody publishes."""

    served: int = 0
    strong: int = 0
    refusals: int = 0
    learning: int = 0
    unanswered: dict[float, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)


class Player(Protocol):
    async def ask(self, request: Request, now: float, patience: float) -> Served | Later | None: ...


def took(deployment: Deployment, size: int) -> float:
    """Seconds an answer takes: a second, and 80 tokens in each after that."""
    return 1.0 + SIZES[size][1] / 80


class Outside:
    """The providers, with their refusals counted."""

    def __init__(self, providers: Providers, unknown: str, tally: Tally) -> None:
        self._providers, self._unknown, self._tally = providers, unknown, tally

    def call(self, deployment: Deployment, size: int, now: float) -> Any:
        meters = Meters(requests=1, input=SIZES[size][0], output=SIZES[size][1])
        refusal = self._providers.call(deployment, meters, now)
        if refusal is not None and deployment.provider.id == self._unknown:
            self._tally.learning += 1
        elif refusal is not None:
            self._tally.refusals += 1
        return refusal


Order = Callable[[list[Deployment], "Usual"], list[Deployment]]

# ── the usual ways ───────────────────────────────────────────────────────────


class Usual:
    """``order`` puts the usable deployments in the order in which they are tried."""

    def __init__(
        self,
        deployments: Sequence[Deployment],
        outside: Outside,
        order: Order,
    ) -> None:
        self._able = {
            need: [d for d in deployments if (d.model.intelligence or 0.0) >= need]
            for need in NEEDS
        }
        self._outside, self._order = outside, order
        self._until: dict[str, float] = {}
        self.used: dict[str, int] = {}
        self.turn = 0

    async def ask(self, request: Request, now: float, patience: float) -> Served | Later | None:
        able = self._able[request.need]
        free = [d for d in able if self._until.get(d.id, 0.0) <= now]
        for one in self._order(free, self):
            self.turn += 1
            refusal = self._outside.call(one, request.size, now)
            if refusal is None:
                self.used[one.id] = self.used.get(one.id, 0) + 1
                return Served(one, now + took(one, request.size))
            self._until[one.id] = now + refusal.wait
        soonest = min((self._until.get(d.id, 0.0) for d in able), default=patience + 1)
        return Later(max(soonest, now + 0.01)) if soonest <= patience else None


def by_priority(free: list[Deployment], _: Usual) -> list[Deployment]:
    """Best first, as an owner would write the list down: by the score of ``balanced``."""
    shares = scoring.shares(Weights(), prefer_local=False)
    return sorted(free, key=lambda d: (-scoring.weighed(d, UNMEASURED, shares), d.id))


def round_robin(free: list[Deployment], player: Usual) -> list[Deployment]:
    """The next in turn, then those after it."""
    at = player.turn % len(free) if free else 0
    return free[at:] + free[:at]


def least_used(free: list[Deployment], player: Usual) -> list[Deployment]:
    """Who answered least so far."""
    return sorted(free, key=lambda d: (player.used.get(d.id, 0), d.id))


# ── ours ─────────────────────────────────────────────────────────────────────


class NoLedger:
    """Everything is written at once, nowhere."""

    def __getattr__(self, name: str) -> Any:
        async def nothing(*_: Any, **__: Any) -> Any:
            return {} if name.startswith("spent_by") else [] if name == "load_windows" else 0

        return nothing

    def record_usage(self, _: Any) -> bool:
        return True


class VirtualClock:
    """Both clocks run alike; ``wall`` is set by the week."""

    wall = 0.0

    def now(self) -> Instant:
        return Instant(self.wall, self.wall)


class Ours:
    """The product without its sockets. ``pacing``: as the setting of that name."""

    def __init__(self, deployments: Sequence[Deployment], outside: Outside, pacing: str) -> None:
        self.clock = VirtualClock()
        self.books = Books(NoLedger(), self.clock, BudgetRules())
        self.books.set_deployments(deployments)
        self._outside = outside
        self._policies = {need: policy_for(need, pacing) for need in NEEDS}
        self._profiles = [profile_of(size) for size in range(len(SIZES))]
        self._attempt = 0
        self._swept = 0.0

    async def ask(self, request: Request, now: float, patience: float) -> Served | Later | None:
        books, policy = self.books, self._policies[request.need]
        await self._sweep(now)
        if now == request.at:
            books.wanted(self._profiles[request.size], policy, Instant(now, now))
        tried: frozenset[str] = frozenset()
        for _ in range(RETRIES + 1):
            question = routing.Ask(self._profiles[request.size], policy, AUTO, now, tried)
            decision = routing.decide(question, books)
            if decision.winner is None:
                return self._later(question, now, patience)
            one = decision.winner.deployment
            self._attempt += 1
            upper = bounds.upper_meters(question.profile, one)
            name = f"a{self._attempt}"
            at = Instant(now, now)
            held = await books.reserve(name, name, one, upper, None, "bench", policy, at)
            assert isinstance(held, Hold), held
            books.taken(held, question.profile, policy)
            refusal = self._outside.call(one, request.size, now)
            if refusal is None:
                return Served(one, now + took(one, request.size), self._settling(held, request))
            judged = outcome.classify(refusal.answer(), one.provider.error_rules, one.limits, now)
            await books.release(held, at)
            books.record(one, judged, None, None, 0, at)
            tried |= {one.id}
        return None

    def _later(self, question: routing.Ask, now: float, patience: float) -> Later | None:
        every = routing.refusals(question, self.books)
        ends = [c.verdict.until for c in every if c.verdict and c.verdict.until is not None]
        soonest = min(ends, default=patience + 1)
        return Later(max(soonest, now + 0.01)) if soonest <= patience else None

    def _settling(self, held: Hold, request: Request) -> Callable[[float], Any]:
        size = SIZES[request.size]
        used = Meters(requests=1, input=size[0], output=size[1])

        async def settle(now: float) -> None:
            at = Instant(now, now)
            await self._sweep(now)
            await self.books.settle(held, used, "reported", at)
            latency = (now - held.at.wall) * 1000
            self.books.record(held.deployment, None, latency, 1000.0, size[1], at)

        return settle

    async def _sweep(self, now: float) -> None:
        """What the daemon's loop does four times a second, also while nobody asks: every few
        seconds is enough here. Time never goes back: what is settled later comes after."""
        self._swept = self._swept or now
        while now - self._swept >= 4.0:
            self._swept += 4.0
            self.clock.wall = self._swept
            await self.books.flush_dirty()
        self.clock.wall = now


def policy_for(need: float, pacing: str) -> Policy:
    """A need is a gate."""
    gates = Gates(min_intelligence=need) if need else Gates()
    return combine([Level("request", gates=gates, pacing=pacing)])


def profile_of(size: int) -> Profile:
    """As a surface makes it of a body with ``max_tokens``."""
    wanted, written = SIZES[size]
    text = int(wanted * _BYTES)
    bound = written * BOUND
    return Profile(
        operation="chat",
        model="auto",
        needs=frozenset(),
        upper=Meters(requests=1, input=upper_tokens(text), output=bound),
        expected=Meters(
            requests=1, input=expected_tokens(text), output=min(bound, EXPECTED_OUTPUT)
        ),
    )
