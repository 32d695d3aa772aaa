"""One function per gate → a Verdict with numbers, or None.

What is unknown fails a floor and says so; measured values come before priors,
and a prior is named as one. A verdict's ``relax`` is the value of its gate that would
let this candidate through; None: only leaving the gate out would. Gates know nothing of
quota, money or breakers: those verdicts are the books' (see ``core.snapshot``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from freeloader.core import history
from freeloader.core.lately import lately
from freeloader.core.model import Deployment, Gates, Policy, Profile, Verdict
from freeloader.core.ranking import scoring
from freeloader.core.snapshot import MIN_SAMPLES, Health

_CODE = "no_model_passes_gates"
#: Thousands of candidates share few values, and many requests the same gates: what is made
#: of them is not made for each.
_KEPT = 512


class Question(NamedTuple):
    """What is asked of every candidate alike: ``needs`` are capabilities, ``tokens`` the likely
    input and the wanted output together, ``latency`` the limit (ms) that priors count against."""

    gates: Gates
    needs: frozenset[str]
    tokens: int
    signers: frozenset[str] = frozenset()
    latency: float | None = None

    @classmethod
    def of(cls, profile: Profile, policy: Policy) -> Question:
        gates = policy.gates
        # Every lane can stream: what a registry forgot to say must not refuse anybody.
        needs = (profile.needs | gates.required_capabilities) - {"streaming"}
        wanted = profile.upper.output if profile.bounded else 1
        stated = None if policy.stated_latency is None else policy.stated_latency[0]
        return cls(gates, needs, profile.expected.input + wanted, profile.signers, stated)


Gate = Callable[[Deployment, Health, Question], Verdict | None]


def _refuse(gate: str, reason: str, relax: object = None) -> Verdict:
    return Verdict(gate, _CODE, reason, relax=relax)


def min_intelligence(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    floor, value = q.gates.min_intelligence, deployment.model.intelligence
    if floor is None or (value is not None and value >= floor):
        return None
    return _too_dull(value, floor)


@lru_cache(maxsize=_KEPT)
def _too_dull(value: float | None, floor: float) -> Verdict:
    if value is None:
        return _refuse("minIntelligence", f"intelligence unknown, minIntelligence {floor:g}")
    return _refuse("minIntelligence", f"intelligence {value:g} < minIntelligence {floor:g}", value)


def max_intelligence(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    cap, value = q.gates.max_intelligence, deployment.model.intelligence
    if cap is None or (value is not None and value <= cap):
        return None
    if value is None:
        return _refuse("maxIntelligence", f"intelligence unknown, maxIntelligence {cap:g}")
    return _refuse("maxIntelligence", f"intelligence {value:g} > maxIntelligence {cap:g}", value)


def min_speed(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    floor = q.gates.min_speed
    value, origin = speed_of(deployment, health)
    if floor is None or (value is not None and value >= floor):
        return None
    if value is None:
        return _refuse("minSpeed", f"speed unknown, minSpeed {floor:g}")
    return _refuse("minSpeed", f"{origin} speed {value:.1f} < minSpeed {floor:g}", value)


def max_speed(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    cap = q.gates.max_speed
    value, origin = speed_of(deployment, health)
    if cap is None or (value is not None and value <= cap):
        return None
    if value is None:
        return _refuse("maxSpeed", f"speed unknown, maxSpeed {cap:g}")
    return _refuse("maxSpeed", f"{origin} speed {value:.1f} > maxSpeed {cap:g}", value)


def max_latency(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    """The measured p95; where there is none, what the known speed makes likely, and only
    against what somebody stated: a preset's haste refuses nobody on a guess."""
    measured = health.latency_ms is not None and health.samples >= MIN_SAMPLES
    cap = q.gates.max_latency if measured else q.latency
    if cap is None:
        return None
    value, origin = scoring.latency(deployment, health)
    if value is not None and value <= cap:
        return None
    if value is None:
        said = f"p95 unknown (neither measured nor a speed to tell it by), maxLatency {cap:,.0f}"
        return _refuse("maxLatency", said)
    what = "p95" if origin == "measured" else "prior p95"
    return _refuse("maxLatency", f"{what} {value:,.0f} ms > maxLatency {cap:,.0f}", value)


def min_success_rate(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    """A deployment without enough samples has the prior 1.0: it has not failed yet."""
    floor = q.gates.min_success_rate
    if floor is None or health.success_rate is None or health.samples < MIN_SAMPLES:
        return None
    if health.success_rate >= floor:
        return None
    return _refuse(
        "minSuccessRate",
        f"success rate {health.success_rate:.3f} < minSuccessRate {floor:g}",
        health.success_rate,
    )


def min_context(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    floor, value = q.gates.min_context, deployment.model.context
    if floor is None or (value is not None and value >= floor):
        return None
    if value is None:
        return _refuse("minContext", f"context window unknown, minContext {floor:,}")
    return _refuse("minContext", f"context {value:,} < minContext {floor:,}", value)


def context_fits(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    """The likely input plus the wanted output must fit the model's window, where it is known."""
    window = deployment.model.context
    if window is None or q.tokens <= window:
        return None
    said = f"needs about {q.tokens:,} tokens, context window is {window:,}"
    return _refuse("context", said, window)


def incompatible_history(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    """An open turn that a maker signed is read by its own models alone (``core.history``)."""
    unread = sorted(s for s in q.signers if not history.reads(deployment, s))
    if not unread:
        return None
    said = f"cannot read the signatures of {' and '.join(unread)} in the turn that is still open"
    return _refuse("incompatible_history", said)


def capabilities(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    has = deployment.model.capabilities
    if q.needs <= has:
        return None
    missing = sorted(q.needs - has)
    kept = sorted(q.gates.required_capabilities & (has | {"streaming"}))
    return _refuse("requiredCapabilities", f"cannot do {', '.join(missing)}", kept)


def allowed_providers(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    allowed, provider = q.gates.allowed_providers, deployment.provider.id
    if allowed is None or provider in allowed:
        return None
    wider = sorted(allowed | {provider})
    return _refuse("allowedProviders", f"{provider} is not among allowedProviders", wider)


def blocked_providers(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    provider = deployment.provider.id
    if provider not in q.gates.blocked_providers:
        return None
    return _refuse("blockedProviders", f"{provider} is in blockedProviders", _without(q, provider))


def _without(q: Question, provider: str) -> list[str]:
    return sorted(q.gates.blocked_providers - {provider})


def block_local(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    if not (q.gates.block_local and deployment.local):
        return None
    return _refuse("blockLocal", "is a local model, blockLocal is set", False)


def local_only(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    if not q.gates.local_only or deployment.local:
        return None
    return _refuse("localOnly", "leaves this machine, localOnly is set", False)


def no_training(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    """Unknown counts as training: what is sent cannot be called back."""
    if not q.gates.no_training or deployment.local:
        return None
    trains = deployment.provider.trains_on_data
    if trains is False:
        return None
    said = "may train on what it is sent" if trains else "does not say whether it trains on data"
    return _refuse("noTraining", f"{deployment.provider.id} {said}", False)


def free_only(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    if not (q.gates.free_only and deployment.billable):
        return None
    return _refuse("freeOnly", "its account can be billed, freeOnly is set", False)


def paid_only(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    if not q.gates.paid_only or deployment.billable:
        return None
    return _refuse("paidOnly", "costs nothing, paidOnly is set", False)


def tier(deployment: Deployment, health: Health, q: Question) -> Verdict | None:
    """A free account cannot serve what its provider gives to paying customers only."""
    if deployment.billable or deployment.local or deployment.model.free:
        return None
    return Verdict(
        "tier", _CODE, f"{deployment.model.id} is not in the free tier of {deployment.provider.id}"
    )


def speed_of(deployment: Deployment, health: Health) -> tuple[float | None, str]:
    """Speed 1–10 and whether it is ``measured`` or a ``prior``."""
    if health.samples >= MIN_SAMPLES and health.speed is not None:
        return health.speed, "measured"
    return deployment.model.speed, "prior"


#: In the order in which they are tried, the cheap and the telling first; each beside the
#: field of ``Gates`` that sets it off (None: every request is asked).
GATES: tuple[tuple[Gate, str | None], ...] = (
    (tier, None),
    (local_only, "local_only"),
    (block_local, "block_local"),
    (blocked_providers, "blocked_providers"),
    (allowed_providers, "allowed_providers"),
    (capabilities, None),
    (min_intelligence, "min_intelligence"),
    (max_intelligence, "max_intelligence"),
    (min_context, "min_context"),
    (context_fits, None),
    (incompatible_history, None),
    (free_only, "free_only"),
    (paid_only, "paid_only"),
    (no_training, "no_training"),
    (min_speed, "min_speed"),
    (max_speed, "max_speed"),
    (max_latency, "max_latency"),
    (min_success_rate, "min_success_rate"),
)


def relevant(question: Question) -> tuple[Gate, ...]:
    """The gates that can refuse anybody this question: the others need not be asked."""
    return _relevant(question.gates, bool(question.needs), bool(question.signers))


@lately(_KEPT)
def _relevant(stated: Gates, needs: bool, signers: bool) -> tuple[Gate, ...]:
    idle = (None if needs else capabilities, None if signers else incompatible_history)
    return tuple(
        gate
        for gate, name in GATES
        if (name is None and gate not in idle)
        or (name is not None and getattr(stated, name) not in (None, False, frozenset()))
        # An empty allow-list refuses everybody; it is not the same as none.
        or (name == "allowed_providers" and stated.allowed_providers is not None)
    )
