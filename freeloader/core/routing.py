"""Which deployment answers? ``decide`` walks lazily, ``explain`` looks at all: same winner.

Candidates come in the order of their strategy (``core.strategies``, kept by the books);
of those that no gate, pause, quota or budget refuses the strategy's rule takes one.
Terms are absolute, so a refused candidate never changes who wins among the rest.
Nothing is reserved here: the pipeline does that, and decides again when it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from freeloader.core import bounds, budget, gates, scoring, soft, steps, strategies
from freeloader.core.model import (
    Deployment,
    Policy,
    Profile,
    Resolution,
    Term,
    Verdict,
)
from freeloader.core.snapshot import Snapshot
from freeloader.core.strategies import Passing, Pick, Soft

#: How many runners-up a decision keeps (contract: ``alternatives[]``).
ALTERNATIVES = 3
#: After the winner is found, how far the lazy walk looks for runners-up.
_LOOK_AHEAD = 12
#: Refusals that a decision keeps word for word; the rest are counted by gate.
_KEPT_REFUSALS = 8
#: More candidates than this that a rule names are filtered out of the prepared order.
_SORTED_HERE = 256


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to the decider. ``now`` is wall seconds; ``tried`` are deployment ids.

    ``after``: the provider that had the last turn, where a strategy takes turns. ``stay``:
    the deployment that answered the conversation so far.
    """

    profile: Profile
    policy: Policy
    resolution: Resolution
    now: float
    tried: frozenset[str] = frozenset()
    avoid: Mapping[str, Verdict] | None = None
    #: Whose budget of its own is asked as well.
    key_id: str | None = None
    after: str | None = None
    stay: str | None = None
    #: Whose earlier attempts count against a limit per request (see ``Snapshot.budget``).
    request_id: str | None = None
    #: Why nothing that can be billed may serve, where that is so.
    no_paid: Verdict | None = None


class Candidate(NamedTuple):
    """One deployment as judged: ``verdict`` None means it may serve; ``soft``: only if nobody else.

    ``terms`` and their sum are filled by ``scored``, not while deciding. (A tuple:
    it is made ten thousand times per ``explain``, a third faster than a dataclass.)
    """

    deployment: Deployment
    verdict: Verdict | None
    terms: tuple[Term, ...] = ()
    score: float = 0.0
    hold: int | None = None
    soft: Soft | None = None
    #: The bound on one answer's tokens that lets its hold fit, where it had to be lowered.
    output: int | None = None
    #: It answered the conversation so far, and goes on.
    stays: bool = False
    #: Its place in the strategy's order, in words.
    standing: str = ""
    #: Whom the conversation left for it, and why.
    left: str = ""


#: Makes one of all its parts: ``explain`` makes ten thousand, in half of the time.
_candidate = partial(tuple.__new__, Candidate)


@dataclass(frozen=True, slots=True)
class Decision:
    """The winner (None: nobody may serve), runners-up, and who was refused why.

    ``refused`` holds the most telling refusals, ``counts`` all refusals by gate.
    """

    winner: Candidate | None
    alternatives: tuple[Candidate, ...] = ()
    refused: tuple[Candidate, ...] = ()
    counts: Mapping[str, int] | None = None


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


def judged(ask: Ask, snapshot: Snapshot, pick: Pick | None = None) -> Iterator[Candidate]:
    """Every candidate in the strategy's order, with its verdict: what deciding walks along.

    Once the ``pick`` is certain nobody asks any more who is put back.
    """
    limits = steps.forbidden(ask.policy, ask.profile, snapshot.health)
    return map(_judging(ask, snapshot, limits, pick), in_order(ask, snapshot))


def _judging(
    ask: Ask,
    snapshot: Snapshot,
    limits: Sequence[steps.Step],
    pick: Pick | None = None,
) -> Callable[[Deployment], Candidate]:
    """What makes a candidate of a deployment: verdict, lowered bound, and who is put back."""
    refusal, avoid = judge(ask, snapshot), ask.avoid or {}
    put_back = soft.reasons(ask.profile, ask.policy, snapshot, ask.now)
    firm = ask.policy.pacing == "strict"  # then a reason of pacing can refuse

    def judged_one(deployment: Deployment) -> Candidate:
        verdict, output = refusal(deployment), None
        if verdict is not None and verdict.code == "budget_exceeded" and deployment.id not in avoid:
            verdict, output = _lowered(ask, snapshot, deployment, verdict)
        for limit in limits:
            verdict = limit(deployment, verdict)
        spared = None
        if verdict is None and put_back is not None and (firm or pick is None or not pick.certain):
            spared = put_back(deployment)
        if firm and spared is not None and spared.firm:
            verdict, spared = spared.told().verdict, None
        return _candidate((deployment, verdict, (), 0.0, None, spared, output, False, "", ""))

    return judged_one


def _staying(ask: Ask, snapshot: Snapshot, winner: Candidate) -> Candidate:
    """The conversation's own deployment, where it passes and the strategy does not object; else
    the ``winner``, which then knows whom the conversation left and why."""
    stay = snapshot.deployments.get(ask.stay or "")
    only = ask.resolution.deployments
    if stay is None or (only and stay.id not in only):
        return winner
    own = _judging(ask, snapshot, ())(stay)
    if stay is winner.deployment and own.verdict is None:
        return own._replace(stays=True)
    why = own.verdict.reason if own.verdict is not None else None
    if why is None:
        passing = Passing(stay, own.soft)
        why = strategies.gives_way(
            passing, winner.deployment, ask.policy, ask.profile, snapshot.health
        )
    if why is None:
        return own._replace(stays=True)
    return winner._replace(left=f"{stay.public_model}, which answered so far, {_reads_on(why)}")


def _reads_on(why: str) -> str:
    """What begins with a verb reads on; the rest is put behind a colon's place."""
    verbs = ("is ", "has ", "was ", "would ", "comes ", "cannot ", "may ", "leaves ", "costs ")
    return why if why.startswith(verbs) else f"was refused ({why})"


def decide(ask: Ask, snapshot: Snapshot) -> Decision:
    """The best candidate that may serve, found without looking at more than needed."""
    pick = Pick(ask.policy, ask.profile)
    passing: list[Candidate] = []
    refused: list[Candidate] = []
    counts: dict[str, int] = {}
    outputs: dict[str, int | None] = {}
    looked = 0
    for candidate in judged(ask, snapshot, pick):
        verdict = candidate.verdict
        if verdict is None:
            pick.offer(Passing(candidate.deployment, candidate.soft))
            outputs[candidate.deployment.id] = candidate.output
            if len(passing) <= ALTERNATIVES:
                passing.append(candidate)
        else:
            counts[verdict.gate] = counts.get(verdict.gate, 0) + 1
            if len(refused) < _KEPT_REFUSALS:
                refused.append(candidate)
        if pick.certain:
            looked += 1
            if looked > _LOOK_AHEAD or len(passing) > ALTERNATIVES:
                break
    found = pick.winner()
    if found is None:
        return Decision(None, (), tuple(refused), counts)
    output = outputs[found.deployment.id]
    winner = Candidate(found.deployment, None, soft=found.soft, output=output)
    if ask.stay is not None:
        winner = _staying(ask, snapshot, winner)
    others = [c for c in passing if c.deployment is not winner.deployment]
    return Decision(winner, tuple(others[:ALTERNATIVES]), tuple(refused), counts)


def explain(ask: Ask, snapshot: Snapshot) -> tuple[Candidate, ...]:
    """Every candidate judged: the winner, others that may serve, the refused, each in order.

    Who would be put back is asked until the winner is certain, as in deciding.
    """
    serving: list[Candidate] = []
    refused: list[Candidate] = []
    pick = Pick(ask.policy, ask.profile)
    for candidate in judged(ask, snapshot, pick):
        if candidate.verdict is None:
            serving.append(candidate)
            if not pick.certain:
                pick.offer(Passing(candidate.deployment, candidate.soft))
        else:
            refused.append(candidate)
    taken = pick.winner()
    if taken is None:
        return tuple(refused)
    first = next(c for c in serving if c.deployment is taken.deployment)
    if ask.stay is not None:
        first = _staying(ask, snapshot, first)
    return (first, *(c for c in serving if c.deployment is not first.deployment), *refused)


def refusals(ask: Ask, snapshot: Snapshot) -> tuple[Candidate, ...]:
    """Every refused candidate: what an error needs to say, computed only then."""
    return tuple(c for c in judged(ask, snapshot) if c.verdict is not None)


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


def scored(candidate: Candidate, ask: Ask, snapshot: Snapshot) -> Candidate:
    """The same candidate with its score terms and the hold it would need."""
    deployment, policy, profile = candidate.deployment, ask.policy, ask.profile
    if candidate.output is not None:
        profile = bounds.bounded(profile, candidate.output)
    parts = scoring.terms(
        deployment,
        snapshot.health(deployment.id),
        policy.weights,
        policy.prefer_local,
        profile.task,
        scoring.need_bucket(profile.need),
    )
    health = snapshot.health(deployment.id)
    return candidate._replace(
        standing=strategies.standing(deployment, health, policy, profile),
        terms=parts,
        score=sum(part.value * part.weight for part in parts),
        hold=bounds.hold_for(profile, deployment),
        soft=None if candidate.soft is None else candidate.soft.told(),
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


def money(
    ask: Ask, profile: Profile, snapshot: Snapshot, deployment: Deployment, besides: int = 0
) -> Verdict | None:
    """Of a deployment that can be billed: the request's own limit, and all budgets.

    ``besides``: picodollars that other attempts of the same request hold at the same time.
    """
    if not deployment.billable:
        return None
    if ask.no_paid is not None:
        return ask.no_paid
    cost = bounds.hold_for(profile, deployment)
    policy = ask.policy
    if cost:
        cost += besides
    if policy.max_cost is not None and (refused := _capped(policy, cost)) is not None:
        return refused
    return snapshot.budget(
        deployment, cost, profile.project, policy, ask.now, ask.key_id, ask.request_id
    )


def _capped(policy: Policy, cost: int | None) -> Verdict | None:
    """The request's own limit, or its key's on each request; an unknown price may be above it."""
    if cost is None:
        return Verdict("price", "price_unknown", "its price is unknown and the request has a limit")
    whose = "key's per-request" if policy.origins.get("max_cost") == "key" else "request's own"
    capped = budget.admit_request(policy.max_cost, 0, cost, whose)
    return None if capped is None else capped._replace(gate="maxCost")


def _lowered(
    ask: Ask, snapshot: Snapshot, deployment: Deployment, verdict: Verdict
) -> tuple[Verdict | None, int | None]:
    """A hold that would never fit, with the largest bound on the answer that makes it fit.

    What only has to wait for other holds counts as fitting: then that is the verdict.
    Where not even ``bounds.LEAST_OUTPUT`` fits, that is the refusal: it says when it would.
    """
    if verdict.gate not in ("budget", "maxCost"):
        return verdict, None
    profile = ask.profile

    def with_bound(output: int) -> Verdict | None:
        return money(ask, bounds.bounded(profile, output), snapshot, deployment)

    fits, never = bounds.LEAST_OUTPUT, bounds.answer_bound(profile, deployment)
    if never <= fits:
        return verdict, None
    if _never(found := with_bound(fits)):
        return found, None
    while never - fits > 1:
        middle = (fits + never) // 2
        tried = with_bound(middle)
        if _never(tried):
            never = middle
        else:
            fits, found = middle, tried
    return found, fits


def _never(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.code != "budget_busy"
