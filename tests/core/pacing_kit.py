"""A window and a demand for tests of pacing: noon of one day, and what was asked before it."""

from __future__ import annotations

from freeloader.core import quota
from freeloader.core.model import Limit
from freeloader.core.pacing.demand import Demand
from freeloader.money import Meters

DAY, HOUR = 86400.0, 3600.0
MIDNIGHT = 1_795_132_800.0  # 2026-11-20T00:00Z
NOON = MIDNIGHT + 12 * HOUR
ONE = Meters(requests=1, input=600, output=200)
BEST = Limit("requests", 20, "1d", "calendar", "model")


def window(limit: Limit, used: float, now: float = NOON) -> quota.Window:
    made = quota.window_for(limit, "w", now)
    made.counter.add(used, now, now)
    return made


def busy(per_day: int, *, need: float = 0.0, label: str = "") -> Demand:
    """A day of even demand, over now."""
    demand = Demand()
    for i in range(per_day):
        demand.note(need, label, 600, 200, NOON - DAY + i * DAY / per_day)
    return demand
