"""Everybody who was asked failed: which error does the client get?

What those failures were decides; each is listed in the details. Pure text and choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from freeloader.core.fallback import Failed
from freeloader.errors import (
    FreeloaderError,
    InvalidRequest,
    QuotaExhausted,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)

#: An account that only its owner can put right: no retry helps.
_OWNERS_KINDS = frozenset({"key_bad", "credits_gone", "not_on_plan"})
_QUOTA_KINDS = frozenset({"slow_down", "spent"})


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


def overtime(attempts: Sequence[Mapping[str, Any]]) -> FreeloaderError:
    """The whole request ran out of time before any attempt could fail by itself."""
    return UpstreamTimeout(
        "No answer within the request's time limit. Try again, or raise [upstream] total.",
        details={"attempts": list(attempts)},
    )
