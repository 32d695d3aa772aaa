"""Every reset kind by itself, across clocks set to and fro and restarts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import inf

import pytest
from quota_shapes import NOW, fill, window

from freeloader.core import quota
from freeloader.core.model import Limit

# ── each reset kind ──────────────────────────────────────────────────────────


def test_a_bucket_refills_all_the_time() -> None:
    """Groq's own arithmetic: (97050 + 3619 - 100000) / (100000 / 86400) s = 9m38.016s."""
    limit = Limit("tokens", 100_000, "1d", "refill")
    day = quota.window_for(limit, "k", NOW)
    quota.settle(day, quota.reserve(day, 97_050, NOW), 97_050, NOW)
    until = quota.fits(day, 3619, NOW)
    assert until is not None
    assert until - NOW == pytest.approx(578.016, abs=1e-3)
    assert quota.fits(day, 3619, until) is None
    assert quota.fits(day, 3619, until - 1) is not None
    assert quota.full_at(day, NOW) == pytest.approx(NOW + 97_050 / 100_000 * 86400)


def test_a_sliding_window_gives_back_what_is_old_and_no_sooner() -> None:
    minute = window(2, "1m", "rolling")
    fill(minute, 1, NOW)
    fill(minute, 1, NOW + 30)
    until = quota.fits(minute, 1, NOW + 31)
    assert until is not None
    assert NOW + 60 <= until <= NOW + 62
    assert quota.fits(minute, 1, NOW + 59.9) is not None
    assert quota.fits(minute, 1, until) is None
    assert quota.fits(minute, 2, until) is not None


@pytest.mark.parametrize(
    ("zone", "reset"),
    [
        ("America/Los_Angeles", "2026-11-21T08:00:00"),
        ("Europe/London", "2026-11-21T00:00:00"),
        ("Asia/Kolkata", "2026-11-20T18:30:00"),
    ],
)
def test_a_calendar_day_ends_at_its_own_midnight(zone: str, reset: str) -> None:
    day = window(20, "1d", "calendar", timezone=zone)
    fill(day, 20)
    end = datetime.fromisoformat(reset).replace(tzinfo=UTC).timestamp()
    assert quota.fits(day, 1, NOW) == end
    assert quota.fits(day, 1, end - 1) == end
    assert quota.fits(day, 1, end) is None
    assert quota.full_at(day, NOW) == end


@pytest.mark.parametrize(
    ("before", "hours"), [("2026-03-07T20:00", 24 + 23), ("2026-10-31T20:00", 24 + 25)]
)
def test_a_day_is_as_long_as_daylight_saving_makes_it(before: str, hours: int) -> None:
    """Spent in the first minute of the day before and of the day with the change."""
    day = window(1, "1d", "calendar", timezone="America/Los_Angeles")
    start = datetime.fromisoformat(before).replace(tzinfo=UTC).timestamp()
    fill(day, 1, start)
    first = quota.fits(day, 1, start)
    assert first is not None
    fill(day, 1, first)
    second = quota.fits(day, 1, first)
    assert second is not None
    assert second - first == (hours - 24) * 3600


def test_a_month_ends_with_the_month() -> None:
    month = window(1, "month", "calendar")
    fill(month, 1)
    assert quota.fits(month, 1, NOW) == datetime(2026, 12, 1, tzinfo=UTC).timestamp()


def test_credits_never_come_back_and_expire() -> None:
    once = window(10, "once", "unknown", expires_days=30)
    assert quota.fits(once, 10, NOW) is None
    fill(once, 10)
    assert quota.fits(once, 1, NOW + 10 * 86400) == inf
    rest = window(10, "once", "unknown", expires_days=30)
    assert quota.fits(rest, 1, NOW + 29.9 * 86400) is None
    assert quota.fits(rest, 1, NOW + 30 * 86400) == inf


def test_concurrency_counts_what_runs() -> None:
    limit = Limit("concurrency", 2, "1s")
    running = quota.window_for(limit, "k", NOW)
    holds = [quota.reserve(running, 1, NOW) for _ in range(2)]
    assert quota.fits(running, 1, NOW) == NOW + quota.RECHECK
    quota.settle(running, holds[0], 1, NOW + 5)
    assert quota.fits(running, 1, NOW + 5) is None
    quota.release(running, holds[1], NOW + 5, sent=True)
    assert running.held == 0


def test_an_unknown_reset_slides_and_is_marked() -> None:
    unknown = window(1, "1d", "unknown")
    assert not unknown.known
    assert window(1, "1d", "rolling").known
    fill(unknown, 1)
    until = quota.fits(unknown, 1, NOW)
    assert until is not None
    assert until >= NOW + 86400


# ── clocks and restarts ──────────────────────────────────────────────────────


@pytest.mark.parametrize("reset", ["refill", "rolling", "calendar", "unknown"])
@pytest.mark.parametrize("back", [1.0, 3600.0, 86400.0 * 30])
def test_a_clock_set_back_gives_nothing_and_sticks_nowhere(reset: str, back: float) -> None:
    day = window(4, "1d", reset)
    fill(day, 4)
    assert quota.fits(day, 1, NOW - back) is not None
    assert quota.fits(day, 1, NOW - back + 2 * 86400 + 3600) is None


def test_a_clock_set_forward_and_back_resets_no_calendar_day_twice() -> None:
    day = window(4, "1d", "calendar")
    fill(day, 4)
    later = NOW + 30 * 86400
    fill(day, 1, later)
    assert quota.fits(day, 1, NOW) is not None
    assert quota.fits(day, 4, NOW + 86400) is None
    assert quota.fits(day, 4, later) is not None


@pytest.mark.parametrize("reset", ["refill", "rolling", "calendar", "unknown"])
def test_what_was_in_flight_counts_as_used_after_a_restart(reset: str) -> None:
    day = window(10, "1d", reset)
    fill(day, 3)
    for _ in range(2):
        quota.reserve(day, 1, NOW)
    quota.learn_amount(day, 9, NOW, pinned=False)
    fresh = window(10, "1d", reset)
    quota.restore(fresh, json.loads(json.dumps(quota.dump(day))), NOW + 1)
    assert fresh.amount == 9
    assert fresh.counter.used(NOW + 1) == pytest.approx(5, abs=1e-3)


def test_a_refusal_survives_a_restart() -> None:
    day = window(10, "1d", "rolling")
    quota.exhaust(day, NOW + 100, NOW)
    fresh = window(10, "1d", "rolling")
    quota.restore(fresh, json.loads(json.dumps(quota.dump(day))), NOW + 1)
    assert quota.fits(fresh, 1, NOW + 1) == NOW + 100


def test_a_state_of_another_kind_is_not_taken_for_empty() -> None:
    fresh = window(10, "1d", "rolling")
    quota.restore(fresh, quota.dump(window(10, "1d", "calendar")), NOW)
    assert quota.fits(fresh, 1, NOW) is not None
