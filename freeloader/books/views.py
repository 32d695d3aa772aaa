"""The budgets as people and the routes see them: JSON-ready, camelCase, money in dollars.

Nothing is decided here and nothing changes; sums are never made from these floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from freeloader.clock import iso
from freeloader.core import budget
from freeloader.core.budget import BudgetRules, projection
from freeloader.core.budget.balances import Balance, Balances
from freeloader.core.budget.projection import Day
from freeloader.core.periods import Period
from freeloader.money import usd_from_pico

#: Projects listed in one view.
_PROJECTS_MAX = 500


def budgets(
    rules: BudgetRules,
    balances: Balances,
    project: str | None,
    alerts: list[dict[str, Any]],
    days: Sequence[Day],
    now: float,
) -> dict[str, Any]:
    """``GET /v1/budget``. With a project, day and month are that project's own."""
    day, month = balances.days.at(now), balances.months.at(now)
    names = _projects(rules, balances) if project is None else [project]
    projects = {name: _project(rules, balances, name, now) for name in names[:_PROJECTS_MAX]}
    if project is None:
        today, spent = balances.seen(budget.GLOBAL, now)
        whole = {
            "daily": _line(rules.hard_daily, rules.soft_daily, today, day),
            "monthly": _line(rules.hard_monthly, rules.soft_monthly, spent, month),
        }
        limit = rules.hard_monthly if rules.hard_monthly is not None else rules.soft_monthly
    else:
        today, spent = balances.seen(budget.project_scope(project), now)
        whole = projects[project]
        limit = rules.allocation(project)[1]
        days = ()
    found = projection.forecast(days, today.spent, spent.spent, limit, rules.timezone, now)
    return {
        **whole,
        "projects": projects,
        "alerts": alerts,
        "projection": {
            "monthlyAtCurrentRate": usd_from_pico(found.month),
            "exhaustedAt": None if found.exhausted_at is None else iso(found.exhausted_at),
        },
        "timezone": rules.timezone,
    }


def _projects(rules: BudgetRules, balances: Balances) -> list[str]:
    used = (scope.removeprefix("project:") for scope in balances.scopes() if "project:" in scope)
    return sorted({*rules.allocations, *used})


def _project(rules: BudgetRules, balances: Balances, name: str, now: float) -> dict[str, Any]:
    daily, monthly = rules.allocation(name)
    day, month = balances.seen(budget.project_scope(name), now)
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


def _usd(pico: int | None) -> float | None:
    return None if pico is None else usd_from_pico(pico)
