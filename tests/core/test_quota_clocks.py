"""Windows of every kind while the clock is set back, the machine sleeps and the daemon restarts;
days of daylight saving where our providers and users live; and the line of those who wait."""

from __future__ import annotations

import json
from datetime import datetime
from math import inf
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from freeloader.core import quota
from freeloader.core.model import Limit
from freeloader.core.periods import period

NOW = datetime(2026, 11, 20, 12, tzinfo=ZoneInfo("UTC")).timestamp()
KINDS = ["refill", "rolling", "calendar", "unknown", "once"]


def local(zone: str, text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


#: (zone, local day, its length in hours): spring forward, autumn back, and no change at all.
DAYS = (
    ("America/Los_Angeles", "2026-03-08", 23),
    ("America/Los_Angeles", "2026-11-01", 25),
    ("America/Los_Angeles", "2026-11-20", 24),
    ("America/Los_Angeles", "2027-03-14", 23),
    ("Europe/London", "2026-03-29", 23),
    ("Europe/London", "2026-10-25", 25),
    ("Europe/London", "2026-06-21", 24),
    ("Asia/Kolkata", "2026-03-08", 24),
    ("Asia/Kolkata", "2026-03-29", 24),
    ("Asia/Kolkata", "2026-10-25", 24),
    ("Asia/Kolkata", "2026-11-01", 24),
)


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
def test_a_days_quota_is_back_at_local_midnight_and_not_before(
    zone: str, day: str, hours: int
) -> None:
    start = local(zone, f"{day}T00:00")
    limit = Limit("requests", 3, "1d", "calendar", timezone=zone)
    for moment in (start, start + 3600, start + 2 * 3600 + 1800, start + hours * 3600 - 1):
        ours = quota.window_for(limit, "k", moment)
        quota.settle(ours, quota.reserve(ours, 3, moment), 3, moment)
        back = start + hours * 3600
        assert quota.fits(ours, 1, moment) == back
        assert quota.fits(ours, 1, back - 1e-3) is not None
        assert quota.fits(ours, 3, back) is None
        assert quota.full_at(ours, moment) == back


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Europe/London", "Asia/Kolkata"])
def test_a_month_of_the_zone_ends_at_its_own_midnight(zone: str) -> None:
    for month, following in (
        ("2026-03", "2026-04"),
        ("2026-10", "2026-11"),
        ("2028-02", "2028-03"),
    ):
        inside = local(zone, f"{month}-15T03:00")
        assert period("month", zone, inside).start == local(zone, f"{month}-01T00:00")
        assert period("month", zone, inside).end == local(zone, f"{following}-01T00:00")


class Provider:
    """Counts by its published rule and by the true time, which only ever goes forward."""

    def __init__(self, kind: str, amount: int) -> None:
        self.kind, self.amount = kind, amount
        self.events: list[float] = []

    def used(self, now: float) -> float:
        if self.kind == "once":
            return len(self.events)
        if self.kind == "calendar":
            return sum(at // 86400 == now // 86400 for at in self.events)
        if self.kind != "refill":
            return sum(at + 86400 > now for at in self.events)
        level, last = 0.0, 0.0
        for at in self.events:
            level = max(0.0, level - (at - last) * self.amount / 86400) + 1
            last = at
        return max(0.0, level - (now - last) * self.amount / 86400)


def _day(moment: float) -> float:
    return moment // 86400


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["send", "settle", "release", "refused", "sleep", "set back", "restart", "headers"]
        ),
        st.floats(0, 40_000, allow_nan=False),
    ),
    max_size=40,
)


@example(
    "calendar", 1, [("send", 0.0), ("set back", 3321.0), ("set back", 40000.0), ("settle", 0.0),
                    ("send", 1.0)],
)  # fmt: skip
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), st.integers(1, 50), STEPS)
def test_neither_sleep_nor_a_clock_set_back_nor_a_restart_makes_quota(
    kind: str, amount: int, plan: list[tuple[str, float]]
) -> None:
    span = "once" if kind == "once" else "1d"
    limit = Limit("requests", amount, span, "unknown" if kind == "once" else kind)
    ours, theirs = quota.window_for(limit, "k", NOW), Provider(kind, amount)
    true, behind = NOW, 0.0
    flying: list[quota.Reservation] = []
    sent: list[tuple[float, float]] = []
    for what, much in plan:
        true += min(much, 60.0)
        if what == "sleep":
            true += much
        elif what == "set back":
            behind += much
        now = true - behind
        if what == "send":
            flying.append(quota.reserve(ours, 1, now))
            theirs.events.append(true)
            sent.append((true, now))
        elif what == "settle" and flying:
            quota.settle(ours, flying.pop(0), 1, now)
        elif what == "release":
            held = quota.reserve(ours, 1, now)
            quota.release(ours, held, now, sent=False)
        elif what == "refused":
            held = quota.reserve(ours, 1, now)
            quota.release(ours, held, now, sent=True)
            quota.exhaust(ours, now + much if much > 1 else None, now)
            assert kind == "once" or quota.fits(ours, 1, now + 3 * 86400) is None or flying
        elif what == "headers" and flying:
            held = flying.pop()
            quota.settle(ours, held, 1, now)
            told = int(-(-theirs.used(true) // 1))
            quota.observe(ours, told, now, held, counted=True)
        elif what == "restart":
            flying = []
            state = json.loads(json.dumps(quota.dump(ours)))
            ours = quota.window_for(limit, "k", now)
            quota.restore(ours, state, now)
        # A clock that is simply slow, on a call of the provider's new day and our old one:
        # nobody here can know that, until the provider refuses.
        slow = any(_day(at) == _day(true) and _day(our) < _day(now) for at, our in sent)
        if kind == "calendar" and slow:
            continue
        assert ours.counter.used(now) + ours.held >= theirs.used(true) - 1e-6


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["refill", "rolling", "calendar", "unknown"]),
    st.lists(st.integers(1, 10), max_size=6),
    st.lists(st.integers(1, 20), min_size=1, max_size=5),
    st.integers(1, 20),
)
def test_who_waits_behind_others_is_promised_no_sooner_and_truly(
    kind: str, used: list[int], ahead: list[int], need: int
) -> None:
    """Let those ahead take their share as soon as it fits: then ours fits when it was said."""
    ours = quota.window_for(Limit("requests", 20, "1h", kind), "k", NOW)
    now = NOW
    for amount in used:
        amount = min(amount, int(20 - ours.counter.used(now)))
        quota.settle(ours, quota.reserve(ours, amount, now), amount, now)
        now += 60
    alone = quota.fits(ours, need, now)
    said = quota.fits_behind(ours, need, sum(ahead), now)
    assert said is None or said >= (alone or now)
    at = now
    for amount in ahead:
        at = quota.fits(ours, amount, at) or at
        quota.settle(ours, quota.reserve(ours, amount, at), amount, at)
    then = quota.fits(ours, need, at) or at
    assert then < inf
    if kind == "refill":
        assert then == pytest.approx(said or now, abs=1)
    if kind == "calendar":  # what does not fit whole waits for the next, so it may take longer
        assert then >= (said or now)


def test_a_hundred_behind_a_minutes_thirty_wait_for_the_fourth_minute() -> None:
    ours = quota.window_for(Limit("requests", 30, "1m", "refill"), "k", NOW)
    quota.settle(ours, quota.reserve(ours, 30, NOW), 30, NOW)
    assert quota.fits_behind(ours, 1, 0, NOW) == pytest.approx(NOW + 2)
    assert quota.fits_behind(ours, 1, 9, NOW) == pytest.approx(NOW + 20)
    assert quota.fits_behind(ours, 1, 99, NOW) == pytest.approx(NOW + 200)
