"""The books as people and the routes see them: JSON-ready, camelCase, money in dollars.

Nothing is decided here and nothing changes; sums are never made from these floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from freeloader.clock import iso
from freeloader.core import budget, quota
from freeloader.core.budget import Balance, Balances, BudgetRules
from freeloader.core.model import Deployment
from freeloader.core.periods import Period
from freeloader.core.quota import Window
from freeloader.money import usd_from_pico

#: Projects listed in one view.
_PROJECTS_MAX = 500


def budgets(
    rules: BudgetRules,
    balances: Balances,
    project: str | None,
    alerts: list[dict[str, Any]],
    now: float,
) -> dict[str, Any]:
    """``GET /v1/budget``. With a project, day and month are that project's own."""
    day, month = balances.days.at(now), balances.months.at(now)
    names = _projects(rules, balances) if project is None else [project]
    projects = {name: _project(rules, balances, name, now) for name in names[:_PROJECTS_MAX]}
    if project is None:
        spent = balances.month(budget.GLOBAL, now)
        whole = {
            "daily": _line(
                rules.hard_daily, rules.soft_daily, balances.day(budget.GLOBAL, now), day
            ),
            "monthly": _line(rules.hard_monthly, rules.soft_monthly, spent, month),
        }
        limit = rules.hard_monthly
    else:
        spent = balances.month(budget.project_scope(project), now)
        whole = projects[project]
        limit = rules.allocation(project)[1]
    return {
        **whole,
        "projects": projects,
        "alerts": alerts,
        "projection": _projection(spent.spent, limit, month, now),
        "timezone": rules.timezone,
    }


def windows(
    found: Iterable[tuple[Deployment, Window]], without: Iterable[Deployment], now: float
) -> list[dict[str, Any]]:
    """``GET /v1/free-tiers``: every window, and the accounts whose limits nobody knows."""
    rows = [_window(deployment, window, now) for deployment, window in found]
    rows.extend(_unknown(deployment) for deployment in without)
    rows.sort(key=lambda row: (row["provider"], row["account"], row["model"] or "", row["key"]))
    return rows


def _projects(rules: BudgetRules, balances: Balances) -> list[str]:
    used = (scope.removeprefix("project:") for scope in balances.scopes() if "project:" in scope)
    return sorted({*rules.allocations, *used})


def _project(rules: BudgetRules, balances: Balances, name: str, now: float) -> dict[str, Any]:
    daily, monthly = rules.allocation(name)
    day, month = balances.both(budget.project_scope(name), now)
    return {
        "daily": _line(daily, None, day, balances.days.at(now)),
        "monthly": _line(monthly, None, month, balances.months.at(now)),
    }


def _line(limit: int | None, soft: int | None, balance: Balance, span: Period) -> dict[str, Any]:
    left = None if limit is None else max(0, limit - balance.spent - balance.held)
    return {
        "limit": _usd(limit),
        "softLimit": _usd(soft),
        "spent": usd_from_pico(balance.spent),
        "held": usd_from_pico(balance.held),
        "remaining": _usd(left),
        "requests": balance.requests,
        "resetsAt": iso(span.end),
    }


def _projection(spent: int, limit: int | None, month: Period, now: float) -> dict[str, Any]:
    """At the rate of the month so far; nothing is foretold from less than an hour."""
    elapsed = now - month.start
    if elapsed < 3600 or not spent:
        return {"monthlyAtCurrentRate": usd_from_pico(spent), "exhaustedAt": None}
    whole = int(spent * (month.end - month.start) / elapsed)
    end = None
    if limit is not None and whole > limit:
        end = iso(max(now, month.start + elapsed * limit / spent))
    return {"monthlyAtCurrentRate": usd_from_pico(whole), "exhaustedAt": end}


def _usd(pico: int | None) -> float | None:
    return None if pico is None else usd_from_pico(pico)


def _window(deployment: Deployment, window: Window, now: float) -> dict[str, Any]:
    limit = window.limit
    used = min(window.counter.used(now), float(window.amount))
    used = 0.0 if window.kind == "concurrency" else used
    full = quota.full_at(window, now)
    refused = quota.blocked_until(window, now)
    left = max(0, int(window.amount - used - window.held))
    return {
        "key": window.key,
        "provider": deployment.provider.id,
        "account": deployment.account.idx,
        "model": deployment.model.id if "model" in limit.scope else None,
        "metric": limit.metric,
        "window": limit.window,
        "reset": limit.reset if window.known else "unknown",
        "limit": _money(limit.metric, window.amount),
        "used": _money(limit.metric, -int(-used // 1)),
        "held": _money(limit.metric, window.held),
        "remaining": _money(limit.metric, 0 if refused is not None else left),
        "resetsAt": None if full is None or not isfinite(full) else iso(full),
        "refusedUntil": None if refused is None else iso(refused),
        "learned": window.amount != limit.amount,
        "confidence": limit.confidence,
        "source": limit.source or deployment.provider.free_source,
        "verifiedDate": deployment.provider.verified_date,
    }


def _money(metric: str, amount: int) -> float | int:
    return usd_from_pico(amount) if metric == "usd" else amount


def _unknown(deployment: Deployment) -> dict[str, Any]:
    """Local accounts have no limit; of any other one nobody knows it: never *unlimited*."""
    free = deployment.local or deployment.provider.free_type == "unlimited"
    empty: Mapping[str, Any] = dict.fromkeys(
        ("model", "limit", "used", "held", "remaining", "resetsAt", "refusedUntil")
    )
    return {
        **empty,
        "key": deployment.account.name,
        "provider": deployment.provider.id,
        "account": deployment.account.idx,
        "metric": "requests",
        "window": None,
        "reset": "none" if free else "unknown",
        "learned": False,
        "confidence": "high" if deployment.local else deployment.provider.free_confidence,
        "source": deployment.provider.free_source,
        "verifiedDate": deployment.provider.verified_date,
    }
