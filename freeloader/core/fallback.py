"""(policy, attempts so far) → what changes before deciding again. Pure.

A failed attempt never picks its own successor: it only narrows or bends the
next question (other deployments tried, a whole account or provider avoided, a
preference changed), and then the decider decides afresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from freeloader.core.model import Deployment, Gates, Level, Policy, Verdict, Weights
from freeloader.core.outcome import Outcome
from freeloader.core.policy import tighten

#: Outcomes after which another candidate would fail in the same way.
_FINAL = frozenset({"client_fault"})
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
    """Decide again with this policy, without these deployments, after ``delay`` seconds."""

    policy: Policy
    tried: frozenset[str]
    delay: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """No further attempt; ``reason`` says why."""

    reason: str


def next_step(
    policy: Policy, failures: Sequence[Failed], siblings: Sequence[Deployment]
) -> Retry | Stop:
    """What to do after the last of ``failures``.

    ``siblings`` are all deployments: an outcome of scope ``account`` or
    ``provider`` rules out those of them that it speaks of. A strategy's own
    ``error`` means "never below my gates"; said by a user it means "do not fall back".
    """
    last = failures[-1]
    plan = policy.fallback
    if last.outcome.kind in _FINAL:
        return Stop(f"the request itself was refused: {last.outcome.reason}")
    if plan.mode in ("fail", "error") and policy.origins.get("fallback") != "preset":
        return Stop(f"fallback is '{plan.mode}'")
    if len(failures) > plan.max_retries:
        return Stop(f"{plan.max_retries} retries are used up")
    if _worth_again(failures):
        tried = frozenset(f.deployment.id for f in failures[:-1])
        return Retry(policy, tried, plan.retry_delay_ms / 1000, "the lane broke, not the provider")
    tried = frozenset(f.deployment.id for f in failures)
    for failed in failures:
        tried |= _ruled_out(failed, siblings)
    bent, note = _bend(policy, last)
    return Retry(bent, tried, 0.0, note)


def _worth_again(failures: Sequence[Failed]) -> bool:
    """Once, where our own lane failed and the provider was never to blame."""
    last = failures[-1]
    again = [f for f in failures if f.deployment.id == last.deployment.id]
    return last.outcome.retry == "same" and last.outcome.blame == "lane" and len(again) == 1


def _ruled_out(last: Failed, siblings: Sequence[Deployment]) -> frozenset[str]:
    account, provider = last.deployment.account, last.deployment.provider.id
    if last.outcome.scope == "account":
        same = (d for d in siblings if _same_account(d, account.provider, account.idx))
        return frozenset(d.id for d in same)
    if last.outcome.scope == "provider":
        return frozenset(d.id for d in siblings if d.provider.id == provider)
    return frozenset()


def _same_account(deployment: Deployment, provider: str, idx: int) -> bool:
    account = deployment.account
    return account.provider == provider and idx in (account.idx, account.same_account_as)


def _bend(policy: Policy, last: Failed) -> tuple[Policy, str]:
    """The preference that the plan changes for this kind of failure."""
    plan, kind = policy.fallback, last.outcome.kind
    if plan.mode == "local":
        gates = tighten([Level("fallback", gates=Gates(local_only=True)), _as_level(policy)])
        return replace(policy, gates=gates), "falling back to local models"
    if last.timeout and plan.on_latency_timeout == "faster-model":
        weights = Weights(0.2, 0.7, 0.1)
        return replace(policy, weights=weights), "a faster model is preferred after a time-out"
    return policy, f"after {kind} at {last.deployment.id}"


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


def tried_verdict(outcome: Outcome) -> Verdict:
    """How a deployment that failed in this request is shown among the refused."""
    return Verdict("tried", "upstream_failed", outcome.reason, until=outcome.until)
