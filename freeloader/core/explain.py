"""Decision → sentence, JSON and headers. Pure text; decides nothing.

The sentence is for a person: why this model, in words. The JSON is what
answers (``routing``), the journal and ``/v1/router/debug`` show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from freeloader.core.model import Deployment, Policy, Profile, Resolution, Term
from freeloader.core.ranking import scoring
from freeloader.core.ranking.picking import Soft
from freeloader.core.routing import Candidate
from freeloader.core.routing.kept import OTHERS
from freeloader.core.snapshot import MIN_SAMPLES, Health
from freeloader.money import usd_from_pico

#: How many candidates a debug answer lists; all are judged and counted.
MAX_CANDIDATES = 1_000


_FALLBACK = ("mode", "on_quota_exceeded", "on_latency_timeout", "on_quality_failure")


def reason(candidate: Candidate, policy: Policy, resolution: Resolution, attempts: int) -> str:
    """One sentence: why this deployment answers."""
    deployment = candidate.deployment
    what = deployment.public_model
    if resolution.kind == "named":
        head = f"{what}: you asked for {resolution.requested}"
    elif resolution.kind == "similar":
        head = f"{what} stands in for {resolution.requested}, which no account serves"
    else:
        head = f"{what}: {_standing(candidate, policy)}"
    money = "free" if not deployment.billable else _price_words(candidate)
    if candidate.covered:
        money = _covered_words(candidate)
    place = "local" if deployment.local else money
    parts = [head, place, _strongest(candidate.terms)]
    if candidate.stays:
        parts.append("it answered this conversation so far")
    if candidate.left:
        parts.append(candidate.left)
    if candidate.soft is not None:
        named = resolution.kind == "named" and len(resolution.deployments) == 1
        parts.append(_although(candidate.soft, named))
    if resolution.rule is not None:
        parts.append(f"by the rule '{resolution.rule}'")
    if attempts > 1:
        parts.append(f"after {attempts - 1} failed attempt{'s' if attempts > 2 else ''}")
    return "; ".join(filter(None, parts))


def routing(
    candidate: Candidate,
    policy: Policy,
    resolution: Resolution,
    profile: Profile,
    attempts: int,
    alternatives: Sequence[Mapping[str, Any]],
    said: str | None = None,
) -> dict[str, Any]:
    """The ``routing`` object of an answer; ``said`` is its ``reason`` where that is known."""
    out: dict[str, Any] = {
        "provider": candidate.deployment.provider.id,
        "model": candidate.deployment.public_model,
        "deployment": candidate.deployment.id,
        "requested": resolution.requested,
        "reason": said or reason(candidate, policy, resolution, attempts),
        "strategy": policy.strategy,
        "task": profile.task,
        "complexity": round(profile.complexity, 3),
        "need": profile.need,
        "attempts": attempts,
        "load": policy.load,
        "rule": resolution.rule,
        "alternatives": list(alternatives),
    }
    if profile.private is not None and profile.private.counts:
        out["privacy"] = profile.private.as_dict()
    return out


def savings(premium: str, would: int, cost: int) -> dict[str, Any]:
    """What was saved by not asking the ``premium`` model. Amounts in picodollars, shown in
    dollars; negative where the answer cost more than the premium model would have."""
    return {
        "premiumModel": premium,
        "wouldHaveCost": usd_from_pico(would),
        "saved": usd_from_pico(would - cost),
        "savedPercent": round(100 * (would - cost) / would, 2) if would else 0.0,
    }


def measured(deployment: Deployment, health: Health) -> dict[str, Any]:
    """What was measured of a deployment; ``basis`` says where the registry's prior stands in.

    ``p95Ms`` is what ``maxLatency`` looks at; None: neither measured nor told by a speed.
    """
    enough = health.samples >= MIN_SAMPLES
    latency, _ = scoring.latency(deployment, health)
    return {
        "basis": "measured" if enough else "prior",
        "samples": health.samples,
        "successRate": health.success_rate if enough else 1.0,
        "p95Ms": None if latency is None else round(latency, 1),
        "tokensPerSecond": health.tokens_per_second,
    }


def shown(candidate: Candidate) -> dict[str, Any]:
    """One candidate with its score terms, or the gate that refused it and why."""
    deployment, verdict = candidate.deployment, candidate.verdict
    out: dict[str, Any] = {
        "deployment": deployment.id,
        "provider": deployment.provider.id,
        "model": deployment.public_model,
        "score": round(candidate.score, 6),
        "terms": [
            {"name": t.name, "value": round(t.value, 6), "weight": round(t.weight, 6), "why": t.why}
            for t in candidate.terms
        ],
        "holdUsd": None if candidate.hold is None else usd_from_pico(candidate.hold),
        "passes": verdict is None,
    }
    if candidate.covered:
        out["allowance"] = True
    if candidate.standing:
        out["standing"] = candidate.standing
    if candidate.stays:
        out["stays"] = True
    if candidate.left:
        out["left"] = candidate.left
    if candidate.output is not None:
        out["maxTokens"] = candidate.output
    if verdict is not None:
        out["refusedBy"] = verdict.gate
        out["reason"] = verdict.reason
    elif candidate.soft is not None:
        out["putBackBy"] = candidate.soft.verdict.gate
        out["reason"] = candidate.soft.verdict.reason
    return out


def _standing(candidate: Candidate, policy: Policy | None) -> str:
    score = f"score {candidate.score:.3f}"
    if candidate.standing:
        return f"{candidate.standing}, {score}"
    return f"best {policy.strategy} {score}" if policy is not None else score


def alternative(candidate: Candidate) -> dict[str, Any]:
    """One line of ``alternatives[]``: the next best, or a telling refusal."""
    out: dict[str, Any] = {
        "provider": candidate.deployment.provider.id,
        "model": candidate.deployment.public_model,
        "score": round(candidate.score, 4),
    }
    if candidate.verdict is None:
        out["reason"] = f"next best: {_standing(candidate, None)}"
        if candidate.soft is not None:
            out["reason"] = candidate.soft.verdict.reason
    else:
        out["reason"] = f"{candidate.verdict.gate}: {candidate.verdict.reason}"
    return out


def policy_shown(policy: Policy) -> dict[str, Any]:
    """A policy as JSON, with the level that each part came from."""
    weights, gates = policy.weights, policy.gates
    stated = {
        _camel(name): sorted(value) if isinstance(value, frozenset) else value
        for name in type(gates).__slots__
        if (value := getattr(gates, name)) not in (None, False, frozenset())
    }
    out: dict[str, Any] = {
        "strategy": policy.strategy,
        "load": policy.load,
        "weights": {"cost": weights.cost, "speed": weights.speed, "quality": weights.quality},
        "preferLocal": policy.prefer_local,
        "maxWaitMs": policy.max_wait_ms,
        "pacing": policy.pacing,
        "maxRetries": policy.fallback.max_retries,
        "costTolerance": policy.cost_tolerance,
        "fallback": {_camel(name): getattr(policy.fallback, name) for name in _FALLBACK},
        "gates": stated,
        "maxCostUsd": None if policy.max_cost is None else usd_from_pico(policy.max_cost),
        "origins": {_camel(k): v for k, v in policy.origins.items()},
    }
    if policy.strategy == "multi-cast":
        cast = ("targets", "selection", "aggregation")
        out |= {name: getattr(policy, name) for name in cast}
    return out


def _although(soft: Soft, named: bool) -> str:
    """Why somebody serves who was put back. What begins with a verb reads on. ``named``: no
    other was asked for."""
    said = soft.verdict.reason
    for others in OTHERS:
        said = said.removesuffix(others)
    if soft.verdict.gate == "pacing" and named:
        return f"its free quota is being saved, and no other was asked for ({said})"
    if soft.verdict.gate == "pacing":
        return f"every free quota is being saved, and this one can spare it best ({said})"
    read_on = said if said.startswith(("is ", "has ", "was ")) else f"was put back ({said})"
    return f"nobody else could, although it {read_on}"


def _strongest(terms: Sequence[Term]) -> str:
    if not terms:
        return ""
    best = max(terms, key=lambda t: t.value * t.weight)
    return f"{best.name} counts most ({best.why})"


def _covered_words(candidate: Candidate) -> str:
    """What a free allowance covers is held like any other call that can be billed."""
    held = "" if candidate.hold is None else f", ${usd_from_pico(candidate.hold):.4g} held"
    return f"within its account's free allowance{held or ', money held'} all the same"


def _price_words(candidate: Candidate) -> str:
    price = candidate.deployment.model.price
    if price is None:
        return "price unknown"
    return f"${price.input / 1e6:g} in, ${price.output / 1e6:g} out per million tokens"


@lru_cache(maxsize=256)
def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
