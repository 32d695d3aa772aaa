"""What is written down of an attempt, and which reports of consumption are believed. Pure."""

from __future__ import annotations

from operator import attrgetter

from freeloader.books.ports import Facts, Hold, Settlement
from freeloader.core.rows import HoldRow, UsageRow
from freeloader.money import METERS, Meters

#: No attempt consumes more of any one meter; a report above it is not believed.
_METER_MAX = 10**9
#: The same for a report in picodollars: a million dollars.
_USD_MAX = 10**18
_VALUES = attrgetter(*METERS)


def believed(meters: Meters) -> Meters:
    """No report is negative or beyond all measure."""
    every = _VALUES(meters)
    if min(every) >= 0 and max(every) <= _METER_MAX:
        return meters
    kept = {name: min(max(getattr(meters, name), 0), _METER_MAX) for name in METERS}
    return Meters(**{**kept, "usd": min(max(meters.usd, 0), _USD_MAX)})


def hold_row(hold: Hold) -> HoldRow:
    deployment = hold.deployment
    return HoldRow(
        hold.attempt_id,
        hold.attempt_id,
        hold.request_id,
        hold.at.wall,
        deployment.provider.id,
        deployment.account.idx,
        deployment.model.id,
        hold.cost,
        family=deployment.model.family,
        project=hold.project,
        key_id=hold.key_id,
        meters=hold.upper,
        unpriced=hold.estimated,
    )


def usage_row(hold: Hold, done: Settlement, facts: Facts) -> UsageRow:
    deployment = hold.deployment
    return UsageRow(
        hold.request_id,
        hold.attempt_id,
        hold.at.wall,
        deployment.provider.id,
        deployment.account.idx,
        deployment.model.id,
        family=deployment.model.family,
        project=hold.project,
        key_id=hold.key_id,
        task=facts.task,
        meters=done.used,
        cost_pico=done.cost,
        # What is not known cannot be compared.
        premium_pico=None if done.unpriced else facts.premium_pico,
        basis=done.basis,
        latency_ms=facts.latency_ms,
        first_ms=facts.first_ms,
        outcome=facts.outcome,
        estimated=done.estimated,
        unpriced=done.unpriced,
    )
