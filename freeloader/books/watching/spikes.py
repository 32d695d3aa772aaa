"""Ten minutes of spending far above the usual: an alert, and paid calls stopped if so set.

Stopped calls stay stopped over restarts, until the owner confirms. Nothing is sent here.
"""

from __future__ import annotations

from freeloader.books.watching.alerts import Alerts
from freeloader.books.watching.history import History
from freeloader.clock import Instant, iso
from freeloader.core import budget
from freeloader.core.budget import BudgetRules, projection
from freeloader.core.budget.actions import BLOCK, InForce
from freeloader.core.rows import AlertRow

SPIKE, CONFIRMED = "spike", "spike_confirmed"
#: One spike is told once an hour, and shown for a day (seconds).
_PERIOD_S, _SHOWN_S = 3600, 86_400.0


def look(rules: BudgetRules, history: History, alerts: Alerts, now: Instant) -> bool:
    """After a charge: is this a spike that was not told yet?"""
    recent, usual = history.recent(now.mono), history.usual(now.wall)
    if not projection.is_spike(recent, usual, rules.spike_factor):
        return False
    assert usual is not None
    stops = rules.spike_stops_paid
    message = f"{budget.dollars(recent)} in ten minutes, usually {budget.dollars(usual)}" + (
        "; paid calls are stopped until `xswarm budget confirm`" if stops else ""
    )
    period = f"hourly {iso(now.wall // _PERIOD_S * _PERIOD_S)}"
    if stops and stopped(alerts) is None:
        # Stopping must not be lost because an hour's first spike was told before.
        period = f"stopped {now.iso()}"
    until = now.wall + _SHOWN_S
    row = alerts.say(SPIKE, budget.GLOBAL, period, message, now.wall, until=until, stops=stops)
    return row is not None


def stopped(alerts: Alerts) -> InForce | None:
    """What stops paid calls: a spike that nobody has confirmed."""
    row = _unconfirmed(alerts)
    if row is None:
        return None
    facts: dict[str, object] = {
        "budget": "spike",
        "setting": None,
        "action": BLOCK,
        "confirm": "xswarm budget confirm",
        "limitUsd": None,
        "spentUsd": None,
        "needsUsd": None,
        "resetsAt": None,
        "since": iso(row.at),
    }
    return InForce(BLOCK, "spike", "spike", f"spike: {row.message}", None, facts)


def confirm(alerts: Alerts, history: History, now: float) -> AlertRow | None:
    """The owner knows: paid calls go on, and the last ten minutes are no spike any more."""
    row = _unconfirmed(alerts)
    if row is None:
        return None
    history.forget_recent()
    return alerts.say(CONFIRMED, row.scope, row.period, "paid calls go on", now)


def _unconfirmed(alerts: Alerts) -> AlertRow | None:
    done = {row.period for row in alerts.find(CONFIRMED)}
    stops = (row for row in alerts.find(SPIKE) if row.data.get("stops"))
    return next((row for row in stops if row.period not in done), None)
