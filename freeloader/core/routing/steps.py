"""Who is refused because of who was refused before: steps that a strategy or a plan forbids.

Each is fed with the candidates of one walk, in order, with their verdicts. What a
candidate itself lacks is not asked here: that is the gates' and the books' work.
"""

from __future__ import annotations

from collections.abc import Callable

from freeloader.core.model import Deployment, Policy, Profile, Verdict
from freeloader.core.ranking import scoring
from freeloader.core.snapshot import Health

#: A candidate and its verdict so far → its verdict.
Step = Callable[[Deployment, Verdict | None], Verdict | None]


class StepDown:
    """quality-first never steps down because a budget is gone: it refuses what is less.

    Fed with candidates in the order of intelligence. Once one was refused by a day's or a
    month's budget, all of lower intelligence are refused with the same code. The same
    intelligence elsewhere is no step down.
    """

    def __init__(self, task: str, health: Callable[[str], Health]) -> None:
        self._task, self._health = task, health
        self._first: tuple[float, Deployment, Verdict] | None = None

    def __call__(self, deployment: Deployment, verdict: Verdict | None) -> Verdict | None:
        if self._first is None:
            if verdict is not None and _spent(verdict):
                self._first = (self._value(deployment), deployment, verdict)
            return verdict
        if verdict is not None or self._value(deployment) >= self._first[0]:
            return verdict
        best, better, refused = self._first
        return refused._replace(
            reason=f"quality-first does not step down from {better.public_model} "
            f"(intelligence {best:g}): {refused.reason}"
        )

    def _value(self, deployment: Deployment) -> float:
        return scoring.intelligence(deployment, self._task, self._health(deployment.id)) or 0.0


class NoWeaker:
    """After an answer of poor quality nobody is asked who is weaker than who gave it."""

    def __init__(self, above: float, task: str, health: Callable[[str], Health]) -> None:
        self._above, self._task, self._health = above, task, health

    def __call__(self, deployment: Deployment, verdict: Verdict | None) -> Verdict | None:
        if verdict is not None:
            return verdict
        value = scoring.intelligence(deployment, self._task, self._health(deployment.id))
        if value is not None and value >= self._above:
            return None
        said = "unknown" if value is None else f"{value:g}"
        reason = f"intelligence {said} < {self._above:g} of the model whose answer was poor"
        return Verdict("upgrade", "no_model_passes_gates", reason)


class AfterQuota:
    """``onQuotaExceeded`` ``error`` or ``local``, where a quota is known to be gone.

    Fed in order: once a better one was refused by its quota, whoever comes after is a
    fallback, and only what the plan allows may be one: the same family elsewhere, and
    under ``local`` what is local. Other plans are no business of this.
    """

    def __init__(self, step: str) -> None:
        self._step = step
        self._first: tuple[Deployment, Verdict] | None = None

    def __call__(self, deployment: Deployment, verdict: Verdict | None) -> Verdict | None:
        if verdict is not None:
            gone = verdict.code == "quota_exhausted" and verdict.gate in ("quota", "breaker")
            if gone and self._first is None:
                self._first = (deployment, verdict)
            return verdict
        if self._first is None or (self._step == "local" and deployment.local):
            return None
        better, refused = self._first
        if deployment.model.family == better.model.family:
            return None
        reason = f"onQuotaExceeded is '{self._step}', and {better.id}: {refused.reason}"
        return refused._replace(gate="fallback", reason=reason)


def forbidden(
    policy: Policy, profile: Profile, health: Callable[[str], Health]
) -> tuple[Step, ...]:
    """What refuses candidates because of who was refused before them."""
    out: list[Step] = []
    if policy.strategy == "quality-first" and policy.order is None:
        out.append(StepDown(profile.task, health))
    if policy.above is not None:
        out.append(NoWeaker(policy.above, profile.task, health))
    plan = policy.fallback
    own = plan.mode if policy.origins.get("fallback") != "preset" else None
    step = {"fail": "error", "error": "error", "local": "local"}.get(own or "")
    step = step or plan.on_quota_exceeded
    if step in ("error", "local"):
        out.append(AfterQuota(step))
    return tuple(out)


def _spent(verdict: Verdict) -> bool:
    """A day's or a month's budget has no room. A limit on single requests only says which
    models are within it, and the best of those is what was asked for."""
    if verdict.gate != "budget" or verdict.code not in ("budget_exceeded", "budget_busy"):
        return False
    return verdict.facts.get("budget") != "per-request"
