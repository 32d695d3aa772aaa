"""Nobody may serve: which error does the client get?

Several reasons at once: the status of the candidate nearest to being served
(429, then 402, then 422). Pure text and choice; it sends nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from freeloader.core.routing import Candidate, relax
from freeloader.core.routing.relax import Report
from freeloader.errors import (
    BudgetBusy,
    FreeloaderError,
    NoModelPassesGates,
    QuotaExhausted,
    Unavailable,
    UpstreamFailed,
)
from freeloader.gateway.refusal.money import budget, price
from freeloader.gateway.refusal.remedies import remedy
from freeloader.gateway.refusal.words import why

#: When to ask again for what is kept for others and comes back bit by bit, in seconds.
_LATER_S = 60.0


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
    found = _whole(report, candidates)
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
        ("budget_exceeded", budget),
        ("price_unknown", price),
        ("upstream_failed", _resting),
    ):
        if code in by_code:
            details = _details(found)
            if build is _quota and (paid := by_code.get("budget_exceeded")):
                return _quota(by_code[code], now, details, paid)
            return build(by_code[code], now, details)
    return _gates(found)


def _whole(report: Report | None, candidates: Sequence[Candidate]) -> Report:
    """The report, with what is no gate of a request's and refused all the same: pacing."""
    seen = relax.of_verdicts(
        (c.deployment.id, c.verdict) for c in candidates if c.verdict is not None
    )
    if report is None:
        return seen
    known = {row["gate"] for row in report.rows}
    more = tuple(row for row in seen.rows if row["gate"] not in known)
    return replace(report, rows=(*report.rows, *more)) if more else report


def not_served_yet(requested: str) -> FreeloaderError:
    """An account serves the model, and the lane is just learning of it."""
    return Unavailable(
        f"{requested} is being made ready after a change. Try again in some seconds.",
        code="starting",
        retry_after=5.0,
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
        f"The budget is held by requests in flight: {why(some)} Try again in a moment.",
        retry_after=1.0,
        details=details,
    )


def _starting(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
    return Unavailable(
        f"{why(some)} Try again in some seconds.",
        code="starting",
        retry_after=5.0,
        details=details,
    )


def _quota(
    some: Sequence[Candidate],
    now: float,
    details: dict[str, Any],
    paid: Sequence[Candidate] = (),
) -> FreeloaderError:
    """``paid``: those that a budget refuses, so that two things stand in the way."""
    wait = earliest(some, now)
    some = sorted(some, key=lambda c: not _paced(c))  # what is kept is the most telling
    kept = _paced(some[0])
    whom = "for this request" if kept else "right now"  # there is some left, for others
    message = f"No quota is free {whom}: {why(some)} See `xswarm free` for every window."
    if paid:
        message += f" Nor would a budget be kept: {why(paid)} See `xswarm budget show`."
        if (verdict := paid[0].verdict) is not None and verdict.facts:
            details["budget"] = dict(verdict.facts)
    if kept:
        message += (
            " `pacing: off`, in the request or as routing.pacing in the settings, serves "
            "whoever comes first instead."
        )
    if wait is None:  # kept for others, or credits of which nothing comes back
        wait = _LATER_S if kept else math.inf
    return QuotaExhausted(
        message,
        retry_after=max(1.0, wait),
        details=details,
    )


def _paced(candidate: Candidate) -> bool:
    return candidate.verdict is not None and candidate.verdict.gate == "pacing"


def _ledger(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
    return Unavailable(
        f"Paid calls are refused while the ledger cannot be written: {why(some)} "
        "Run `xswarm doctor`. Free models stay usable.",
        code="ledger_unavailable",
        retry_after=5.0,
        details=details,
    )


def _resting(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
    """Nothing was sent: all that could serve are being left alone after their failures."""
    wait = earliest(some, now)
    if wait is None:
        return UpstreamFailed(
            f"No model that could serve can be used: {why(some)} See `xswarm account list`; "
            "once that is put right, `xswarm free reset` lets requests through again.",
            retry_after=math.inf,
            details=details,
        )
    return UpstreamFailed(
        f"Every model that could serve is resting after failures: {why(some)} "
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
        f"({first['example']}). Next: {remedy(report)}.",
        details=details,
    )
