"""Calendar periods: right across daylight saving, month ends and skipped days."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core.periods import Calendar, iso, period, window_seconds

ZONES = [
    "UTC",
    "America/Los_Angeles",
    "Europe/London",
    "Asia/Kolkata",
    "America/Havana",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
]
WINDOWS = ["1m", "1h", "5h", "6h", "1d", "2d", "7d", "30d", "month"]


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("zone", "now", "start", "end"),
    [
        # clocks go forward: a day of 23 hours
        ("America/Los_Angeles", "2026-03-08T12:00", "2026-03-08T08:00", "2026-03-09T07:00"),
        # and back: a day of 25
        ("America/Los_Angeles", "2026-11-01T12:00", "2026-11-01T07:00", "2026-11-02T08:00"),
        ("America/Los_Angeles", "2026-11-02T07:59", "2026-11-01T07:00", "2026-11-02T08:00"),
        ("America/Los_Angeles", "2026-11-02T08:00", "2026-11-02T08:00", "2026-11-03T08:00"),
        ("America/Los_Angeles", "2026-07-01T06:59", "2026-06-30T07:00", "2026-07-01T07:00"),
        ("Europe/London", "2026-03-29T12:00", "2026-03-29T00:00", "2026-03-29T23:00"),
        ("Europe/London", "2026-10-25T12:00", "2026-10-24T23:00", "2026-10-26T00:00"),
        ("Europe/London", "2026-12-24T12:00", "2026-12-24T00:00", "2026-12-25T00:00"),
        ("Asia/Kolkata", "2026-03-08T18:29", "2026-03-07T18:30", "2026-03-08T18:30"),
        ("Asia/Kolkata", "2026-03-08T18:30", "2026-03-08T18:30", "2026-03-09T18:30"),
        # a midnight that does not exist, and one that comes twice
        ("America/Havana", "2026-03-08T12:00", "2026-03-08T05:00", "2026-03-09T04:00"),
        ("America/Havana", "2026-11-01T12:00", "2026-11-01T04:00", "2026-11-02T05:00"),
        # the day that Samoa left out
        ("Pacific/Apia", "2011-12-30T09:00", "2011-12-29T10:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-30T10:00", "2011-12-30T10:00", "2011-12-31T10:00"),
    ],
)
def test_days(zone: str, now: str, start: str, end: str) -> None:
    found = period("1d", zone, utc(now))
    assert (iso(found.start), iso(found.end)) == (f"{start}:00Z", f"{end}:00Z")


@pytest.mark.parametrize(
    ("zone", "now", "start", "end"),
    [
        ("UTC", "2028-02-29T23:59", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("UTC", "2026-12-31T23:59", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("UTC", "2026-01-31T12:00", "2026-01-01T00:00", "2026-02-01T00:00"),
        ("America/Los_Angeles", "2026-11-01T06:59", "2026-10-01T07:00", "2026-11-01T07:00"),
        ("America/Los_Angeles", "2026-11-01T07:00", "2026-11-01T07:00", "2026-12-01T08:00"),
        ("Europe/London", "2026-10-15T00:00", "2026-09-30T23:00", "2026-11-01T00:00"),
        ("Asia/Kolkata", "2026-02-28T18:30", "2026-02-28T18:30", "2026-03-31T18:30"),
    ],
)
def test_months(zone: str, now: str, start: str, end: str) -> None:
    found = period("month", zone, utc(now))
    assert (iso(found.start), iso(found.end)) == (f"{start}:00Z", f"{end}:00Z")


def test_a_week_begins_on_monday() -> None:
    found = period("7d", "UTC", utc("2026-11-20T12:00"))
    assert iso(found.start) == "2026-11-16T00:00:00Z"


def test_hours_are_counted_from_local_midnight() -> None:
    found = period("1h", "Asia/Kolkata", utc("2026-11-20T12:29"))
    assert (iso(found.start), iso(found.end)) == ("2026-11-20T11:30:00Z", "2026-11-20T12:30:00Z")
    last = period("5h", "UTC", utc("2026-11-20T23:00"))
    assert (iso(last.start), iso(last.end)) == ("2026-11-20T20:00:00Z", "2026-11-21T00:00:00Z")


@pytest.mark.parametrize(
    ("window", "days"), [("24h", "1d"), ("36h", "2d"), ("48h", "2d"), ("1500m", "2d")]
)
def test_hours_that_make_more_than_a_day_are_not_cut_by_midnight(window: str, days: str) -> None:
    now = utc("2026-11-20T12:00")
    assert period(window, "America/Los_Angeles", now) == period(days, "America/Los_Angeles", now)


@given(
    st.sampled_from(ZONES),
    st.sampled_from(WINDOWS),
    st.floats(min_value=0, max_value=4e9, allow_nan=False),
)
def test_periods_tile_the_time_line(zone: str, window: str, now: float) -> None:
    found = period(window, zone, now)
    assert found.start <= now < found.end
    assert period(window, zone, found.start) == found
    assert period(window, zone, found.end).start == found.end
    assert period(window, zone, (found.start + found.end) / 2) == found


@given(st.sampled_from(ZONES), st.integers(min_value=0, max_value=4_000_000_000))
def test_a_day_begins_when_the_local_date_changes(zone: str, now: int) -> None:
    found = period("1d", zone, now)
    tz = ZoneInfo(zone)
    here = datetime.fromtimestamp(found.start, tz).date()
    assert datetime.fromtimestamp(found.start - 1, tz).date() != here
    assert datetime.fromtimestamp(now, tz).date() == here
    assert datetime.fromtimestamp(found.end, tz).date() != here


@given(
    st.sampled_from(ZONES),
    st.sampled_from(WINDOWS),
    st.lists(st.integers(min_value=0, max_value=4_000_000_000), min_size=1, max_size=8),
)
def test_a_remembered_period_is_the_same(zone: str, window: str, moments: list[int]) -> None:
    calendar = Calendar(window, zone)
    for now in moments:
        assert calendar.at(now) == period(window, zone, now)


@pytest.mark.parametrize(
    ("window", "seconds"),
    [("30s", 30), ("1m", 60), ("5h", 18000), ("7d", 604800), ("month", 2678400), ("once", inf)],
)
def test_window_seconds(window: str, seconds: float) -> None:
    assert window_seconds(window) == seconds


@pytest.mark.parametrize("window", ["", "0d", "5", "h", "1w", "-1h", "1.5h", "month2", " 1d"])
def test_what_is_no_window_is_refused(window: str) -> None:
    with pytest.raises(ValueError, match="not a window"):
        window_seconds(window)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "America"])
def test_what_is_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="not a time zone"):
        period("1d", zone, 0.0)
