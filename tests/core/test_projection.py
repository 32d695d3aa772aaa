"""At this rate the month's budget ends on the 19th; ten minutes far above the usual."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core.budget import projection
from freeloader.core.budget.projection import Day

DOLLAR = 10**12
MONTH_END = datetime(2026, 12, 1, tzinfo=UTC).timestamp()


def at(day: int, hour: int = 0) -> float:
    return datetime(2026, 11, day, hour, tzinfo=UTC).timestamp()


def days(*amounts: int, until: int = 9) -> list[Day]:
    """Whole days before ``until`` November, oldest first."""
    last = datetime(2026, 11, until, tzinfo=UTC)
    count = len(amounts)
    return [
        Day((last - timedelta(days=count - i)).weekday(), amount * DOLLAR)
        for i, amount in enumerate(amounts)
    ]


def test_a_steady_rate_ends_where_the_arithmetic_says() -> None:
    found = projection.forecast(days(*[10] * 8), 0, 80 * DOLLAR, 180 * DOLLAR, "UTC", at(9))
    assert found.exhausted_at is not None
    assert projection.local_day(found.exhausted_at, "UTC").day in (18, 19)
    assert found.exhausted_at == pytest.approx(at(19), abs=1)
    assert found.month == 80 * DOLLAR + 22 * 10 * DOLLAR


def test_weekdays_are_told_apart_once_there_are_two_weeks() -> None:
    # The 9th is a Monday: five days of $10, an idle weekend.
    week = [10, 10, 10, 10, 10, 0, 0]
    found = projection.forecast(days(*week, *week), 0, 0, 55 * DOLLAR, "UTC", at(9))
    assert found.exhausted_at == pytest.approx(at(16, 12), abs=1)
    recent = projection.forecast(days(*week), 0, 0, 55 * DOLLAR, "UTC", at(9))
    assert recent.exhausted_at is not None
    assert recent.exhausted_at < at(18)


def test_without_history_todays_rate_stands_in() -> None:
    found = projection.forecast([], DOLLAR, DOLLAR, 3 * DOLLAR, "UTC", at(9, 12))
    assert found.exhausted_at == pytest.approx(at(10, 12), abs=1)
    assert projection.forecast([], 0, 0, 3 * DOLLAR, "UTC", at(9)) == (0, None)


def test_a_spent_budget_is_over_now_and_one_without_limit_never() -> None:
    assert projection.forecast([], 5, 5, 5, "UTC", at(9)).exhausted_at == at(9)
    assert projection.forecast(days(1, 1), 5, 5, None, "UTC", at(9)).exhausted_at is None


@given(
    amounts=st.lists(st.integers(0, 100), max_size=40),
    month=st.integers(0, 500),
    limit=st.integers(1, 5000),
    zone=st.sampled_from(["UTC", "America/Los_Angeles", "Asia/Kolkata", "Europe/London"]),
    hours=st.integers(0, 24 * 28),
)
def test_the_end_is_in_this_month_and_agrees_with_its_sum(
    amounts: list[int], month: int, limit: int, zone: str, hours: int
) -> None:
    now = datetime(2026, 10, 2, tzinfo=ZoneInfo(zone)).timestamp() + hours * 3600
    found = projection.forecast(days(*amounts), 0, month * DOLLAR, limit * DOLLAR, zone, now)
    end = datetime(2026, 11, 1, tzinfo=ZoneInfo(zone)).timestamp()
    assert found.month >= month * DOLLAR
    if found.exhausted_at is None:
        assert found.month <= limit * DOLLAR
    else:
        assert now <= found.exhausted_at <= end
        assert found.month >= limit * DOLLAR


def test_a_spike_is_measured_against_busy_quarters_only() -> None:
    usual = projection.usual([0] * 90 + [900] * 6)
    assert usual == 600
    assert not projection.is_spike(6_000, usual, 10)
    assert projection.is_spike(6_001, usual, 10)
    assert projection.usual([900] * 3) is None
    assert not projection.is_spike(10**15, None, 2)


@pytest.mark.parametrize("word", ["1st", "2nd", "3rd", "11th", "12th", "13th", "19th", "21st"])
def test_ordinals(word: str) -> None:
    assert projection.ordinal(int(word[:-2])) == word
