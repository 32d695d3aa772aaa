"""When cron lines are due: a law over lines, zones and moments, and tables around clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.errors import ConfigError
from freeloader.workers.cron import next_due, parse

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "America/St_Johns",
]


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def shown(instant: float, tz: str) -> str:
    return datetime.fromtimestamp(instant, ZoneInfo(tz)).isoformat(timespec="minutes")


minutes = st.one_of(st.just("*"), st.sampled_from(["*/15", "*/7", "0", "30", "5,50", "10-20"]))
hours = st.one_of(st.just("*"), st.sampled_from(["*/2", "0", "1", "2", "3", "1-4", "0,12", "23"]))
days = st.sampled_from(["*", "1", "31", "*/10", "1-7"])
months = st.sampled_from(["*", "3", "10,11", "*/2"])
weekdays = st.sampled_from(["*", "0", "1-5", "sun"])
lines = st.builds(lambda *fields: " ".join(fields), minutes, hours, days, months, weekdays)
moments = st.floats(at("2024-01-01T00:00:00+00:00"), at("2030-12-31T00:00:00+00:00"))
changes = st.sampled_from(
    [
        at("2026-03-29T01:00:00+00:00"),
        at("2026-10-25T01:00:00+00:00"),
        at("2026-03-08T07:00:00+00:00"),
        at("2026-11-01T06:00:00+00:00"),
        at("2026-11-01T05:00:00+00:00"),
        at("2026-04-04T15:00:00+00:00"),
        at("2026-10-03T15:30:00+00:00"),
    ]
)
near_changes = st.builds(lambda c, d: int(c) + d, changes, st.integers(-3 * 3600, 3 * 3600))


@given(line=lines, tz=st.sampled_from(ZONES), now=st.one_of(moments, near_changes))
@settings(max_examples=400, deadline=None)
def test_next_due_is_later_and_nothing_is_due_in_between(line: str, tz: str, now: float) -> None:
    due = next_due(line, tz, now)
    assert due > now
    # From any moment on the way the answer is the same: no due time was jumped over.
    assert next_due(line, tz, (now + due) / 2) == due
    assert next_due(line, tz, due) > due


@given(
    line=st.sampled_from(
        ["* * * * *", "*/15 * * * *", "0 * * * *", "30 */2 * * *", "0 */24 * * *"]
    ),
    tz=st.sampled_from(ZONES),
    now=near_changes,
)
@settings(max_examples=150, deadline=None)
def test_wild_hours_are_due_whenever_the_wall_clock_reads_so(line: str, tz: str, now: int) -> None:
    minute, hour, *_ = line.split()

    def matches(instant: int) -> bool:
        reading = datetime.fromtimestamp(instant, ZoneInfo(tz))
        every_m = int(minute[2:]) if minute.startswith("*/") else 1
        every_h = int(hour[2:]) if hour.startswith("*/") else 1
        fits = reading.minute % every_m == 0 if minute[0] == "*" else reading.minute == int(minute)
        return fits and reading.hour % every_h == 0 and reading.second == 0

    first = int(now) // 60 * 60 + 60
    expected = next(i for i in range(first, first + 3 * 86_400, 60) if matches(i))
    assert next_due(line, tz, now) == expected


@pytest.mark.parametrize(
    ("line", "tz", "now", "expected"),
    [
        # A skipped hour: at the moment of the skip, once, even for two skipped times.
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T01:59:00+01:00", "2026-03-29T03:00+02:00"),
        ("15,45 2 * * *", "Europe/Berlin", "2026-03-29T01:59:00+01:00", "2026-03-29T03:00+02:00"),
        ("15,45 2 * * *", "Europe/Berlin", "2026-03-29T03:00:00+02:00", "2026-03-30T02:15+02:00"),
        ("0 3 * * *", "Europe/Berlin", "2026-03-29T01:59:00+01:00", "2026-03-29T03:00+02:00"),
        # A repeated hour: fixed times in the first pass only …
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T02:00:00+02:00", "2026-10-25T02:30+02:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30+01:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T02:10:00+01:00", "2026-10-26T02:30+01:00"),
        # … every-hour lines in both.
        ("30 * * * *", "Europe/Berlin", "2026-10-25T02:30:00+02:00", "2026-10-25T02:30+01:00"),
        ("*/15 * * * *", "Europe/Berlin", "2026-10-25T02:45:00+02:00", "2026-10-25T02:00+01:00"),
        ("*/15 * * * *", "Europe/Berlin", "2026-03-29T01:45:00+01:00", "2026-03-29T03:00+02:00"),
        # Half an hour of daylight saving, and a change at midnight.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-04T01:59:00+10:30",
            "2026-10-04T02:30+11:00",
        ),
        ("0 0 * * *", "America/Havana", "2026-03-07T12:00:00-05:00", "2026-03-08T01:00-04:00"),
        ("0 0 * * *", "America/Havana", "2026-11-01T00:30:00-05:00", "2026-11-02T00:00-05:00"),
        # Months and leap days.
        ("0 0 31 * *", "UTC", "2026-01-31T00:00:00+00:00", "2026-03-31T00:00+00:00"),
        ("0 0 29 2 *", "UTC", "2026-11-20T00:00:00+00:00", "2028-02-29T00:00+00:00"),
        ("@daily", "Asia/Kathmandu", "2026-11-20T12:00:00+05:45", "2026-11-21T00:00+05:45"),
    ],
)
def test_due_times_around_clock_changes(line: str, tz: str, now: str, expected: str) -> None:
    assert shown(next_due(line, tz, at(now)), tz) == expected


@pytest.mark.parametrize("tz", ZONES)
def test_a_daily_job_runs_exactly_once_on_every_day_of_a_year(tz: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=ZoneInfo(tz)).timestamp() - 1
    end = datetime(2027, 1, 1, tzinfo=ZoneInfo(tz)).timestamp()
    seen = []
    while (now := next_due("30 1 * * *", tz, now)) < end:
        seen.append(datetime.fromtimestamp(now, ZoneInfo(tz)).date())
    first = datetime(2026, 1, 1, tzinfo=UTC).date()
    assert seen == [first + timedelta(days=n) for n in range(365)]


@pytest.mark.parametrize(
    "line", ["", "* * * *", "* * * * * * *", "60 * * * *", "a b c d e", "@reboot", "0 0 * * * ; rm"]
)
def test_what_is_no_cron_line_is_named(line: str) -> None:
    with pytest.raises(ConfigError, match="not a cron line"):
        parse(line)


def test_a_line_that_is_never_due_and_an_unknown_zone_are_named() -> None:
    with pytest.raises(ConfigError, match="never due"):
        next_due("0 0 30 2 *", "UTC", 0.0)
    with pytest.raises(ConfigError, match="not a time zone"):
        next_due("* * * * *", "Mars/Olympus", 0.0)


@pytest.mark.parametrize(
    ("line", "now", "due"),
    [
        ("* * * * * */30", "2026-11-20T12:00:00+00:00", "2026-11-20T12:00:30+00:00"),
        ("* * * * * */30", "2026-11-20T12:00:31+00:00", "2026-11-20T12:01:00+00:00"),
        ("*/10 * * * * 5", "2026-11-20T12:00:05+00:00", "2026-11-20T12:10:05+00:00"),
        # Through the repeated hour in Berlin, every half minute of real time.
        ("* * * * * */30", "2026-10-25T00:59:45+00:00", "2026-10-25T01:00:00+00:00"),
    ],
)
def test_a_sixth_field_is_seconds(line: str, now: str, due: str) -> None:
    assert next_due(line, "Europe/Berlin", at(now)) == at(due)


@pytest.mark.parametrize("line", ["* * * *", "* * * * * * *", "* * * * * 99", "61 * * * * 0"])
def test_what_is_no_line_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="is not a cron line"):
        parse(line)
