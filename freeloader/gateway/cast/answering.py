"""From members' answers to the client's: vote, judge, body, and how it is all told.

Reads members, changes none (the judge it is given is sent). Which answer wins a vote or
a judgement is ``core.cast``'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from freeloader.core.cast import judging, saying, telling, voting
from freeloader.core.cast.judging import Score
from freeloader.core.events import Event
from freeloader.core.model import EMPTY
from freeloader.gateway.cast.assembly import Assembly
from freeloader.gateway.cast.member import Member
from freeloader.gateway.plan import Plan
from freeloader.gateway.running.telling import counts_in_a_quota
from freeloader.gateway.settling import Settled
from freeloader.money import known_usd


@dataclass(frozen=True, slots=True)
class Judgement:
    """``scores`` by attempt number; where nothing was scored, ``problem`` says why."""

    winner: Member | None = None
    scores: Mapping[int, Score] = field(default_factory=dict)
    problem: str = ""


UNJUDGED = Judgement()


def vote(members: Sequence[Member], good: Sequence[Member]) -> voting.Vote:
    """How the answers stand. More than half of those asked at first have to agree."""
    ballots = {members.index(m): voting.ballot(m.body or {}) for m in good}
    return voting.count(ballots, voting.needed(_asked(members)))


def _asked(members: Sequence[Member]) -> int:
    """Members that were not asked in another's place."""
    return sum(not member.successor for member in members)


async def judged(
    assembly: Assembly, ranked: Sequence[Member], plan: Plan, seconds: float | None
) -> Judgement:
    """Has the answers scored; where nobody can, says why."""
    if len(ranked) < 2:
        return Judgement(problem="only one answer came: nothing to compare")
    if not assembly.judges:
        return Judgement(problem="no judge could be held for")
    judge = assembly.judges[0]
    texts = ["\n".join(_texts(member)) for member in ranked]
    asked = judge.watch.attempt
    conversation = plan.profile.payload.get("messages")
    payload = judging.payload(conversation, texts, assembly.party.judge_reads)
    judge.watch.attempt = replace(asked, profile=replace(asked.profile, payload=payload))
    judge.start(_keep)
    assert judge.task is not None
    await asyncio.wait({judge.task}, timeout=seconds)
    judge.cancel()
    await judge.ended()
    problem = judge.fault()
    if problem is not None:
        return Judgement(problem=f"{judge.name} did not judge: {problem}")
    scores = judging.read("\n".join(_texts(judge)), len(ranked))
    if not scores:
        return Judgement(problem=f"{judge.name} did not judge: its reply holds no scores")
    by_number = {member.number: score for member, score in zip(ranked, scores, strict=True)}
    return Judgement(ranked[judging.winner(scores)], by_number)


def strongest(ranked: Sequence[Member]) -> Member:
    """Whose model is the most intelligent; of equals the first selected."""

    def value(member: Member) -> float:
        return member.candidate.deployment.model.intelligence or 0.0

    return max(ranked, key=lambda member: (value(member), -ranked.index(member)))


def body(aggregation: str, ranked: Sequence[Member], winner: Member | None) -> dict[str, Any]:
    """The chat body for the client: the winner's, or everybody's choices one after the other."""
    first = winner or ranked[0]
    if aggregation != "all":
        return dict(first.body or {})
    choices = [row for member in ranked for row in _choices(member)]
    for at, row in enumerate(choices):
        row["index"] = at
    return {**(first.body or {}), "choices": choices}


def premium(aggregation: str, good: Sequence[Member], winner: Member | None) -> int | None:
    """What the premium model would have cost for what the client got."""
    given = good if aggregation == "all" else [winner] if winner is not None else []
    costs = [m.settled.premium for m in given if m.settled is not None]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def shown(member: Member) -> dict[str, Any]:
    """The attempt as errors list it."""
    if member.settled is not None:
        return member.settled.shown
    return {"attempt": member.number, "deployment": member.candidate.deployment.id}


def part(member: Member, *, won: bool, good: bool, score: Score | None) -> telling.Part:
    """One member's part in the answer."""
    settled, reason = member.settled, ""
    if won:
        state = "won"
    elif good:
        state = "answered"
    elif member.cancelled:
        state = "cancelled"
    elif member.pending or member.task is None:
        state = "asked"
    else:
        state, reason = "failed", member.fault() or ""
    latency = member.watch.latency_ms() if member.watch.sending else None
    guessed = settled is not None and settled.basis not in ("reported", "released")
    counted = settled is not None and counts_in_a_quota(member.candidate.deployment)
    return telling.Part(
        member.candidate,
        state,
        _cost(settled),
        latency,
        reason,
        score,
        estimated=guessed,
        quota=settled.used if settled is not None and counted else None,
    )


def _cost(settled: Settled | None) -> float | None:
    """In dollars; None where nobody knows the price."""
    return 0.0 if settled is None else known_usd(settled.cost, settled.unpriced)


def vote_told(
    found: voting.Vote | None, members: Sequence[Member], good: Sequence[Member]
) -> dict[str, Any] | None:
    if found is None:
        return None
    ranks = {members.index(member): member for member in good}
    ballots = {at: voting.ballot(member.body or {}) for at, member in ranks.items()}
    texts = {at: "\n".join(_texts(member)) for at, member in ranks.items()}
    names = {at: member.name for at, member in ranks.items()}
    return telling.vote_told(found, _asked(members), names, ballots, texts)


def judge_told(assembly: Assembly, judgement: Judgement) -> dict[str, Any] | None:
    """The judge, or why there was none; None where none was wanted."""
    problem = judgement.problem or None
    if not assembly.judges:
        return None if problem is None else {"model": None, "problem": problem}
    judge = assembly.judges[0]
    settled = judge.settled
    return {
        "model": judge.name,
        "deployment": judge.candidate.deployment.id,
        "costUsd": _cost(settled),
        "latencyMs": round(judge.watch.latency_ms()) if judge.watch.sending else None,
        "problem": problem,
    }


async def _keep(judge: Member, event: Event) -> None:
    judge.keep(event)


def _texts(member: Member) -> list[str]:
    return [saying.text_of(message) for message in saying.messages_of(member.body or {})]


def _choices(member: Member) -> list[dict[str, Any]]:
    """A member's choices with whose they are, what they cost (all of them together) and took."""
    settled, usage = member.settled, member.watch.usage
    deployment = member.candidate.deployment
    told = {
        "model": member.name,
        "provider": deployment.provider.id,
        "costUsd": _cost(settled),
        "latencyMs": round(member.watch.latency_ms()),
        "usage": dict(usage.raw if usage is not None else EMPTY),
    }
    choices = (member.body or {}).get("choices")
    return [{**one, **told} for one in choices or () if isinstance(one, dict)]
