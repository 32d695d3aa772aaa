"""How candidates are ranked: one prepared order per strategy.

Each strategy is an order (``Rank`` → a sort key per deployment, kept sorted by the books,
so that a decision walks it lazily) and a rule for picking (``picking.Pick``). Keys
are absolute: nothing is compared with the candidates at hand. A stage (free before
paid, local before the rest) is the first part of a key. Whether a candidate may serve
is not asked here: that is the gates' and the books' work (``core.routing``).

balanced       score by the weights; the first is taken
cost-first     free ones by score (also what a paid account's free allowance covers), then by
               list price at the request's own mix of tokens
speed-first    by p95 (what the prior makes likely, where none is measured); of the first
               three, the fastest that costs at most ``cost_tolerance`` times the cheapest
               (at 1 the cheapest itself; the tolerance is what speed may cost)
quality-first  by intelligence for the task, then score; see ``routing.steps.StepDown``
local-first    local ones by score; then provider after provider, beginning with the one
               after that which had the last turn
priority       the accounts' given order, then score
multi-cast     by its selection: ``diverse`` by score, ``best`` as quality-first, ``cheapest``
               as cost-first; who is asked besides the first is ``core.cast``'s
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from math import log2

from freeloader.core.model import Deployment, Policy, Profile, Weights
from freeloader.core.ranking import scoring
from freeloader.core.snapshot import Health, Rank

#: What a strategy that does not go by the owner's weights breaks its ties with.
TIES = Weights(0.4, 0.4, 0.2)
#: Input to output of a request, as a power of two, for the price order: 1:16 to 64:1.
_MIX_MIN, _MIX_MAX = -4, 6
#: A place in an order: stage or group, value, tie, the account's priority, the id.
Key = tuple[int | str, float, float, int, str]


def rank_of(policy: Policy, profile: Profile) -> Rank:
    """The order that a request goes by. Equal requests share one, and the books keep few."""
    by = _BY.get(policy.strategy, "score")
    if policy.strategy == "multi-cast":
        by = _BY_SELECTION.get(policy.selection, "score")
    by = policy.order or by
    weights = TIES if by in ("price", "intelligence", "latency") else policy.weights
    shares = scoring.shares(weights, policy.prefer_local)
    mix = _mix(profile) if by == "price" else 0
    return Rank(by, shares, profile.task, scoring.need_bucket(profile.need), mix)


def key_of(rank: Rank) -> Callable[[Deployment, Health], Key]:
    """The sort key of one order: smaller is better, and no two deployments share one."""
    make = _KEYS[rank.by]
    return lambda deployment, health: make(rank, deployment, health)


def _score(rank: Rank, deployment: Deployment, health: Health) -> float:
    return scoring.weighed(deployment, health, rank.shares, rank.task, rank.need)


def _by_score(rank: Rank, deployment: Deployment, health: Health) -> Key:
    score, tie = -_score(rank, deployment, health), float(health.covered)
    return (0, score, tie, deployment.account.priority, deployment.id)


def _by_price(rank: Rank, deployment: Deployment, health: Health) -> Key:
    """Free ones first, best first; then what can be billed, the cheapest first. Of two that are
    alike the one goes first that needs no money held."""
    score, priority = -_score(rank, deployment, health), deployment.account.priority
    if health.covered or not deployment.billable:
        return (0, score, float(health.covered), priority, deployment.id)
    price = deployment.model.price
    if price is None:
        return (2, score, 0.0, priority, deployment.id)
    share = 2.0**rank.mix
    blended = (share * price.input + price.output) / (share + 1)
    return (1, blended, score, priority, deployment.id)


def _by_latency(rank: Rank, deployment: Deployment, health: Health) -> Key:
    score = -_score(rank, deployment, health)
    latency, _ = latency_of(deployment, health)
    return (0, latency, score, deployment.account.priority, deployment.id)


def _by_intelligence(rank: Rank, deployment: Deployment, health: Health) -> Key:
    value = scoring.intelligence(deployment, rank.task, health)
    score = -_score(rank, deployment, health)
    known = 0.0 if value is None else value
    return (0, -known, score, deployment.account.priority, deployment.id)


def _by_provider(rank: Rank, deployment: Deployment, health: Health) -> Key:
    """Local servers are the group without a name, which sorts before all others."""
    group = "" if deployment.local else deployment.provider.id
    score = -_score(rank, deployment, health)
    return (group, score, 0.0, deployment.account.priority, deployment.id)


def _by_priority(rank: Rank, deployment: Deployment, health: Health) -> Key:
    score = -_score(rank, deployment, health)
    return (deployment.account.priority, score, 0.0, 0, deployment.id)


_KEYS: Mapping[str, Callable[[Rank, Deployment, Health], Key]] = {
    "score": _by_score,
    "price": _by_price,
    "latency": _by_latency,
    "intelligence": _by_intelligence,
    "provider": _by_provider,
    "priority": _by_priority,
}
_BY: Mapping[str, str] = {
    "cost-first": "price",
    "speed-first": "latency",
    "quality-first": "intelligence",
    "local-first": "provider",
    "priority": "priority",
}
_BY_SELECTION: Mapping[str, str] = {"best": "intelligence", "cheapest": "price"}


def standing(deployment: Deployment, health: Health, policy: Policy, profile: Profile) -> str:
    """What put it where it is in its strategy's order, in words; '': its score did."""
    match policy.order or policy.strategy:
        case "cost-first" | "price":
            if health.covered:
                return "covered by its account's free allowance"
            return "costs nothing" if not deployment.billable else "the cheapest that is paid"
        case "speed-first" | "latency":
            latency, origin = latency_of(deployment, health)
            said = "measured p95" if origin == "measured" else "likely"
            return f"among the fastest ({said} {latency:,.0f} ms)"
        case "quality-first":
            value = scoring.intelligence(deployment, profile.task, health)
            known = "unknown" if value is None else f"{value:g}"
            return f"the most intelligent for {profile.task} ({known} of 10)"
        case "local-first":
            return "a local server" if deployment.local else "its turn, no local server can"
        case "priority":
            return f"the first in your order (priority {deployment.account.priority})"
    return ""


def latency_of(deployment: Deployment, health: Health) -> tuple[float, str]:
    """p95 of whole answers in ms, ``measured`` or ``prior``: the slowest speed that anybody is
    taken to have without one, where none is known."""
    value, origin = scoring.latency(deployment, health)
    if value is None:
        return scoring.latency_of_speed(scoring.UNKNOWN_SPEED), origin
    return value, origin


def _mix(profile: Profile) -> int:
    """How much input a token of output comes with, as a rounded power of two."""
    expected = profile.expected
    output = max(1, min(expected.output, profile.upper.output) if profile.bounded else 1)
    if not profile.bounded:
        output = max(1, expected.output)
    return max(_MIX_MIN, min(_MIX_MAX, round(log2(max(1, expected.input) / output))))


def in_turn(
    ids: Sequence[str], known: Mapping[str, Deployment], after: str | None
) -> Iterator[str]:
    """Ids in the ``provider`` order, its groups beginning after the provider ``after``.

    The local ones stay first. ``ids`` is not copied: it may be ten thousand long.
    """

    def group(name: str) -> str:
        found = known[name]
        return "" if found.local else found.provider.id

    near = bisect_right(ids, "", key=group)
    start = near if after is None else max(near, bisect_right(ids, after, key=group))
    ring = chain(range(near), range(start, len(ids)), range(near, start))
    return (ids[i] for i in ring)
