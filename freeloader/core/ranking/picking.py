"""Which of those that pass is taken, and what makes a conversation leave its deployment.

Candidates are offered in their strategy's order; somebody who is only spared (``Soft``)
serves where nobody else can. Whether a candidate passes is ``core.routing``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from freeloader.core.model import Deployment, Policy, Profile, Verdict
from freeloader.core.pacing.plan import need_of
from freeloader.core.ranking import scoring
from freeloader.core.snapshot import UNMEASURED, Health

#: speed-first: among so many of the fastest the price has a say.
FASTEST = 3
#: After so many that are only spared the best of them is taken: a walk has an end.
SPARES = 64


class Soft(NamedTuple):
    """A reason to put somebody back: it serves only where nobody else can.

    ``only_free``: only somebody else who costs nothing may take its place (what spares
    a free quota must not spend money); so it serves before anybody who can be billed,
    and of several the one of least ``strain``, the first in the order of those alike.
    ``why`` makes the verdict's words where they are shown: most never are. ``hard`` says, where
    it is asked, if a conversation leaves for it; ``refuses``, if it is to refuse rather than
    put back, where that is allowed.
    """

    verdict: Verdict
    only_free: bool = False
    strain: float = 0.0
    why: Callable[[], Verdict] | None = None
    hard: Callable[[], bool] | None = None
    refuses: bool = False

    @property
    def firm(self) -> bool:
        return self.refuses or (self.hard is not None and self.hard())

    def told(self) -> Soft:
        """With its verdict in words."""
        return self if self.why is None else self._replace(verdict=self.why(), why=None)


def _unmeasured(_: str) -> Health:
    return UNMEASURED


class Passing(NamedTuple):
    """A candidate that nothing refuses; ``soft``: why somebody else is to serve, if anybody can;
    ``covered``: its account can be billed, and gets this for nothing."""

    deployment: Deployment
    soft: Soft | None = None
    covered: bool = False

    @property
    def free(self) -> bool:
        return self.covered or not self.deployment.billable


class Pick:
    """Takes those that pass in their order, and says who wins as soon as that is ``certain``."""

    def __init__(self, policy: Policy, profile: Profile) -> None:
        self._policy, self._profile = policy, profile
        fastest = policy.strategy == "speed-first" and policy.order is None
        self._want = FASTEST if fastest else 1
        self._fit: list[Passing] = []
        self._spare: Passing | None = None
        self._spares = 0
        self._last: Passing | None = None
        self._need, _ = need_of(policy, profile)
        self.certain = False

    def offer(self, one: Passing) -> None:
        if self.certain:
            return
        if one.soft is None:
            if self._spare is None or self._fit or self._replaces(one, self._spare):
                self._fit.append(one)
            elif one.free:
                self._spares += 1
        elif one.soft.only_free:
            self._spares += 1
            if self._spare is None or self._order(one) < self._order(self._spare):
                self._spare = one
        else:
            self._last = self._last or one
        self.certain = len(self._fit) >= self._want or self._spares >= SPARES

    def _replaces(self, one: Passing, spared: Passing) -> bool:
        """While a free one is only spared, neither what can be billed takes its place nor, where
        it is up to the request's need, what is not."""
        return one.free and (self._able(one.deployment) or not self._able(spared.deployment))

    def _order(self, spared: Passing) -> tuple[bool, float]:
        return (not self._able(spared.deployment), _strain_of(spared))

    def _able(self, one: Deployment) -> bool:
        if not self._need:
            return True
        value = scoring.intelligence(one, self._profile.task)
        return value is not None and value >= self._need

    def winner(self) -> Passing | None:
        if not self._fit:
            return self._spare or self._last
        fit = self._fit[: self._want]
        if len(fit) == 1:
            return fit[0]
        costs = [likely_cost(self._profile, one) for one in fit]
        known = [cost for cost in costs if cost is not None]
        if not known:
            return fit[0]
        most = self._policy.cost_tolerance * min(known)
        pairs = zip(fit, costs, strict=True)
        return next(one for one, cost in pairs if cost is not None and cost <= most)


def gives_way(
    stay: Passing,
    winner: Deployment,
    policy: Policy,
    profile: Profile,
    health: Callable[[str], Health] = _unmeasured,
) -> str | None:
    """Why a conversation goes from its deployment to the ``winner``; None: it stays.

    Caches and tone speak for staying, also where it is paid and others are not; only what
    the strategy is about speaks against it: cost-first pays no more than it must,
    quality-first keeps nobody weaker, priority nobody behind in the given order,
    local-first nobody far where somebody near can serve.
    """
    held = stay.deployment
    if stay.soft is not None and (not stay.soft.only_free or stay.soft.firm):
        return stay.soft.told().verdict.reason  # nothing is kept for habit's sake
    match policy.strategy:
        case "cost-first":
            other = likely_cost(profile, Passing(winner, covered=health(winner.id).covered))
            mine = likely_cost(profile, stay)
            if mine is None or other is None or mine > other:
                return "would cost more, and the strategy is cost-first"
        case "quality-first":
            value = scoring.intelligence(held, profile.task, health(held.id)) or 0.0
            best = scoring.intelligence(winner, profile.task, health(winner.id)) or 0.0
            if value < best:
                return f"is weaker ({value:g} of {best:g}), and the strategy is quality-first"
        case "priority":
            if held.account.priority > winner.account.priority:
                return "comes later in your order, and the strategy is priority"
        case "local-first":
            if winner.local and not held.local:
                return "is not local, and the strategy is local-first"
    return None


def _strain_of(one: Passing) -> float:
    return 0.0 if one.soft is None else one.soft.strain


def likely_cost(profile: Profile, one: Passing) -> int | None:
    """Picodollars that the request likely costs there; 0: it is free, None: unknown."""
    if one.free:
        return 0
    price = one.deployment.model.price
    return None if price is None else price.cost(profile.expected)


def first(some: Iterable[Passing], policy: Policy, profile: Profile) -> Passing | None:
    """Who of all that pass, in their order, is taken."""
    pick = Pick(policy, profile)
    for one in some:
        pick.offer(one)
        if pick.certain:
            break
    return pick.winner()
