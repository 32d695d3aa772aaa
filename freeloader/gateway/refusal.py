"""Nobody may serve, or everybody failed: which error does the client get?

Several reasons at once: the status of the candidate nearest to being served
(429, then 402, then 422); after failed attempts, what those failures were.
Pure text and choice; it sends nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from freeloader.core.fallback import Failed
from freeloader.core.model import Deployment, Verdict
from freeloader.core.routing import Candidate, relax
from freeloader.core.routing.relax import Report
from freeloader.errors import (
    BudgetBusy,
    BudgetExceeded,
    FreeloaderError,
    InvalidRequest,
    NoModelPassesGates,
    PriceUnknown,
    QuotaExhausted,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)

#: An account that only its owner can put right: no retry helps.
_OWNERS_KINDS = frozenset({"key_bad", "credits_gone", "not_on_plan"})
_QUOTA_KINDS = frozenset({"slow_down", "spent"})
#: Who set a gate that the request did not (several may have: ``settings+key``).
_OWNER = {
    "preset": "the strategy (choose another one)",
    "key": "the key",
    "project": "the project",
    "privacy": "the owner's rules for private data (xswarm config get privacy)",
    "budget": "what a spent budget leaves (xswarm budget show)",
    "rule": "a rule of the owner (xswarm config get routing.rules)",
    "settings": "the settings (xswarm config set routing.quality_gates.NAME VALUE)",
}
#: What to change where no change of gates helps.
_REMEDY = {
    "tier": "add a paid account, or name a model of the free tier",
    "quota": "shorten the prompt or lower max_tokens, or name a model with a larger limit",
    "requiredCapabilities": "drop the capability, or add an account whose models have it",
    "localOnly": "leave out localOnly, or add a local server",
    "blockLocal": "leave out blockLocal, or add an account that is not local",
    "incompatible_history": "wait for a model of the maker that signed the open turn, or end "
    "the turn with a message of your own",
    "context": "shorten the input or lower max_tokens",
    "lane": "let the child serve it: xswarm config set upstream.lane auto",
    "noTraining": "leave out noTraining, or add an account that does not train on data",
}


def refused(
    candidates: Sequence[Candidate], requested: str, now: float, report: Report | None = None
) -> FreeloaderError:
    """The error for a request that no candidate may serve. ``now`` is wall seconds.

    ``report`` says what all gates refuse, and how they could give.
    """
    if not candidates:
        return NoModelPassesGates(
            "No account serves any model for this request. "
            "Add one with `xswarm account add PROVIDER`.",
            details={"requested": requested, "gates": []},
        )
    found = report or relax.of_verdicts(
        (c.deployment.id, c.verdict) for c in candidates if c.verdict is not None
    )
    by_code: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.verdict is not None:
            by_code.setdefault(candidate.verdict.code, []).append(candidate)
    for code, build in (
        ("starting", _starting),
        ("budget_busy", _busy),
        ("quota_exhausted", _quota),
        ("rate_limited", _quota),
        ("ledger_unavailable", _ledger),
        ("budget_exceeded", _budget),
        ("price_unknown", _price),
        ("upstream_failed", _resting),
    ):
        if code in by_code:
            return build(by_code[code], now, _details(found))
    return _gates(found)


def failed(
    failures: Sequence[Failed], attempts: Sequence[Mapping[str, Any]], now: float
) -> FreeloaderError:
    """The error after attempts that all failed before their first delta."""
    last = failures[-1].outcome
    reason = last.reason.rstrip(". ")
    reason += "" if reason.endswith(("!", "?")) else "."
    details = {"attempts": list(attempts)}
    kinds = {f.outcome.kind for f in failures}
    if last.kind == "client_fault":
        return InvalidRequest(
            f"{failures[-1].deployment.public_model} refused the request: {reason}",
            details=details,
        )
    if kinds == {"request_too_large"}:
        return InvalidRequest(
            f"The request is too large for {failures[-1].deployment.public_model}: {reason} "
            "Shorten it, or name a model with a larger context.",
            code="context_length_exceeded",
            details=details,
        )
    if kinds <= _QUOTA_KINDS:
        untils = [f.outcome.until for f in failures if f.outcome.until is not None]
        wait = max(1.0, min(untils) - now) if untils else 60.0
        return QuotaExhausted(
            f"Every candidate's quota is used up for now: {reason}",
            retry_after=wait,
            details=details,
        )
    if all(f.outcome.blame == "lane" and f.outcome.until is not None for f in failures):
        return Unavailable(
            f"All that may be asked at a time is under way: {reason} Try again in a moment.",
            code="overloaded",
            retry_after=max(1.0, (last.until or now) - now),
            details=details,
        )
    tried = ", ".join(dict.fromkeys(f.deployment.public_model for f in failures))
    if all(f.timeout for f in failures):
        return UpstreamTimeout(
            f"No answer in time from {tried}. Try again, or raise [upstream] limits.",
            details=details,
        )
    return UpstreamFailed(
        f"Every attempt failed ({tried}): {reason} See `xswarm decisions` for each.",
        retry_after=math.inf if kinds <= _OWNERS_KINDS else None,
        details=details,
    )


def not_served_yet(requested: str) -> FreeloaderError:
    """An account serves the model, and the lane is just learning of it."""
    return Unavailable(
        f"{requested} is being made ready after a change. Try again in some seconds.",
        code="starting",
        retry_after=5.0,
    )


def overtime(attempts: Sequence[Mapping[str, Any]]) -> FreeloaderError:
    """The whole request ran out of time before any attempt could fail by itself."""
    return UpstreamTimeout(
        "No answer within the request's time limit. Try again, or raise [upstream] total.",
        details={"attempts": list(attempts)},
    )


def _details(report: Report) -> dict[str, Any]:
    """Per gate how many it refused; ``relaxation`` are the gates to state instead, all at once,
    and ``setBy`` who else set those of them that a request cannot loosen."""
    details: dict[str, Any] = {"gates": list(report.rows)}
    if report.best is not None:
        details["relaxation"] = dict(report.best.changes)
        if report.best.set_by:
            details["setBy"] = dict(report.best.set_by)
    return details


def earliest(candidates: Sequence[Candidate], now: float) -> float | None:
    """Seconds until the first candidate may pass again, where any says when."""
    untils = [
        c.verdict.until for c in candidates if c.verdict is not None and c.verdict.until is not None
    ]
    return max(0.0, min(untils) - now) if untils else None


def _busy(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
    return BudgetBusy(
        f"The budget is held by requests in flight: {_why(some)} Try again in a moment.",
        retry_after=1.0,
        details=details,
    )


def _starting(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
    return Unavailable(
        f"{_why(some)} Try again in some seconds.",
        code="starting",
        retry_after=5.0,
        details=details,
    )


def _quota(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
    wait = earliest(some, now)
    return QuotaExhausted(
        f"No quota is free right now: {_why(some)} See `xswarm free` for every window.",
        retry_after=60.0 if wait is None else max(1.0, wait),
        details=details,
    )


def _ledger(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
    return Unavailable(
        f"Paid calls are refused while the ledger cannot be written: {_why(some)} "
        "Run `xswarm doctor`. Free models stay usable.",
        code="ledger_unavailable",
        retry_after=5.0,
        details=details,
    )


def _budget(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
    """Names the budget and its reset; the details repeat them as numbers."""
    verdict = some[0].verdict
    assert verdict is not None
    if verdict.facts:
        details["budget"] = dict(verdict.facts)
    setting = verdict.facts.get("setting")
    if verdict.facts.get("confirm"):
        raising = "Confirm that it is meant (xswarm budget confirm)"
    elif setting:
        raising = f"Raise it (xswarm config set {setting} AMOUNT)"
    elif verdict.facts.get("resetsAt") or str(verdict.facts.get("budget")).startswith("key"):
        raising = "Use a key with a larger budget"
    else:
        raising = "Raise the request's own limit (max_cost)"
    less = ", ask for less (a shorter prompt, a lower max_tokens)" if _has_room(verdict) else ""
    return BudgetExceeded(
        f"A budget would not be kept: {_why(some)} {raising}{less}, or use a free model.",
        details=details,
    )


def _has_room(verdict: Verdict) -> bool:
    """True where a smaller request would fit: not where the limit is spent, or all is stopped."""
    limit, needs = verdict.facts.get("limitUsd"), verdict.facts.get("needsUsd")
    spent = verdict.facts.get("spentUsd") or 0.0
    return limit is not None and needs is not None and float(limit) > float(spent)


def _price(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
    """With the overlay that would set the price: only the two numbers are the owner's to find."""
    first = some[0].deployment
    overlay = details["overlay"] = _price_overlay(first)
    details["overlayFile"] = "registry/prices.json"
    return PriceUnknown(
        f"A price is unknown while a hard budget applies: {_why(some)} "
        f"Write {json.dumps(overlay)} with its true dollars per million tokens into "
        "registry/prices.json in the home, then: xswarm restart",
        details=details,
    )


def _price_overlay(deployment: Deployment) -> dict[str, Any]:
    """What sets a model's price (contract §2). A provider that no registry file describes,
    because only LiteLLM knows it, is described too: an overlay stands on its own then."""
    provider, model = deployment.provider, deployment.model
    entry: dict[str, Any] = {}
    if not provider.verified_date:
        entry = {
            "displayName": provider.display_name,
            "kind": provider.kind,
            "status": provider.status,
            "litellm": {"prefix": provider.prefix},
        }
    priced = {"family": model.family, "pricing": {"input": 1.0, "output": 2.0}}
    return {"providers": {provider.id: {**entry, "models": {model.id: priced}}}}


def _resting(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
    """Nothing was sent: all that could serve are being left alone after their failures."""
    wait = earliest(some, now)
    if wait is None:
        return UpstreamFailed(
            f"No model that could serve can be used: {_why(some)} See `xswarm account list`; "
            "once that is put right, `xswarm free reset` lets requests through again.",
            retry_after=math.inf,
            details=details,
        )
    return UpstreamFailed(
        f"Every model that could serve is resting after failures: {_why(some)} "
        "See `xswarm status`; `xswarm free reset` ends all pauses.",
        retry_after=max(1.0, wait),
        details=details,
    )


def _gates(report: Report) -> FreeloaderError:
    details = _details(report)
    if not report.rows:
        return NoModelPassesGates("No model passes the gates.", details=details)
    first = report.rows[0]
    return NoModelPassesGates(
        f"No model passes the gates: {first['refused']} refused by {first['gate']} "
        f"({first['example']}). Next: {_remedy(report)}.",
        details=details,
    )


def _remedy(report: Report) -> str:
    """What to do next: the smallest change of gates, and who has to make it."""
    best = report.best
    if best is None:
        gate = report.rows[0]["gate"]
        return _REMEDY.get(gate, f"relax {gate}, or add an account that passes it")
    steps = " and ".join(_step(gate, value) for gate, value in best.changes.items())
    if not best.set_by:
        return steps
    by: dict[str, list[str]] = {}
    for gate, names in best.set_by.items():
        whose = " and ".join(_OWNER.get(name, f"the {name}") for name in names.split("+"))
        by.setdefault(whose, []).append(gate)
    said = " and ".join(f"{' and '.join(some)} is set by {whose}" for whose, some in by.items())
    return f"{steps}; {said}, and a request cannot loosen it"


def _step(gate: str, value: Any) -> str:
    if value is None or value is False:
        return f"leave out {gate}"
    if isinstance(value, list):
        return f"set {gate} to [{', '.join(value)}]" if value else f"leave out {gate}"
    verb = "lower" if gate.startswith("min") else "raise"
    return f"{verb} {gate} to {value:.12g}"


def _why(some: Sequence[Candidate]) -> str:
    verdict = some[0].verdict
    reason = verdict.reason.rstrip(".") if verdict is not None else ""
    more = f" (and {len(some) - 1} more)." if len(some) > 1 else "."
    return f"{some[0].deployment.id}: {reason}{more}"
