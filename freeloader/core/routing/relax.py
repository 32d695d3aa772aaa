"""Nobody may serve: what would have to give? Per gate, and the smallest change that lets one in.

Asked only once a request was refused, so every gate is put to every candidate here,
where deciding stops at the first that refuses. It changes no policy and words no
error; a change of gates is proposed only where nothing else stands in the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from freeloader.core import routing
from freeloader.core.model import Gates, Policy, Verdict
from freeloader.core.routing import gates
from freeloader.core.snapshot import Snapshot

#: The gates that a request, a key or the settings can state, by the contract's name.
STATED: Mapping[str, str] = {
    "minIntelligence": "min_intelligence",
    "maxIntelligence": "max_intelligence",
    "minSpeed": "min_speed",
    "maxSpeed": "max_speed",
    "maxLatency": "max_latency",
    "minSuccessRate": "min_success_rate",
    "minContext": "min_context",
    "requiredCapabilities": "required_capabilities",
    "allowedProviders": "allowed_providers",
    "blockedProviders": "blocked_providers",
    "blockLocal": "block_local",
    "localOnly": "local_only",
    "noTraining": "no_training",
    "freeOnly": "free_only",
    "paidOnly": "paid_only",
}
#: Decimals that a proposed number keeps; it is rounded to the side that lets through.
_DECIMALS = {"minSuccessRate": 3, "maxLatency": 0}
_ROUND: Mapping[str, Callable[[float], int]] = {"min": math.floor, "max": math.ceil}
#: What it costs to give a gate up altogether, next to shares of a number.
_DROPPED = 1.0


@dataclass(frozen=True, slots=True)
class Way:
    """One candidate's way in: the gates to change, by name; ``None`` means to leave one out."""

    deployment: str
    changes: Mapping[str, Any]
    #: Which of them stand even if the request states none, and the level that set each.
    set_by: Mapping[str, str]
    effort: float

    @property
    def order(self) -> tuple[int, int, float]:
        return (len(self.set_by), len(self.changes), self.effort)


@dataclass(frozen=True, slots=True)
class Report:
    """``rows``: per gate (most telling first) how many it refuses, and its part of a way in.

    ``best`` is the smallest change of gates that lets a candidate through, None where
    no change of gates would.
    """

    rows: tuple[dict[str, Any], ...]
    best: Way | None


def report(ask: routing.Ask, snapshot: Snapshot, outer: Policy) -> Report:
    """What refuses the candidates of ``ask``, all gates counted, and how each could give.

    ``outer`` is the policy in force were the request to state no gate: what that
    refuses as well, a request cannot relax.
    """
    question = gates.Question.of(ask.profile, ask.policy)
    fixed = gates.Question.of(ask.profile, outer)
    firm = gates.relevant(fixed)
    asked = gates.relevant(question)
    # Whatever stays when no gate is stated: plan, context, body, quota, money, pauses.
    bare = replace(ask, policy=replace(ask.policy, gates=Gates()))
    beyond = routing.judge(bare, snapshot)
    counts: dict[str, int] = {}
    example: dict[str, str] = {}
    ways: list[Way] = []
    for deployment in routing.in_order(ask, snapshot):
        health = snapshot.health(deployment.id)
        found = [v for gate in asked if (v := gate(deployment, health, question)) is not None]
        rest = beyond(deployment)
        if rest is not None and all(v.gate != rest.gate for v in found):
            found.append(rest)
        for verdict in found:
            counts[verdict.gate] = counts.get(verdict.gate, 0) + 1
            example.setdefault(verdict.gate, f"{deployment.id}: {verdict.reason}")
        if found and rest is None:
            stays = [v for gate in firm if (v := gate(deployment, health, fixed)) is not None]
            set_by = {verdict.gate: _origin(verdict.gate, outer) for verdict in stays}
            ways.append(_way(deployment.id, found, set_by, ask.policy))
    ways.sort(key=lambda way: way.order)
    rows = tuple(
        _row(gate, count, example[gate], ways, ask.policy)
        for gate, count in sorted(counts.items(), key=lambda pair: -pair[1])
    )
    return Report(rows, ways[0] if ways else None)


def of_verdicts(refused: Iterable[tuple[str, Verdict]]) -> Report:
    """The counts alone, from (deployment, its first refusal): where there is no question left."""
    counts: dict[str, int] = {}
    example: dict[str, str] = {}
    for name, verdict in refused:
        counts[verdict.gate] = counts.get(verdict.gate, 0) + 1
        example.setdefault(verdict.gate, f"{name}: {verdict.reason}")
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    return Report(tuple(_counted(gate, n, example[gate]) for gate, n in ordered), None)


def _way(name: str, found: Sequence[Verdict], set_by: Mapping[str, str], policy: Policy) -> Way:
    changes: dict[str, Any] = {}
    effort = 0.0
    for verdict in found:
        value = _rounded(verdict.gate, verdict.relax)
        changes[verdict.gate] = value
        effort += _effort(getattr(policy.gates, STATED[verdict.gate]), value)
    return Way(name, changes, set_by, effort)


def _row(
    gate: str, count: int, example: str, ways: Sequence[Way], policy: Policy
) -> dict[str, Any]:
    """``relaxTo`` (null: leave the gate out), ``with`` where that alone is not enough, and
    ``setBy`` whose the parts of that are which no request can loosen."""
    row = _counted(gate, count, example)
    if gate in STATED:
        row["from"] = _origin(gate, policy)
    way = min((way for way in ways if gate in way.changes), key=lambda w: w.order, default=None)
    if way is not None:
        row["relaxTo"] = way.changes[gate]
        others = {name: value for name, value in way.changes.items() if name != gate}
        if others:
            row["with"] = others
        if way.set_by:
            row["setBy"] = dict(way.set_by)
    return row


def _counted(gate: str, count: int, example: str) -> dict[str, Any]:
    return {"gate": gate, "refused": count, "example": example}


def _origin(gate: str, policy: Policy) -> str:
    return policy.origins.get(STATED[gate], "request")


def _rounded(gate: str, value: Any) -> Any:
    """A number that can be written down, and still lets the candidate through."""
    if isinstance(value, bool) or not isinstance(value, float):
        return value
    scale = 10 ** _DECIMALS.get(gate, 2)
    return _ROUND[gate[:3]](value * scale) / scale


def _effort(stated: Any, value: Any) -> float:
    """How far a gate has to give: the share of a number, one for a flag or a name in a list."""
    if isinstance(value, list):
        return float(len(set(value) ^ set(stated)))
    if value is None or isinstance(value, bool):
        return _DROPPED
    return float(abs(value - stated) / max(abs(stated), 1.0))
