"""Quota windows as people and the routes see them: JSON-ready, camelCase, money in dollars.

Nothing is decided here and nothing changes. A limit nobody knows is shown as unknown,
with what was learnt of it; never as unlimited.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from freeloader.books.windows.quotas import Quotas
from freeloader.clock import iso
from freeloader.core import quota
from freeloader.core.model import HEADERS, OWN, Deployment, Limit
from freeloader.core.periods import window_seconds
from freeloader.core.quota import Window, forecast
from freeloader.money import public, usd_from_pico

Row = dict[str, Any]

#: Who says that something is spent of which no window is known.
_REFUSAL = "its refusal"


def overview(
    quotas: Quotas,
    deployments: Collection[Deployment],
    refused: Mapping[str, tuple[Deployment, float]],
    now: float,
) -> list[Row]:
    """Every quota window, and one row per account whose limits are unknown. ``refused``: by
    owner one of its deployments, and until when it is refused, for whichever window."""
    counted = {d.account.name for d in deployments if d.limits}
    without = {d.account.name: d for d in deployments if d.account.name not in counted}
    taught = ((d, _lessons(quotas, deployments, name)) for name, d in without.items())
    rows = windows(quotas.all(deployments, now), taught, now)
    for owner, (deployment, until) in refused.items():
        of_owner = [row for row in rows if row["key"].partition("|")[0] == owner]
        if all(row["remaining"] != 0 for row in of_owner):
            blank = next((row for row in of_owner if row["limit"] is None), None)
            if blank is None:
                rows.append(blank := {**_unknown(deployment, ()), "key": owner})
                blank["model"] = deployment.model.id if "/" in owner else None
                blank |= {"confidence": "high", "source": _REFUSAL, "verifiedDate": None}
            blank["remaining"], blank["refusedUntil"] = 0, iso(until)
    return sorted(rows, key=_order)


def _order(row: Row) -> tuple[Any, ...]:
    return (row["provider"], row["account"], row["model"] or "", row["key"])


def _lessons(quotas: Quotas, deployments: Iterable[Deployment], account: str) -> list[Row]:
    """What was learnt at an account, each once: its own, and each model's."""
    found: dict[tuple[Any, ...], Row] = {}
    for deployment in deployments:
        if deployment.account.name == account:
            for row in quotas.learner.shown(deployment):
                found[row["scope"], row["model"], row["metric"], row["window"]] = row
    return list(found.values())


def windows(
    found: Iterable[tuple[Deployment, Window]],
    without: Iterable[tuple[Deployment, Sequence[Row]]],
    now: float,
) -> list[Row]:
    """``GET /v1/free-tiers``: every window, and the accounts whose limits nobody knows, with
    what was learnt of each."""
    rows = [window_row(deployment, window, now) for deployment, window in found]
    rows.extend(_unknown(deployment, learnt) for deployment, learnt in without)
    return sorted(rows, key=_order)


def window_row(deployment: Deployment, window: Window, now: float) -> Row:
    """One window."""
    limit = window.limit
    used = min(window.counter.used(now), float(window.amount))
    used = 0.0 if window.kind == "concurrency" else used
    full = quota.full_at(window, now)
    refused = quota.blocked_until(window, now)
    left = 0 if refused is not None else max(0, int(window.amount - used - window.held))
    learnt = limit.source == HEADERS or limit.source.startswith("learnt")
    told = window.amount != limit.amount and not learnt
    published = not (learnt or told or limit.source == OWN)
    elsewhere, expires = window.elsewhere, quota.expires_at(window)
    return {
        "key": window.key,
        "provider": deployment.provider.id,
        "account": deployment.account.idx,
        "tier": deployment.account.tier,
        "model": deployment.model.id if "model" in limit.scope else None,
        "appliesTo": list(limit.applies_to),
        "scope": limit.scope,
        "metric": public(limit.metric),
        "window": limit.window,
        "reset": limit.reset if window.known else "unknown",
        "allowance": deployment.gives(limit),
        "limit": _money(limit.metric, window.amount),
        "used": _money(limit.metric, -int(-used // 1)),
        "held": _money(limit.metric, window.held),
        "remaining": _money(limit.metric, left),
        "resetsAt": None if full is None or not isfinite(full) else iso(full),
        "refusedUntil": None if refused is None else iso(refused),
        "expiresAt": None if expires is None else iso(expires),
        **_rate(window, left, now),
        "usedElsewhere": 0 if elsewhere is None else int(elsewhere[0]),
        "usedElsewhereAt": None if elsewhere is None else iso(elsewhere[1]),
        "learned": learnt or told,
        "learnt": [],
        "confidence": "high" if told else limit.confidence,
        "source": _told(limit) if told else limit.source or deployment.provider.free_source or None,
        "verifiedDate": (deployment.provider.verified_date or None) if published else None,
    }


def _told(limit: Limit) -> str:
    who = "yours" if limit.source == OWN else "published"
    return f"the provider's own answers ({who}: {_money(limit.metric, limit.amount):,})"


def _rate(window: Window, left: int, now: float) -> Row:
    """How fast it is used of late, and until when it lasts at that rate (None: it does)."""
    rate = window.flow.per_second(now)
    kind, back, reset = window.kind, 0.0, None
    if kind in ("refill", "rolling"):
        back = window.amount / window_seconds(window.limit.window)
    elif kind == "calendar":
        reset = quota.reset_at(window, now)
    end = None
    if kind != "concurrency":
        end = forecast.lasts_until(left, rate, back, now, reset)
        expires = quota.expires_at(window)
        if expires is not None and rate > 0:
            end = min(end or expires, expires)
    return {
        "perHour": _money(window.limit.metric, round(rate * 3600)),
        "lastsUntil": None if end is None else iso(end),
    }


def _money(metric: str, amount: int) -> float | int:
    return usd_from_pico(amount) if metric == "usd" else amount


def _unknown(deployment: Deployment, learnt: Sequence[Row]) -> Row:
    """Local accounts have no limit; of any other one nobody knows it: never *unlimited*."""
    free = deployment.local or deployment.provider.unlimited
    empty: Mapping[str, Any] = dict.fromkeys(
        ("model", "scope", "limit", "used", "held", "remaining", "resetsAt", "refusedUntil",
         "expiresAt", "perHour", "lastsUntil", "usedElsewhereAt")
    )  # fmt: skip
    return {
        **empty,
        "key": deployment.account.name,
        "provider": deployment.provider.id,
        "account": deployment.account.idx,
        "tier": deployment.account.tier,
        "appliesTo": [],
        "metric": "requests",
        "window": None,
        "reset": "none" if free else "unknown",
        "allowance": False,
        "usedElsewhere": 0,
        "learned": bool(learnt),
        "learnt": list(learnt),
        "confidence": "high" if free else "low",
        "source": deployment.provider.free_source or None,
        "verifiedDate": deployment.provider.verified_date or None,
    }
