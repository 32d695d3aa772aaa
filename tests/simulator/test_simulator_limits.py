"""Laws of the limit arithmetic, with time passed in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.simulator.limits import Calendar, Once, Refill, Rolling, make_window, window_seconds

START = 1_795_000_000.0
steps = st.lists(
    st.tuples(st.floats(0, 90, allow_nan=False), st.integers(1, 40)), min_size=1, max_size=60
)


def _admitted(window, plan):
    """Runs a plan of (pause, need); returns the moments and amounts that passed."""
    now, passed = START, []
    for pause, need in plan:
        now += pause
        if need <= window.left(now):
            window.take(need, now)
            passed.append((now, need))
    return passed


@given(st.integers(5, 50), steps)
def test_a_rolling_window_never_lets_more_than_its_amount_through_in_any_window(amount, plan):
    passed = _admitted(Rolling(amount, 60), plan)
    for end, _ in passed:
        assert sum(n for at, n in passed if end - 60 < at <= end) <= amount


@given(st.integers(5, 50), steps)
def test_a_bucket_lets_at_most_its_amount_plus_the_refill_through(amount, plan):
    passed = _admitted(Refill(amount, 60), plan)
    for i, (begin, _) in enumerate(passed):
        for j in range(i, len(passed)):
            total = sum(n for _, n in passed[i : j + 1])
            assert total <= amount + (passed[j][0] - begin) * amount / 60 + 1e-3


@given(st.integers(5, 50), steps)
def test_a_calendar_minute_never_holds_more_than_its_amount(amount, plan):
    passed = _admitted(Calendar(amount, "1m"), plan)
    for minute in {at // 60 for at, _ in passed}:
        assert sum(n for at, n in passed if at // 60 == minute) <= amount


@pytest.mark.parametrize("reset", ["refill", "rolling", "calendar"])
@given(amount=st.integers(5, 50), plan=steps, need=st.integers(1, 60))
def test_after_the_told_wait_the_request_fits_and_not_long_before(reset, amount, plan, need):
    window = make_window(amount, "1m", reset)
    now = START
    for pause, count in plan:
        now += pause
        if count <= window.left(now):
            window.take(count, now)
    wait = window.wait(need, now)
    if need > amount:
        assert wait is None
        return
    assert wait is not None
    assert (wait == 0) == (need <= window.left(now))
    assert window.left(now + wait + 1e-3) >= need


@pytest.mark.parametrize("reset", ["refill", "rolling"])
@given(amount=st.integers(5, 50), plan=steps)
def test_when_it_says_it_is_full_it_is_full(reset, amount, plan):
    window = make_window(amount, "1m", reset)
    passed = _admitted(window, plan)
    now = START + sum(pause for pause, _ in plan)
    assert len(passed) <= len(plan)
    assert window.left(now + window.full_in(now) + 1e-3) == amount


@given(st.integers(1, 40), st.integers(0, 40))
def test_a_refund_gives_back_what_was_taken(taken, used):
    window = Refill(50, 60)
    window.take(taken, START)
    window.take(used - taken, START)
    assert window.left(START) == 50 - used


def test_the_captured_groq_arithmetic_holds():
    # Limit 8000, Used 2591, Requested 5863 -> "Please try again in 3.405s"
    window = Refill(8000, 60)
    window.take(2591, START)
    assert window.wait(5863, START) == pytest.approx(3.405, abs=1e-6)
    # (97050 + 3619 - 100000) / (100000 / 86400) = 578.016 s, printed 9m38.016s
    day = Refill(100000, 86400)
    day.take(97050, START)
    assert day.wait(3619, START) == pytest.approx(578.016, abs=1e-6)
    # one call of 1,000 a day: x-ratelimit-reset-requests 1m26.4s
    requests = Refill(1000, 86400)
    requests.take(1, START)
    assert requests.full_in(START) == pytest.approx(86.4)


@pytest.mark.parametrize(
    ("window", "zone", "now", "boundary"),
    [
        ("1d", "America/Los_Angeles", "2026-11-20T12:00:00", "2026-11-21T08:00:00"),
        # the night clocks go back: 25 hours from midnight to midnight
        ("1d", "America/Los_Angeles", "2026-11-01T07:30:00", "2026-11-02T08:00:00"),
        ("1d", "America/Los_Angeles", "2026-03-08T09:00:00", "2026-03-09T07:00:00"),
        ("1d", "UTC", "2026-12-31T23:59:59", "2027-01-01T00:00:00"),
        ("month", "UTC", "2026-12-31T23:59:59", "2027-01-01T00:00:00"),
        ("month", "UTC", "2028-02-29T12:00:00", "2028-03-01T00:00:00"),
        ("1m", "UTC", "2026-11-20T12:00:30", "2026-11-20T12:01:00"),
    ],
)
def test_calendar_boundaries(window, zone, now, boundary):
    at = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()
    ends = datetime.fromisoformat(boundary).replace(tzinfo=UTC).timestamp()
    limit = Calendar(3, window, zone)
    limit.take(3, at)
    assert limit.wait(1, at) == ends - at
    assert limit.left(ends - 0.001) == 0
    assert limit.left(ends) == 3


def test_credits_never_come_back():
    purse = Once(10)
    purse.take(8, START)
    assert purse.wait(2, START) == 0
    assert purse.wait(3, START + 10**9) is None


@pytest.mark.parametrize("word", ["", "m", "0m", "1y", "-1d", "1.5h"])
def test_a_window_that_is_none_is_refused(word):
    with pytest.raises(ValueError, match="not a window"):
        window_seconds(word)
