"""Settings and app keys → the books' budget rules. Conversion only."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from freeloader.core.budget import BudgetRules
from freeloader.money import pico_from_usd
from freeloader.settings import Settings


def budget_rules(settings: Settings, keys: Mapping[str, Mapping[str, Any]]) -> BudgetRules:
    """``keys``: each key's own budget in dollars (``daily``, ``monthly``), by key id."""
    budget = settings.budget
    return BudgetRules(
        hard_daily=_pico(budget.hard.daily),
        hard_monthly=_pico(budget.hard.monthly),
        hard_per_request=_pico(budget.hard.per_request),
        soft_daily=_pico(budget.soft.daily),
        soft_monthly=_pico(budget.soft.monthly),
        allocations=MappingProxyType(
            {
                name: (_pico(part.daily), _pico(part.monthly))
                for name, part in budget.allocations.items()
                if part.daily is not None or part.monthly is not None
            }
        ),
        keys=MappingProxyType(
            {
                key: (_pico(own.get("daily")), _pico(own.get("monthly")))
                for key, own in keys.items()
                if own.get("daily") is not None or own.get("monthly") is not None
            }
        ),
        timezone=budget.timezone,
        alert_at=float(budget.alert_at),
        on_soft=budget.actions.on_soft_limit,
        on_hard=budget.actions.on_hard_limit,
        on_project=budget.actions.on_project_limit,
        spike_factor=float(budget.spike_factor),
        spike_stops_paid=budget.spike_stops_paid,
        output_ceiling=budget.output_ceiling,
    )


def _pico(usd: Any) -> int | None:
    return None if usd is None else pico_from_usd(usd)
