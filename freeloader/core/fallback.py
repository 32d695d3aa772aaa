"""(policy, attempts so far) → what changes before deciding again. Pure.

A failed attempt never picks its own successor: it only narrows or bends the
next question (other deployments tried, a whole account or provider avoided, a
preference changed), and then the decider decides afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from freeloader.core.model import Deployment, Gates, Level, Policy
from freeloader.core.outcome import Outcome
from freeloader.core.policy import tighten
from freeloader.core.ranking import scoring

#: Outcomes after which another candidate would fail in the same way.
_FINAL = frozenset({"client_fault"})
#: Outcomes that mean a quota is used up.
_QUOTA = frozenset({"slow_down", "spent", "credits_gone"})
#: Refusals by an account's own limits or rights: nothing broke, and the same deployment is
#: left alone afterwards, so no storm of retries can come of them.
_REFUSED = _QUOTA | frozenset({"key_bad", "not_on_plan", "incompatible_history"})
#: Longest pause before a retry, in seconds.
_DELAY_MAX = 30.0
#: Outcomes that pass: the pause that they cause says when.
_MOMENTARY = frozenset({"slow_down", "spent", "overloaded"})


@dataclass(frozen=True, slots=True)
class Failed:
    """One attempt that ended before its first delta."""

    deployment: Deployment
    outcome: Outcome
    timeout: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """Decide again with this policy, without these deployments.

    ``delay`` seconds are waited before the same ``provider`` is asked again (None: before
    anybody is): another one needs no mercy. ``counted``: it counts against the budget
    of retries.
    """

    policy: Policy
    tried: frozenset[str]
    delay: float = 0.0
    note: str = ""
    provider: str | None = None
    counted: bool = True

    def pause(self, provider: str, since: float) -> float:
        """Seconds that are left of the delay before ``provider`` is asked, ``since`` seconds after
        the failure: who waited in line has waited, and keeps nobody behind it waiting."""
        if self.provider not in (None, provider):
            return 0.0
        return max(0.0, self.delay - since)


@dataclass(frozen=True, slots=True)
class Stop:
    """No further attempt; ``reason`` says why. ``wanted``: the policy wants the error."""

    reason: str
    wanted: bool = False


def next_step(
    policy: Policy,
    failures: Sequence[Failed],
    siblings: Sequence[Deployment],
    roll: float = 0.5,
    quality: Callable[[Deployment], float | None] = scoring.intelligence,
) -> Retry | Stop:
    """What to do after the last of ``failures``.

    ``siblings`` are all deployments: an outcome of scope ``account`` or
    ``provider`` rules out those of them that it speaks of. ``roll`` in [0, 1) is the
    randomness of the delay (full jitter). A strategy's own ``error`` means "never below
    my gates"; said by a user it means "do not fall back". ``quality`` is a deployment's
    intelligence for the task, with the evidence there is.
    """
    last, plan = failures[-1], policy.fallback
    if last.outcome.kind in _FINAL:
        return Stop(f"the request itself was refused: {last.outcome.reason}")
    if plan.mode in ("fail", "error") and policy.origins.get("fallback") != "preset":
        return Stop(f"fallback is '{plan.mode}'", wanted=True)
    if len(failures) > plan.max_retries:
        return Stop(f"{plan.max_retries} retries are used up")
    name, step = _planned(policy, last)
    if step == "error":
        return Stop(f"{name} is 'error'", wanted=True)
    pause = _jittered(plan.retry_delay_ms / 1000, len(failures), roll)
    same = frozenset(f.deployment.id for f in failures[:-1])
    if _worth_again(failures):
        # Once a request, and no provider bears it: all that a dead child had may be asked again.
        return Retry(policy, same, pause, "the lane broke, not the provider", counted=False)
    if step == "retry" and _asked(failures, last.deployment) == 1:
        return Retry(policy, same, pause, f"{last.deployment.id} is asked once more")
    tried = frozenset(f.deployment.id for f in failures)
    for failed in failures:
        tried |= _ruled_out(failed, siblings)
    bent, note = _bend(policy, last, "local" if plan.mode == "local" else step, quality)
    near, counted = last.deployment.provider.id, last.outcome.kind not in _REFUSED
    return Retry(bent, tried, pause, note, near, counted)


def _planned(policy: Policy, last: Failed) -> tuple[str, str]:
    """Which branch of the tree a failure belongs to, and what that says; no branch: ''."""
    plan = policy.fallback
    if last.timeout:
        return "onLatencyTimeout", plan.on_latency_timeout
    if last.outcome.kind in _QUOTA:
        return "onQuotaExceeded", plan.on_quota_exceeded
    if last.outcome.kind == "quality_failure":
        return "onQualityFailure", plan.on_quality_failure
    return "", ""


def _jittered(base: float, count: int, roll: float) -> float:
    """Full jitter: anything from nothing to the base doubled per failure, within bounds."""
    return min(_DELAY_MAX, base * 2.0 ** (count - 1)) * roll


def _worth_again(failures: Sequence[Failed]) -> bool:
    """Once, where our own lane failed and the provider was never to blame."""
    last = failures[-1]
    mine = last.outcome.retry == "same" and last.outcome.blame == "lane"
    return mine and _asked(failures, last.deployment) == 1


def _asked(failures: Sequence[Failed], deployment: Deployment) -> int:
    return sum(1 for f in failures if f.deployment.id == deployment.id)


def _ruled_out(last: Failed, siblings: Sequence[Deployment]) -> frozenset[str]:
    account, provider = last.deployment.account, last.deployment.provider.id
    if last.outcome.scope == "account":
        same = (d for d in siblings if _same_account(d, account.provider, account.idx))
        return frozenset(d.id for d in same)
    if last.outcome.scope == "provider":
        where = last.deployment.base_url  # two servers of one kind are two providers
        same = (d for d in siblings if d.provider.id == provider and d.base_url == where)
        return frozenset(d.id for d in same)
    return frozenset()


def _same_account(deployment: Deployment, provider: str, idx: int) -> bool:
    account = deployment.account
    return account.provider == provider and idx in (account.idx, account.same_account_as)


def _bend(
    policy: Policy, last: Failed, step: str, quality: Callable[[Deployment], float | None]
) -> tuple[Policy, str]:
    """What the plan changes for this kind of failure. Every gate stays; some are added."""
    if step == "local":
        gates = tighten([Level("fallback", gates=Gates(local_only=True)), _as_level(policy)])
        return replace(policy, gates=gates), "falling back to local models"
    if step == "faster-model":
        return replace(policy, order="latency"), "a faster model is preferred after a time-out"
    if step == "next-cheapest":
        # Strategies that say whom to ask next (by quality, by turn, by priority) keep their word.
        if policy.strategy not in ("balanced", "cost-first"):
            return policy, f"after {last.outcome.kind} at {last.deployment.id}"
        return replace(policy, order="price"), "the next cheapest after a quota was used up"
    if step == "upgrade":
        return _stronger(policy, last.deployment, quality(last.deployment))
    return policy, f"after {last.outcome.kind} at {last.deployment.id}"


def _stronger(policy: Policy, failed: Deployment, value: float | None) -> tuple[Policy, str]:
    """Nobody weaker than the one that failed; a stronger one where there is one."""
    note = f"a stronger model is preferred to {failed.public_model}"
    if value is None:
        return policy, note
    return replace(policy, above=max(value, policy.above or 0.0)), note


def _as_level(policy: Policy) -> Level:
    return Level("policy", gates=policy.gates)


def momentary(failures: Sequence[Failed]) -> frozenset[str]:
    """Deployments whose last failure was only for its rate: once that is over they may serve."""
    last = {failed.deployment.id: failed.outcome for failed in failures}
    return frozenset(
        name
        for name, outcome in last.items()
        if outcome.kind in _MOMENTARY and outcome.until is not None
    )
