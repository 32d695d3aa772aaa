"""Sums → the JSON of contract §10: decimal dollars, camelCase. Pure; adds up no floats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from freeloader.money import known_usd, usd_from_pico
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


def savings_of(premium: str | None, tally: Tally) -> Row:
    """The same of a tally; nulls, too, where nobody knows what it cost."""
    found = savings(premium, tally.premium_pico, tally.known_pico)
    return found if cost(tally) is not None else {**found, "saved": None, "savedPercent": None}


def cost(tally: Tally) -> float | None:
    """What is known to have been charged; None where it is only known that something was.

    ``unpriced`` says how many calls of unknown cost are missing in a sum that is shown.
    """
    return known_usd(tally.known_pico, bool(tally.unpriced) and not tally.known_pico)


def average(tally: Tally) -> float | None:
    """Of one request, over those whose cost is known."""
    known = tally.known_pico // max(1, tally.asked - tally.unpriced)
    return None if cost(tally) is None else usd_from_pico(known)


def saved(tally: Tally) -> float | None:
    return None if cost(tally) is None else usd_from_pico(tally.premium_pico - tally.known_pico)


def line(tally: Tally) -> Row:
    """One group: requests, calls, tokens, money."""
    return {
        "requests": tally.asked,
        "attempts": tally.attempts,
        "estimated": tally.estimated,
        "tokensIn": tally.input + tally.cache_read + tally.cache_write,
        "tokensOut": tally.output,
        "cost": cost(tally),
        "unpriced": tally.unpriced,
        "wouldHaveCost": usd_from_pico(tally.premium_pico),
        "saved": saved(tally),
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
    ordered = sorted(found.items(), key=lambda one: (-one[1].known_pico, -one[1].asked, one[0]))
    return {label: line(tally) for label, tally in ordered}


def point(at: str, tally: Tally | None, latency: tuple[float, float] | None, compared: bool) -> Row:
    """One step of ``series``."""
    tally = tally or Tally()
    return {
        "t": at if "T" in at else f"{at}T00:00:00Z",
        "requests": tally.asked,
        "cost": cost(tally),
        "saved": saved(tally) if compared else None,
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
