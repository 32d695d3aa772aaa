"""Every candidate in its order, each with its first refusal: what deciding walks along.

A refusal comes from the gates, from what was tried or is paused, from quotas, and from
money (``paying``). Nobody is chosen here, and nothing is reserved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from freeloader.core.model import (
    Deployment,
    Resolution,
    Verdict,
)
from freeloader.core.ranking import strategies
from freeloader.core.ranking.picking import Pick
from freeloader.core.routing import bounds, gates, soft, steps
from freeloader.core.routing.asking import Ask, Candidate, candidate_of
from freeloader.core.routing.paying import lowered, money
from freeloader.core.snapshot import Snapshot

#: More candidates than this that a rule names are filtered out of the prepared order.
_SORTED_HERE = 256


def judge(ask: Ask, snapshot: Snapshot) -> Callable[[Deployment], Verdict | None]:
    """The question put to each candidate: its first refusal, or None: it may serve now.

    What does not depend on the candidate is worked out here, once per walk.
    """
    profile, now = ask.profile, ask.now
    tried, avoid = ask.tried, ask.avoid or {}
    health, paused, quota = snapshot.health, snapshot.paused, snapshot.quota
    beyond_ceiling, upper_meters = snapshot.beyond_ceiling, bounds.upper_meters
    bound = profile.upper if profile.bounded else None
    question = gates.Question.of(profile, ask.policy)
    asked = gates.relevant(question)
    stands_in = ask.resolution.kind == "similar"
    # Only a bound of the client's own can be asked for in vain: any other is our guess.
    asked_for = replace(profile.upper, input=profile.expected.input) if profile.bounded else None

    def refusal(deployment: Deployment) -> Verdict | None:
        name = deployment.id
        if stands_in and (verdict := _substitute(ask.resolution, deployment)) is not None:
            return verdict
        measured = health(name)
        for gate in asked:
            if (verdict := gate(deployment, measured, question)) is not None:
                return verdict
        if tried and name in tried:
            return Verdict("tried", "upstream_failed", "was tried for this request already")
        if avoid and name in avoid:
            return avoid[name]
        verdict = None if asked_for is None else beyond_ceiling(deployment, asked_for, now)
        if verdict is not None:
            return verdict
        upper = bound or upper_meters(profile, deployment)
        verdict = paused(deployment, now) or quota(deployment, upper, now)
        if verdict is None and deployment.billable:
            return money(ask, profile, snapshot, deployment)
        return verdict

    return refusal


def judged(
    ask: Ask, snapshot: Snapshot, pick: Pick | None = None, *, reserve: bool = False
) -> Iterator[Candidate]:
    """Every candidate in the strategy's order, with its verdict: what deciding walks along.

    Once the ``pick`` is certain nobody asks any more who is put back. ``reserve``: what is
    kept for those who need more refuses, where any model may serve.
    """
    limits = steps.forbidden(ask.policy, ask.profile, snapshot.health)
    return map(judging(ask, snapshot, limits, pick, reserve=reserve), in_order(ask, snapshot))


def judging(
    ask: Ask,
    snapshot: Snapshot,
    limits: Sequence[steps.Step],
    pick: Pick | None = None,
    *,
    reserve: bool = False,
) -> Callable[[Deployment], Candidate]:
    """What makes a candidate of a deployment: verdict, lowered bound, and who is put back."""
    refusal, avoid = judge(ask, snapshot), ask.avoid or {}
    put_back = soft.reasons(ask.profile, ask.policy, snapshot, ask.now)
    strict = ask.policy.pacing == "strict"
    # A model that was named serves, and what was begun is brought to its end elsewhere.
    refusing = strict or (reserve and ask.resolution.kind == "auto" and not ask.tried)

    def judged_one(deployment: Deployment) -> Candidate:
        verdict, output = refusal(deployment), None
        if verdict is not None and verdict.code == "budget_exceeded" and deployment.id not in avoid:
            verdict, output = lowered(ask, snapshot, deployment, verdict)
        for limit in limits:
            verdict = limit(deployment, verdict)
        spared = None
        if (
            verdict is None
            and put_back is not None
            and (strict or pick is None or not pick.certain)
        ):
            spared = put_back(deployment)
        if refusing and spared is not None and spared.refuses:
            verdict, spared = spared.told().verdict, None
        return candidate_of(
            (deployment, verdict, (), 0.0, None, spared, output, False, "", "", False)
        )

    return judged_one


def in_order(ask: Ask, snapshot: Snapshot) -> Iterator[Deployment]:
    """Candidates, best first. A short list of named ones is sorted here; all come prepared."""
    known = snapshot.deployments
    rank = strategies.rank_of(ask.policy, ask.profile)
    only = ask.resolution.deployments
    if 0 < len(only) <= _SORTED_HERE or ask.resolution.kind == "named":
        best = [known[i] for i in only if i in known]
        if len(best) > 1:  # mostly one model at one account is named
            key = strategies.key_of(rank)
            best.sort(key=lambda d: key(d, snapshot.health(d.id)))
        if rank.by != "provider":
            return iter(best)
        ids: Sequence[str] = [d.id for d in best]
    else:
        ids = snapshot.ranked(rank)
        if only:
            ids = [i for i in ids if i in only]
    if rank.by == "provider":
        return map(known.__getitem__, strategies.in_turn(ids, known, ask.after))
    return map(known.__getitem__, ids)


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
