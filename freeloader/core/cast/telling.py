"""A multi-cast told: ``routing.multiCast`` as JSON, one sentence, and the dry run's view.

Pure text and dicts. ``kept`` is what the journal may keep of it: no words of any answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freeloader.core import explain
from freeloader.core.cast.choosing import Party
from freeloader.core.cast.judging import Score
from freeloader.core.cast.voting import Ballot, Vote
from freeloader.core.model import Policy
from freeloader.core.routing import Candidate
from freeloader.money import Meters, usd_from_pico

_SAID_CHARS = 200


@dataclass(frozen=True, slots=True)
class Part:
    """One member's part. ``state``: ``asked | answered | won | cancelled | failed``; ``cost`` in
    dollars, None where nobody knows the price; ``score`` where a judge gave one. ``estimated``:
    the provider did not say what it used, as of one that was cancelled. ``quota``: what it used
    of one; None where it has none."""

    candidate: Candidate
    state: str
    cost: float | None = 0.0
    latency_ms: float | None = None
    reason: str = ""
    score: Score | None = None
    estimated: bool = False
    quota: Meters | None = None


def planned(party: Party, policy: Policy) -> dict[str, Any]:
    """What a dry run shows: who would be asked, who would judge, and the whole hold."""
    out = _head(party, policy, len(party.members))
    out["reason"] = plan_reason(party, policy)
    out["members"] = [explain.shown(member) for member in party.members]
    if policy.aggregation == "best":
        out["judge"] = None if party.judge is None else explain.shown(party.judge)
    return out


def plan_reason(party: Party, policy: Policy) -> str:
    """The dry run in one sentence."""
    names = ", ".join(one.deployment.public_model for one in party.members)
    judge = f", judged by {party.judge.deployment.public_model}" if party.judge else ""
    note = f"; {party.short}" if party.short else ""
    return f"multi-cast ({policy.selection}, {policy.aggregation}) to {names}{judge}{note}"


def told(
    party: Party,
    policy: Policy,
    parts: Sequence[Part],
    vote: Mapping[str, Any] | None,
    judge: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """``routing.multiCast`` of an answer."""
    out = _head(party, policy, len(parts))
    out["members"] = [_part(part) for part in parts]
    if vote is not None:
        out["vote"] = dict(vote)
    if judge is not None:
        out["judge"] = dict(judge)
    return out


def vote_told(
    vote: Vote, asked: int, names: Mapping[int, str], ballots: Mapping[int, Ballot],
    texts: Mapping[int, str],
) -> dict[str, Any]:  # fmt: skip
    """The vote: who agreed with whom. ``texts``: what each said, shown shortened."""
    return {
        "agreed": vote.agreed,
        "votes": vote.votes,
        "of": asked,
        "needed": vote.needed,
        "by": vote.by,
        "groups": [
            {
                "votes": len(group),
                "models": [names[at] for at in group],
                "by": ballots[group[0]].kind,
                "answer": texts[group[0]][:_SAID_CHARS],
            }
            for group in vote.groups
        ],
    }


def kept(multi_cast: Mapping[str, Any]) -> dict[str, Any]:
    """The same without any words of answers or of the judge: for the journal."""
    out = dict(multi_cast)
    out["members"] = [_without(part, "why") for part in multi_cast["members"]]
    if "vote" in out:
        groups = [_without(group, "answer") for group in out["vote"]["groups"]]
        out["vote"] = {**out["vote"], "groups": groups}
    return out


def reason(policy: Policy, parts: Sequence[Part], told: Mapping[str, Any]) -> str:
    """Why this answer, for a person."""
    won = next((part for part in parts if part.state == "won"), None)
    name = won.candidate.deployment.public_model if won is not None else "nobody"
    count, kind = len(parts), policy.aggregation
    head = f"multi-cast to {count} ({policy.selection})"
    if kind == "first":
        cancelled = sum(part.state == "cancelled" for part in parts)
        tail = f"{name} answered first" + (f", {cancelled} cancelled" if cancelled else "")
    elif kind == "consensus" and "vote" in told:
        vote = told["vote"]
        tail = f"{vote['votes']} of {vote['of']} agree by {vote['by']}"
        if not vote["agreed"]:
            tail = f"no {vote['needed']} of {vote['of']} agree; {name} has the most support"
    elif kind == "best" and won is not None and won.score is not None and won.score.value:
        tail = f"{name} scored {won.score.value:g} of 10, the highest"
    elif kind == "best":
        tail = f"{name}, not scored"
    else:
        answered = sum(part.state in ("won", "answered") for part in parts)
        tail = f"{answered} answered"
    note = told.get("note")
    return f"{head}: {tail}" + (f"; {note}" if note else "")


def _head(party: Party, policy: Policy, asked: int) -> dict[str, Any]:
    return {
        "targets": party.wanted,
        "asked": asked,
        "selection": policy.selection,
        "aggregation": policy.aggregation,
        "holdUsd": usd_from_pico(party.hold),
        "note": party.short or None,
    }


def _part(part: Part) -> dict[str, Any]:
    deployment = part.candidate.deployment
    out: dict[str, Any] = {
        "provider": deployment.provider.id,
        "model": deployment.public_model,
        "deployment": deployment.id,
        "state": part.state,
        "costUsd": part.cost,
        "estimated": part.estimated,
        "latencyMs": None if part.latency_ms is None else round(part.latency_ms),
    }
    if part.quota is not None:
        out["quotaUsed"] = part.quota.as_dict()
    if part.reason:
        out["reason"] = part.reason
    if part.score is not None:
        out["score"] = part.score.value
        if part.score.why:
            out["why"] = part.score.why
    return out


def _without(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}
