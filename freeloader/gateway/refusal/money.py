"""A request that money refuses: which budget, when it begins anew, and what would let it in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from freeloader.core.model import Deployment, Verdict
from freeloader.core.routing import Candidate
from freeloader.errors import (
    BudgetExceeded,
    FreeloaderError,
    PriceUnknown,
)
from freeloader.gateway.refusal.words import why


def budget(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
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
        f"A budget would not be kept: {why(some)} {raising}{less}, or use a free model.",
        details=details,
    )


def _has_room(verdict: Verdict) -> bool:
    """True where a smaller request would fit: not where the limit is spent, or all is stopped."""
    limit, needs = verdict.facts.get("limitUsd"), verdict.facts.get("needsUsd")
    spent = verdict.facts.get("spentUsd") or 0.0
    return limit is not None and needs is not None and float(limit) > float(spent)


def price(some: Sequence[Candidate], now: float, details: dict[str, Any]) -> FreeloaderError:
    """With the overlay that would set the price: only the two numbers are the owner's to find."""
    first = some[0].deployment
    overlay = details["overlay"] = _price_overlay(first)
    details["overlayFile"] = "registry/prices.json"
    return PriceUnknown(
        f"A price is unknown while a hard budget applies: {why(some)} "
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
