"""Which deployment answers? ``decide`` walks lazily, ``explain`` looks at all: same winner.

Candidates come in the order of their score (prepared by the books); the first
that no gate, pause, quota or budget refuses is chosen. Terms are absolute, so
a refused candidate never changes who wins among the rest. Nothing is reserved
here: the pipeline does that, and decides again when it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from freeloader.core import gates, scoring
from freeloader.core.model import (
    Deployment,
    Policy,
    Profile,
    Resolution,
    Term,
    Verdict,
)
from freeloader.core.snapshot import Snapshot
from freeloader.money import Meters

#: How many runners-up a decision keeps (contract: ``alternatives[]``).
ALTERNATIVES = 3
#: After the winner is found, how far the lazy walk looks for runners-up.
_LOOK_AHEAD = 12
#: Refusals that a decision keeps word for word; the rest are counted by gate.
_KEPT_REFUSALS = 8
#: A model's output bound where neither the client nor the registry gives one.
DEFAULT_MAX_OUTPUT = 8_192
#: Output that an unbounded request claims of a free quota. Nine in ten answers are
#: shorter; claiming the model's own bound would let one request fill a minute's window,
#: and the worst that too small a claim can cause on a free account is a refusal.
UNBOUNDED_QUOTA_OUTPUT = 2_048


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to the decider. ``now`` is wall seconds; ``tried`` are deployment ids."""

    profile: Profile
    policy: Policy
    resolution: Resolution
    now: float
    tried: frozenset[str] = frozenset()
    avoid: Mapping[str, Verdict] | None = None


class Candidate(NamedTuple):
    """One deployment as judged: ``verdict`` None means it may serve.

    ``terms`` and their sum are filled by ``scored``, not while deciding. (A tuple:
    it is made ten thousand times per ``explain``, a third faster than a dataclass.)
    """

    deployment: Deployment
    verdict: Verdict | None
    terms: tuple[Term, ...] = ()
    score: float = 0.0
    hold: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The winner (None: nobody may serve), runners-up, and who was refused why.

    ``refused`` holds the most telling refusals, ``counts`` all refusals by gate.
    """

    winner: Candidate | None
    alternatives: tuple[Candidate, ...] = ()
    refused: tuple[Candidate, ...] = ()
    counts: Mapping[str, int] | None = None


def upper_meters(profile: Profile, deployment: Deployment) -> Meters:
    """What one attempt at this deployment can consume: the profile's bound, or the model's.

    Where money can flow an unbounded answer is held at all the model may write.
    """
    upper = profile.upper
    if profile.bounded:
        return upper
    model = deployment.model
    bound = model.max_output or DEFAULT_MAX_OUTPUT
    if model.context is not None:
        bound = min(bound, max(1, model.context - profile.expected.input))
    if not deployment.billable:
        bound = min(bound, UNBOUNDED_QUOTA_OUTPUT)
    return Meters(
        requests=upper.requests,
        input=upper.input,
        output=bound * profile.choices,
        images=upper.images,
    )


def hold_for(profile: Profile, deployment: Deployment) -> int | None:
    """Picodollars to hold before sending; 0 where nothing can be billed, None: price unknown."""
    if not deployment.billable:
        return 0
    price = deployment.model.price
    return None if price is None else price.ceiling(upper_meters(profile, deployment))


def judge(
    ask: Ask,
    snapshot: Snapshot,
    deployment: Deployment,
    asked: tuple[gates.Gate, ...] | None = None,
) -> Verdict | None:
    """The first refusal of one candidate, or None: it may serve now.

    ``asked`` are ``gates.relevant`` for the policy, worked out once per walk.
    """
    verdict = _substitute(ask.resolution, deployment) or gates.first_refusal(
        gates.Question(deployment, snapshot.health(deployment.id), ask.profile, ask.policy.gates),
        asked,
    )
    if verdict is not None:
        return verdict
    if deployment.id in ask.tried:
        return Verdict("tried", "upstream_failed", "was tried for this request already")
    if ask.avoid and deployment.id in ask.avoid:
        return ask.avoid[deployment.id]
    upper = upper_meters(ask.profile, deployment)
    return (
        snapshot.paused(deployment, ask.now)
        or snapshot.quota(deployment, upper, ask.now)
        or _money(ask, snapshot, deployment)
    )


def decide(ask: Ask, snapshot: Snapshot) -> Decision:
    """The best candidate that may serve, found without looking at more than needed."""
    winner: Candidate | None = None
    runners: list[Candidate] = []
    refused: list[Candidate] = []
    counts: dict[str, int] = {}
    looked = 0
    asked = gates.relevant(ask.policy.gates)
    for deployment in _in_order(ask, snapshot):
        if winner is not None:
            looked += 1
            if looked > _LOOK_AHEAD or len(runners) >= ALTERNATIVES:
                break
        verdict = judge(ask, snapshot, deployment, asked)
        if verdict is None:
            if winner is None:
                winner = Candidate(deployment, None)
            else:
                runners.append(Candidate(deployment, None))
            continue
        counts[verdict.gate] = counts.get(verdict.gate, 0) + 1
        if len(refused) < _KEPT_REFUSALS:
            refused.append(Candidate(deployment, verdict))
    return Decision(winner, tuple(runners), tuple(refused), counts)


def explain(ask: Ask, snapshot: Snapshot) -> tuple[Candidate, ...]:
    """Every candidate judged: those that may serve first, best first; ``scored`` adds terms."""
    asked = gates.relevant(ask.policy.gates)
    judged = [
        Candidate(deployment, judge(ask, snapshot, deployment, asked))
        for deployment in _in_order(ask, snapshot)
    ]
    judged.sort(key=lambda candidate: candidate.verdict is not None)
    return tuple(judged)


def refusals(ask: Ask, snapshot: Snapshot) -> tuple[Candidate, ...]:
    """Every refused candidate: what an error needs to say, computed only then."""
    asked = gates.relevant(ask.policy.gates)
    return tuple(
        Candidate(deployment, verdict)
        for deployment in _in_order(ask, snapshot)
        if (verdict := judge(ask, snapshot, deployment, asked)) is not None
    )


def _in_order(ask: Ask, snapshot: Snapshot) -> Iterator[Deployment]:
    """Candidates, best first. A short list of named ones is sorted here; all come prepared."""
    policy = ask.policy
    known = snapshot.deployments
    if ask.resolution.kind == "named":
        named = (known[i] for i in ask.resolution.deployments if i in known)
        return iter(sorted(named, key=lambda d: _rank(ask, snapshot, d)))
    ordered: Iterable[Deployment] = (
        known[i] for i in snapshot.ranked(policy.weights, policy.prefer_local)
    )
    if policy.strategy in ("priority", "local-first"):
        return iter(sorted(ordered, key=lambda d: _rank(ask, snapshot, d)))
    return iter(ordered)


def _rank(ask: Ask, snapshot: Snapshot, deployment: Deployment) -> tuple[int, float, int, str]:
    policy = ask.policy
    score = scoring.score(
        deployment, snapshot.health(deployment.id), policy.weights, policy.prefer_local
    )
    first = 0
    if policy.strategy == "priority":
        first = deployment.account.priority
    elif policy.strategy == "local-first":
        first = 0 if deployment.local else 1
    return (first, -score, deployment.account.priority, deployment.id)


def scored(candidate: Candidate, ask: Ask, snapshot: Snapshot) -> Candidate:
    """The same candidate with its score terms and the hold it would need."""
    deployment, policy = candidate.deployment, ask.policy
    parts = scoring.terms(
        deployment, snapshot.health(deployment.id), policy.weights, policy.prefer_local
    )
    return Candidate(
        deployment,
        candidate.verdict,
        parts,
        sum(part.value * part.weight for part in parts),
        hold_for(ask.profile, deployment),
    )


def _substitute(resolution: Resolution, deployment: Deployment) -> Verdict | None:
    """A stand-in for a model that nobody serves is at least as good as what was asked for."""
    floor = resolution.min_intelligence
    if resolution.kind != "similar" or floor is None:
        return None
    value = deployment.model.intelligence
    if value is None or value < floor:
        said = "unknown" if value is None else f"{value:g}"
        return Verdict(
            "similar",
            "no_model_passes_gates",
            f"intelligence {said} < {floor:g} of {resolution.requested}",
        )
    missing = sorted(resolution.capabilities - deployment.model.capabilities)
    if missing:
        reason = f"cannot do {', '.join(missing)} as {resolution.requested} can"
        return Verdict("similar", "no_model_passes_gates", reason)
    return None


def _money(ask: Ask, snapshot: Snapshot, deployment: Deployment) -> Verdict | None:
    if not deployment.billable:
        return None
    cost = hold_for(ask.profile, deployment)
    policy = ask.policy
    if policy.max_cost is not None and cost is None:
        return Verdict("price", "price_unknown", "its price is unknown and the request has a limit")
    if policy.max_cost is not None and cost is not None and cost > policy.max_cost:
        return Verdict(
            "maxCost",
            "budget_exceeded",
            f"may cost ${cost / 1e12:.6f}, the request's limit is ${policy.max_cost / 1e12:.6f}",
        )
    return snapshot.budget(deployment, cost, ask.profile.project, policy, ask.now)
