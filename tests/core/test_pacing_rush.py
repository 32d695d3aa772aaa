"""The latest minutes: how busy, how unlike the usual, and for how long that lasts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core.pacing.rush import Rush

START = 1_795_132_800.0
USUAL = 0.1


def busy(rush: Rush, start: float, seconds: float, rate: float, usual: float = USUAL) -> float:
    """Requests at an even rate, each with its question whether there is something to learn."""
    count = round(seconds * rate)
    for i in range(count):
        at = start + i / rate
        if rush.ends(at):
            rush.learn(usual, at)
        rush.note(at)
    return start + seconds


def part(rush: Rush, now: float, start: float, end: float, usual: float = USUAL) -> float:
    """What lasts of the unusual, of all of it."""
    rate = rush.rate(now)
    assert rate is not None
    return (rush.unlike(usual, now, start, end) - 1.0) / (rate / usual - 1.0)


def test_few_requests_and_those_of_long_ago_say_nothing() -> None:
    rush = Rush()
    end = busy(rush, START, 7, 1.0)
    assert rush.rate(end) is None
    assert rush.unlike(USUAL, end, 0, 600) == 1.0
    end = busy(rush, end, 100, 1.0)
    assert rush.rate(end) == pytest.approx(1.0, rel=0.1)
    assert rush.rate(end + 601) is None


def test_what_is_like_the_usual_changes_nothing() -> None:
    rush = Rush()
    end = busy(rush, START, 600, 0.12)
    assert rush.unlike(USUAL, end, 0, 600) == 1.0


def test_where_nothing_is_usual_nothing_is_learnt() -> None:
    rush = Rush()
    before = rush.sums
    end = busy(rush, START, 3 * 600, 0.5, usual=0.0)
    assert rush.sums == before
    assert rush.unlike(0.0, end, 0, 600) == 1.0


def test_before_anything_was_tried_it_is_taken_to_last() -> None:
    rush = Rush()
    end = busy(rush, START, 120, 0.5)
    assert part(rush, end, 0, 600) > 0.9
    assert part(rush, end, 600, 3600) > 0.6


def test_rushes_that_are_soon_over_are_taken_to_be_so() -> None:
    rush, at = Rush(), START
    for _ in range(20):  # five minutes of each hour
        at = busy(rush, at, 300, 1.0)
        at = busy(rush, at, 3300, 0.02)
    end = busy(rush, at, 200, 1.0)
    assert part(rush, end, 0, 600) < 0.7
    assert part(rush, end, 3600, 10800) < 0.05


def test_what_lasted_for_hours_is_taken_to_last() -> None:
    rush, at = Rush(), START
    for _ in range(5):  # eight hours of each day
        at = busy(rush, at, 8 * 3600, 0.5)
        at = busy(rush, at, 16 * 3600, 0.02)
    end = busy(rush, at, 600, 0.5)
    assert part(rush, end, 0, 600) > 0.9
    assert part(rush, end, 3600, 10800) > 0.4


@given(
    st.lists(st.tuples(st.floats(1, 3000), st.floats(0.001, 5)), min_size=1, max_size=12),
    st.floats(0.001, 2),
    st.floats(0, 86400),
    st.floats(1, 86400),
)
@settings(max_examples=60, deadline=None)
def test_it_says_between_nothing_and_all_of_it_and_less_of_later(
    spans: list[tuple[float, float]], usual: float, start: float, length: float
) -> None:
    rush, at = Rush(), START
    for seconds, rate in spans:
        at = busy(rush, at, min(seconds, 500 / rate), rate, usual)
    rate = rush.rate(at)
    soon = rush.unlike(usual, at, start, start + length)
    later = rush.unlike(usual, at, start + length, start + 2 * length)
    if rate is None or 1 / 1.5 < rate / usual < 1.5:
        assert soon == later == 1.0
    elif rate > usual:
        assert 1.0 <= later <= soon <= max(1.0, min(10.0, rate / usual))
    else:
        assert rate / usual <= soon <= later <= 1.0


def test_what_was_learnt_is_kept_and_nonsense_is_not_taken() -> None:
    rush = Rush()
    busy(rush, busy(rush, START, 300, 1.0), 3300, 0.02)
    other = Rush()
    other.put(rush.sums)
    at = START + 9 * 86400
    assert part(other, busy(other, at, 60, 1.0), 0, 600) == part(
        rush, busy(rush, at, 60, 1.0), 0, 600
    )
    for sums in ((1.0, 0.0), (float("inf"), 1.0), (float("nan"), 1.0), (1.0, float("nan"))):
        with pytest.raises(ValueError, match="rush"):
            other.put(sums)
