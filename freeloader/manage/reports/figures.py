"""Sums → the JSON of contract §10: decimal dollars, camelCase. Pure; adds up no floats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from freeloader.money import usd_from_pico
from freeloader.store.reports.analytics import Tally

Row = dict[str, Any]


def savings(premium: str | None, would: int, cost: int) -> Row:
    """Against what the premium model would have cost; nulls where there is no such model."""
    if premium is None:
        return {
            "premiumModel": None, "wouldHaveCost": None, "saved": None, "savedPercent": None
        }  # fmt: skip
    return {
        "premiumModel": premium,
        "wouldHaveCost": usd_from_pico(would),
        "saved": usd_from_pico(would - cost),
        "savedPercent": round(100 * (would - cost) / would, 2) if would else 0.0,
    }


def line(tally: Tally) -> Row:
    """One group: requests, calls, tokens, money."""
    return {
        "requests": tally.asked,
        "attempts": tally.attempts,
        "estimated": tally.estimated,
        "tokensIn": tally.input + tally.cache_read + tally.cache_write,
        "tokensOut": tally.output,
        "cost": usd_from_pico(tally.cost_pico),
        "wouldHaveCost": usd_from_pico(tally.premium_pico),
        "saved": usd_from_pico(tally.premium_pico - tally.cost_pico),
    }


def grouped(
    tallies: Mapping[tuple[Any, ...], Tally], name: str, keys: Iterable[int]
) -> dict[str, Row]:
    """Sums by the parts ``keys`` of each group, joined with a slash; ``name`` for the empty one.

    The dearest first, then the busiest.
    """
    wanted = tuple(keys)
    found: dict[str, Tally] = {}
    for key, tally in tallies.items():
        label = "/".join(str(key[i]) for i in wanted) or name
        found.setdefault(label, Tally()).add(tally)
    ordered = sorted(found.items(), key=lambda one: (-one[1].cost_pico, -one[1].asked, one[0]))
    return {label: line(tally) for label, tally in ordered}


def point(at: str, tally: Tally | None, latency: tuple[float, float] | None, compared: bool) -> Row:
    """One step of ``series``."""
    cost = tally.cost_pico if tally is not None else 0
    would = tally.premium_pico if tally is not None else 0
    return {
        "t": at if "T" in at else f"{at}T00:00:00Z",
        "requests": tally.asked if tally is not None else 0,
        "cost": usd_from_pico(cost),
        "saved": usd_from_pico(would - cost) if compared else None,
        "p50": latency[0] if latency is not None else None,
        "p95": latency[1] if latency is not None else None,
    }


def projection(budget: Mapping[str, Any]) -> Row:
    """What the month comes to at the current rate, as ``/v1/budget`` has it, against its limits."""
    rate = (budget.get("projection") or {}).get("monthlyAtCurrentRate")
    month = budget.get("monthly") or {}
    limits = [x for x in (month.get("limit"), month.get("softLimit")) if x is not None]
    will = rate is not None and bool(limits) and rate > min(limits)
    return {"monthlyAtCurrentRate": rate, "willExceedBudget": will}
