"""A restart gives nothing away: limits as they were in force before it, another zone, a reset."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quota_shapes import NOW, fill, window

from freeloader.core import quota
from freeloader.core.periods import period
from freeloader.core.quota import Window

ZONES = ("UTC", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")


def restarted(old: Window, now: float, **more: object) -> Window:
    limit = old.limit
    more.setdefault("timezone", limit.timezone)
    fresh = window(limit.amount, limit.window, limit.reset, **more)
    quota.restore(fresh, json.loads(json.dumps(quota.dump(old))), now)
    return fresh


@given(
    st.sampled_from(["refill", "rolling", "calendar", "unknown"]),
    st.integers(1, 100),
    st.integers(1, 100),
    st.integers(0, 100),
    st.floats(0, 90_000),
)
def test_a_restart_counts_as_a_daemon_that_went_on(
    reset: str, published: int, said: int, used: int, pause: float
) -> None:
    """Also where the provider says another limit than the registry: what refills, refills by it."""
    ours = window(published, "1d", reset)
    quota.learn_amount(ours, said, NOW, pinned=False)
    fill(ours, used)
    fresh = restarted(ours, NOW + pause)
    assert fresh.amount == ours.amount
    assert fresh.counter.used(NOW + pause) == pytest.approx(ours.counter.used(NOW + pause))


@given(st.sampled_from(ZONES), st.sampled_from(ZONES), st.floats(0, 86_400), st.floats(0, 172_800))
def test_a_day_told_to_begin_elsewhere_is_no_fresh_day(
    before: str, after: str, at: float, later: float
) -> None:
    """What was used in a day of one zone is in the days of another that it touches, and in none
    that begins later, however often it is told."""
    ours = window(20, "1d", "calendar", timezone=before)
    fill(ours, 20, NOW + at)
    now = NOW + at + later
    fresh = restarted(ours, now, timezone=after)
    same = period("1d", after, now)
    if NOW + at in same:
        assert fresh.counter.used(now) >= 20
    for zone in (before, after):
        fresh = restarted(fresh, now, timezone=zone)
    assert fresh.counter.used(same.end) == 0


def test_a_reset_day_is_fresh_in_every_zone() -> None:
    ours = window(20, "1d", "calendar", timezone="America/Los_Angeles")
    fill(ours, 20, NOW)
    now = NOW + 86_400
    quota.reset(ours, now)
    assert restarted(ours, now, timezone="Asia/Kolkata").counter.used(now) == 0


def test_after_a_reset_the_first_header_accuses_nobody() -> None:
    """The provider goes on counting what the owner had us forget: that was no other's use."""
    ours = window(1000, "1d", "calendar")
    for told in (500, 501):
        held = quota.reserve(ours, 1, NOW)
        quota.settle(ours, held, 1, NOW)
        quota.observe(ours, told, NOW, held, counted=True)
        quota.reset(ours, NOW) if told == 500 else None
    assert ours.elsewhere is None
    assert ours.counter.used(NOW) == 501
    held = quota.reserve(ours, 1, NOW)
    quota.settle(ours, held, 1, NOW)
    quota.observe(ours, 512, NOW, held, counted=True)
    assert ours.elsewhere == (10, NOW), "what comes after it is"


def test_expired_credits_that_the_owner_says_are_fresh_are_there_again() -> None:
    ours = window(5, "once", "unknown", expires_days=30)
    fill(ours, 2)
    late = NOW + 31 * 86_400
    assert quota.fits(ours, 1, late) is not None
    quota.reset(ours, late)
    assert quota.fits(ours, 5, late) is None
    assert quota.fits(ours, 1, late + 31 * 86_400) is not None, "and end as they did before"


@pytest.mark.parametrize("held", range(25, 31))
def test_of_a_bucket_that_refills_held_calls_come_back_one_by_one(held: int) -> None:
    """Thirty under way in a minute's thirty: the next may go in two seconds, not in sixty."""
    ours = window(30, "1m", "refill")
    fill(ours, 30 - held)
    for _ in range(held):
        quota.reserve(ours, 1, NOW)
    until = quota.fits(ours, 1, NOW)
    assert until is not None
    assert until - NOW == pytest.approx(2, abs=0.01)


@given(
    st.sampled_from(["refill", "calendar"]),
    st.lists(st.floats(0, 40_000), max_size=12),
    st.integers(0, 3),
    st.floats(0, 90_000),
)
def test_a_reset_that_became_known_costs_no_day(
    reset: str, waits: list[float], held: int, pause: float
) -> None:
    """Nobody knew how it resets, now it is known: neither forgotten nor spent until tomorrow."""
    unknown, known, now = window(20, "1d", "unknown"), window(20, "1d", reset), NOW
    for wait in waits:
        now += wait
        fill(unknown, 1, now)
        fill(known, 1, now)
    for _ in range(held):
        quota.reserve(unknown, 1, now)
    fresh = window(20, "1d", reset)
    quota.restore(fresh, json.loads(json.dumps(quota.dump(unknown))), now + pause)
    used = fresh.counter.used(now + pause)
    assert known.counter.used(now + pause) - 1e-6 <= used <= len(waits) + held
