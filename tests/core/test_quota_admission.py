"""A header speaks of the moment its call was admitted: whatever comes in between, wherever the
days and months of a zone end, we never believe in quota that is not there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core import quota
from freeloader.core.model import Limit
from freeloader.core.quota import Reservation, Window

ZONES = ("America/Los_Angeles", "Europe/London", "Asia/Kolkata")
#: Evenings before daylight saving begins or ends, and before months end.
EVENINGS = ("2026-03-07T20:00", "2026-03-28T22:00", "2026-10-24T20:00", "2026-10-31T20:00",
            "2028-02-28T20:00", "2026-12-31T20:00")  # fmt: skip
SPANS = {"1m": 60.0, "1h": 3600.0, "1d": 86_400.0, "7d": 604_800.0, "month": 31 * 86_400.0}
KINDS = ("calendar", "rolling", "refill", "once")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "admit", "settle", "refuse", "others", "restart"]),
        st.integers(1, 40),
        st.sampled_from([0.0, 1e-6, 0.01, 0.2, 0.9, 1.1]),
        st.booleans(),
    ),
    max_size=40,
)


class Provider:
    """Counts by its published rule, in its own zone."""

    def __init__(self, limit: Limit, kind: str) -> None:
        self.limit, self.kind = limit, kind
        self.zone = ZoneInfo(limit.timezone)
        self.events: list[tuple[float, int]] = []

    def charge(self, amount: int, at: float) -> int:
        """What its headers say of this call then."""
        self.events.append((at, amount))
        return self.told(at)

    def told(self, now: float) -> int:
        return int(-(-self.used(now) // 1))

    def used(self, now: float) -> float:
        if self.kind == "once":
            return sum(much for _, much in self.events)
        if self.kind == "calendar":
            return sum(much for at, much in self.events if self.period(at) == self.period(now))
        span = SPANS[self.limit.window]
        if self.kind == "rolling":
            return sum(much for at, much in self.events if at + span > now)
        level, last = 0.0, 0.0
        for at, much in self.events:
            level = max(0.0, level - (at - last) * self.limit.amount / span) + much
            last = at
        return max(0.0, level - (now - last) * self.limit.amount / span)

    def period(self, at: float) -> tuple[object, ...]:
        local = datetime.fromtimestamp(at, self.zone)
        if self.limit.window == "month":
            return (local.year, local.month)
        if self.limit.window == "7d":
            return local.isocalendar()[:2]
        midnight = datetime.combine(local.date(), time(), self.zone).timestamp()
        span = 86_400.0 * 2 if self.limit.window == "1d" else SPANS[self.limit.window]
        return (local.date(), (at - midnight) // span)


@dataclass
class Flying:
    held: Reservation
    amount: int
    told: int | None = None  # what the answer's headers say, once it was admitted


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(KINDS), st.sampled_from([*SPANS]), st.sampled_from(ZONES),
    st.sampled_from(EVENINGS), st.sampled_from(["requests", "tokens"]), st.integers(40, 90), STEPS,
)  # fmt: skip
def test_between_sending_and_settling_anything_may_happen(
    kind: str, span: str, zone: str, evening: str, metric: str, amount: int,
    plan: list[tuple[str, int, float, bool]],
) -> None:  # fmt: skip
    window = "once" if kind == "once" else span
    limit = Limit(metric, amount, window, "unknown" if kind == "once" else kind, timezone=zone)
    now = datetime.fromisoformat(evening).replace(tzinfo=ZoneInfo(zone)).timestamp()
    ours, theirs = quota.window_for(limit, "k", now), Provider(limit, kind)
    flying: list[Flying] = []
    for what, number, share, speaks in plan:
        now += share * min(SPANS[span], 2 * 86_400.0)
        if what == "restart":
            for one in flying:
                if one.told is None:
                    theirs.charge(one.amount, now)
            flying, ours = [], restarted(ours, limit, now)
        elif what == "others":
            theirs.charge(number % 3, now)
            quota.observe(ours, theirs.told(now), now, None, counted=True)
        elif what == "send":
            much = 1 if metric == "requests" else number
            flying.append(Flying(quota.reserve(ours, much, now), much))
        elif flying:
            one = flying[number % len(flying)]
            if what == "admit" and one.told is None:
                one.told = theirs.charge(one.amount, now)
            elif what == "settle":
                end(ours, theirs, flying.pop(flying.index(one)), now, speaks)
            elif what == "refuse" and one.told is None:
                flying.remove(one)
                quota.release(ours, one.held, now, sent=True)
                if speaks:
                    quota.observe(ours, theirs.told(now), now, one.held, counted=False)
        assert ours.counter.used(now) + ours.held >= theirs.used(now) - 1e-3


def end(ours: Window, theirs: Provider, one: Flying, now: float, speaks: bool) -> None:
    told = theirs.charge(one.amount, now) if one.told is None else one.told
    quota.settle(ours, one.held, one.amount, now)
    if speaks:
        quota.observe(ours, told, now, one.held, counted=True)


def restarted(ours: Window, limit: Limit, now: float) -> Window:
    fresh = quota.window_for(limit, "k", now)
    quota.restore(fresh, json.loads(json.dumps(quota.dump(ours))), now)
    return fresh
