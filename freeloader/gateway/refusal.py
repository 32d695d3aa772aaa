"""Nobody may serve, or everybody failed: which error does the client get?

Several reasons at once: the status of the candidate nearest to being served
(429, then 402, then 422); after failed attempts, what those failures were.
Pure text and choice; it sends nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from freeloader.core.fallback import Failed
from freeloader.core.routing import Candidate
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

_QUOTA_KINDS = frozenset({"slow_down", "spent"})
#: What to change, per gate, in the words of a request.
_REMEDY = {
    "minIntelligence": "lower minIntelligence",
    "tier": "add a paid account, or name a model of the free tier",
    "requiredCapabilities": "drop the capability, or add an account whose models have it",
    "localOnly": "drop localOnly, or add a local server",
    "context": "shorten the input or lower max_tokens",
    "noTraining": "drop noTraining, or add an account that does not train on data",
}


def refused(candidates: Sequence[Candidate], requested: str, now: float) -> FreeloaderError:
    """The error for a request that no candidate may serve. ``now`` is wall seconds."""
    if not candidates:
        return NoModelPassesGates(
            "No account serves any model for this request. "
            "Add one with `xswarm account add PROVIDER`.",
            details={"requested": requested, "gates": []},
        )
    by_code: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.verdict is not None:
            by_code.setdefault(candidate.verdict.code, []).append(candidate)
    for code, build in (
        ("budget_busy", _busy),
        ("quota_exhausted", _quota),
        ("rate_limited", _quota),
        ("ledger_unavailable", _ledger),
        ("budget_exceeded", _budget),
        ("price_unknown", _price),
        ("upstream_failed", _resting),
    ):
        if code in by_code:
            return build(by_code[code], now, details_of(candidates))
    return _gates(candidates)


def failed(
    failures: Sequence[Failed], attempts: Sequence[Mapping[str, Any]], now: float
) -> FreeloaderError:
    """The error after attempts that all failed before their first delta."""
    last = failures[-1].outcome
    reason = last.reason.rstrip(". ") + "."
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
    tried = ", ".join(dict.fromkeys(f.deployment.public_model for f in failures))
    if all(f.timeout for f in failures):
        return UpstreamTimeout(
            f"No answer in time from {tried}. Try again, or raise [upstream] limits.",
            details=details,
        )
    return UpstreamFailed(
        f"Every attempt failed ({tried}): {reason} See `xswarm decisions` for each.",
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


def details_of(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Per gate: how many it refused, an example, and the smallest relaxation."""
    counts: Counter[str] = Counter()
    example: dict[str, str] = {}
    relax: dict[str, list[Any]] = {}
    for candidate in candidates:
        verdict = candidate.verdict
        if verdict is None:
            continue
        counts[verdict.gate] += 1
        example.setdefault(verdict.gate, f"{candidate.deployment.id}: {verdict.reason}")
        if isinstance(verdict.relax, int | float) and not isinstance(verdict.relax, bool):
            relax.setdefault(verdict.gate, []).append(verdict.relax)
    gates = []
    for gate, count in counts.most_common():
        row: dict[str, Any] = {"gate": gate, "refused": count, "example": example[gate]}
        if gate in relax:
            row["relaxTo"] = max(relax[gate]) if gate.startswith("min") else min(relax[gate])
        gates.append(row)
    return {"gates": gates}


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
    return BudgetExceeded(
        f"A budget would not be kept: {_why(some)} "
        "Raise it with `xswarm budget set`, or use a free model.",
        details=details,
    )


def _price(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
    return PriceUnknown(
        f"A price is unknown while a hard budget applies: {_why(some)} "
        "Set it in an overlay under registry/ in the home.",
        details=details,
    )


def _resting(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
    """Nothing was sent: all that could serve are being left alone after their failures."""
    wait = earliest(some, now)
    return UpstreamFailed(
        f"Every model that could serve is resting after failures: {_why(some)} "
        "See `xswarm status`; `xswarm free reset` ends all pauses.",
        retry_after=30.0 if wait is None else max(1.0, wait),
        details=details,
    )


def _gates(candidates: Sequence[Candidate]) -> FreeloaderError:
    details = details_of(candidates)
    first = details["gates"][0]
    remedy = _REMEDY.get(first["gate"], f"relax {first['gate']}")
    if "relaxTo" in first:
        remedy = f"{remedy} to {first['relaxTo']:g}"
    return NoModelPassesGates(
        f"No model passes the gates: {first['refused']} refused by {first['gate']} "
        f"({first['example']}). Next: {remedy}.",
        details=details,
    )


def _why(some: Sequence[Candidate]) -> str:
    verdict = some[0].verdict
    reason = verdict.reason if verdict is not None else ""
    more = f" (and {len(some) - 1} more)." if len(some) > 1 else "."
    return f"{some[0].deployment.id}: {reason}{more}"
