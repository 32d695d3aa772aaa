"""Which deployment answers? ``decide`` walks lazily, ``explain`` looks at all: same winner.

Candidates come in the order of their strategy (``core.ranking.strategies``, kept by the books);
of those that no gate, pause, quota or budget refuses the strategy's rule takes one.
Terms are absolute, so a refused candidate never changes who wins among the rest.
Nothing is reserved here: the pipeline does that, and decides again when it is refused.
"""

from __future__ import annotations

from dataclasses import replace

from freeloader.core.model import Term
from freeloader.core.ranking import picking, scoring, strategies
from freeloader.core.ranking.picking import Passing, Pick
from freeloader.core.routing import bounds
from freeloader.core.routing.asking import ALTERNATIVES, Ask, Candidate, Decision, candidate_of
from freeloader.core.routing.judging import judged, judging
from freeloader.core.snapshot import Snapshot

#: After the winner is found, how far the lazy walk looks for runners-up.
_LOOK_AHEAD = 12
#: Refusals that a decision keeps word for word; the rest are counted by gate.
_KEPT_REFUSALS = 8


def _staying(ask: Ask, snapshot: Snapshot, winner: Candidate) -> Candidate:
    """The conversation's own deployment, where it passes and the strategy does not object; else
    the ``winner``, which then knows whom the conversation left and why."""
    stay = snapshot.deployments.get(ask.stay or "")
    only = ask.resolution.deployments
    if stay is None or (only and stay.id not in only):
        return winner
    own = judging(ask, snapshot, ())(stay)
    passing = passing_of(own, snapshot)
    own = own._replace(covered=passing.covered)
    if stay is winner.deployment and own.verdict is None:
        return own._replace(stays=True)
    why = own.verdict.reason if own.verdict is not None else None
    if why is None:
        why = picking.gives_way(
            passing, winner.deployment, ask.policy, ask.profile, snapshot.health
        )
    if why is None:
        return own._replace(stays=True)
    return winner._replace(left=f"{stay.public_model}, which answered so far, {_reads_on(why)}")


def _reads_on(why: str) -> str:
    """What begins with a verb reads on; the rest is put behind a colon's place."""
    verbs = ("is ", "has ", "was ", "would ", "comes ", "cannot ", "may ", "leaves ", "costs ")
    return why if why.startswith(verbs) else f"was refused ({why})"


def passing_of(candidate: Candidate, snapshot: Snapshot) -> Passing:
    """The candidate as it is picked from; of who can be billed it is asked what is free there."""
    deployment = candidate.deployment
    covered = deployment.billable and snapshot.health(deployment.id).covered
    return Passing(deployment, candidate.soft, covered)


def decide(ask: Ask, snapshot: Snapshot) -> Decision:
    """The best candidate that may serve, found without looking at more than needed."""
    found = _decided(ask, snapshot, reserve=True)
    counts, winner = found.counts, found.winner
    spends = winner is not None and not winner.free
    if not (spends and counts and "pacing" in counts) or ask.policy.pacing == "strict":
        return found
    return _decided(ask, snapshot, reserve=False)  # what is kept is no reason to spend money


def _decided(ask: Ask, snapshot: Snapshot, *, reserve: bool) -> Decision:
    pick = Pick(ask.policy, ask.profile)
    passing: list[Candidate] = []
    refused: list[Candidate] = []
    counts: dict[str, int] = {}
    outputs: dict[str, int | None] = {}
    looked = 0
    for candidate in judged(ask, snapshot, pick, reserve=reserve):
        verdict = candidate.verdict
        if verdict is None:
            pick.offer(passing_of(candidate, snapshot))
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
    winner = Candidate(
        found.deployment, None, soft=found.soft, output=output, covered=found.covered
    )
    if ask.stay is not None:
        winner = _staying(ask, snapshot, winner)
    others = [c for c in passing if c.deployment is not winner.deployment]
    return Decision(winner, tuple(others[:ALTERNATIVES]), tuple(refused), counts)


def explain(ask: Ask, snapshot: Snapshot) -> tuple[Candidate, ...]:
    """Every candidate judged: the winner, others that may serve, the refused, each in order.

    Who would be put back is asked until the winner is certain, as in deciding.
    """
    found = _explained(ask, snapshot, reserve=True)
    first = found[0] if found else None
    if first is None or first.verdict is not None or first.free:
        return found
    kept = any(c.verdict is not None and c.verdict.gate == "pacing" for c in found)
    return _explained(ask, snapshot, reserve=False) if kept else found


def _explained(ask: Ask, snapshot: Snapshot, *, reserve: bool) -> tuple[Candidate, ...]:
    serving: list[Candidate] = []
    refused: list[Candidate] = []
    pick = Pick(ask.policy, ask.profile)
    for candidate in judged(ask, snapshot, pick, reserve=reserve):
        if candidate.verdict is None:
            serving.append(candidate)
            if not pick.certain:
                pick.offer(passing_of(candidate, snapshot))
        else:
            refused.append(candidate)
    taken = pick.winner()
    if taken is None:
        return tuple(refused)
    first = next(c for c in serving if c.deployment is taken.deployment)
    first = first._replace(covered=taken.covered)
    if ask.stay is not None:
        first = _staying(ask, snapshot, first)
    return (first, *(c for c in serving if c.deployment is not first.deployment), *refused)


def refusals(ask: Ask, snapshot: Snapshot) -> tuple[Candidate, ...]:
    """Every refused candidate: what an error needs to say, computed only then."""
    every = judged(ask, snapshot, reserve=True)
    return tuple(c for c in every if c.verdict is not None)


def scored(candidate: Candidate, ask: Ask, snapshot: Snapshot, *, terms: bool = True) -> Candidate:
    """The same candidate with its score and the hold it would need; with the ``terms`` of the
    score, if they are wanted."""
    deployment, policy, profile = candidate.deployment, ask.policy, ask.profile
    if candidate.output is not None:
        profile = bounds.bounded(profile, candidate.output)
    health = snapshot.health(deployment.id)
    if candidate.covered and not health.covered:  # by the very hold that was made for it
        health = replace(health, covered=True)
    parts: tuple[Term, ...] = ()
    about = (policy.weights, policy.prefer_local, profile.task, scoring.need_bucket(profile.need))
    if terms:
        parts = scoring.terms(deployment, health, *about)
        score = sum([part.value * part.weight for part in parts])
    else:
        score = scoring.score(deployment, health, *about)
    hold = bounds.hold_for(profile, deployment)
    told = None if candidate.soft is None else candidate.soft.told()
    standing = strategies.standing(deployment, health, policy, profile)
    return candidate_of(
        (
            *(deployment, candidate.verdict, parts, score, hold, told),
            *(candidate.output, candidate.stays, standing, candidate.left, health.covered),
        )
    )
