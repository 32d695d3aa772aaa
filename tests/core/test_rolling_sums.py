"""A sliding window's kept sum is the sum of what lies in it, whatever the clock does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core.quota.rolling import Rolling

SPAN = 60.0
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "put", "look", "reload"]),
        st.integers(0, 1_000),
        st.floats(-90.0, 90.0, allow_nan=False),
    ),
    max_size=40,
)


def in_it(window: Rolling, now: float) -> float:
    state = window.dump()
    end, others = state["others"]
    mine = sum(amount for ends, amount, _ in state["slices"] if ends + SPAN > now)
    return mine + (others if end + SPAN > now else 0.0)


@given(STEPS)
@settings(max_examples=80, deadline=None)
def test_the_kept_sum_is_the_sum(steps: list[tuple[str, int, float]]) -> None:
    window, now = Rolling(SPAN), 1_000_000.0
    for what, amount, later in steps:
        now += later
        if what == "add":
            window.add(float(amount), now, now)
        elif what == "put":
            window.put(float(amount), now)
        elif what == "reload":
            state, window = window.dump(), Rolling(SPAN)
            window.load(state)
        assert window.used(now) == in_it(window, now)
        assert window.used(now + 2 * SPAN) == 0
        assert window.used(now) == in_it(window, now)  # looking ahead has changed nothing


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["passed", "told", "look"]),
            st.integers(0, 1_000),
            st.sampled_from([0.0, 0.25, 0.75, 1.0, 7.5, 61.0, -0.5, -3.0, -100.0]),
        ),
        max_size=40,
    )
)
@settings(max_examples=80, deadline=None)
def test_passed_is_add_and_a_look(steps: list[tuple[str, int, float]]) -> None:
    quick, plain, now = Rolling(SPAN), Rolling(SPAN), 1_000_000.0
    for what, amount, later in steps:
        now += later
        if what == "passed":
            plain.add(float(amount), now, now)
            assert quick.passed(float(amount), now) == plain.used(now)
        elif what == "told":
            quick.told(float(amount), 0.0, now, now - 1)
            plain.told(float(amount), 0.0, now, now - 1)
        assert quick.used(now) == plain.used(now)
        assert quick.dump() == plain.dump()


@given(st.lists(st.floats(0.0, 400.0), max_size=60), st.floats(0.0, 500.0))
def test_a_shorter_window_that_begins_late_has_counted_all_of_it(
    moments: list[float], later: float
) -> None:
    """Nothing recent is forgotten, and of what is old no more than one slice is counted."""
    longer, shorter, start = Rolling(600.0), Rolling(SPAN), 1_000_000.0
    for moment in sorted(moments):
        longer.add(1.0, start + moment, start + moment)
    now = start + max(moments, default=0.0) + later
    shorter.begin([longer], now)
    within = sum(start + moment > now - SPAN for moment in moments)
    nearly = sum(start + moment > now - SPAN - 600.0 / 60 for moment in moments)
    assert within <= shorter.used(now) <= nearly
    assert shorter.used(now + SPAN + SPAN / 60) == 0


@pytest.mark.parametrize("amount", [1, 15, 30, 59])
def test_a_window_that_is_always_full_loses_next_to_nothing_going_round(amount: int) -> None:
    """Somebody asks every second for three hours, of a window of an hour."""
    window, start, taken = Rolling(3600.0), 1_000_000.25, list[float]()
    for second in range(3 * 3600 + amount + 10):
        now = start + second
        if window.used(now) + 1 <= amount:
            window.add(1.0, now, now)
            taken.append(now)
    assert len(taken) == 4 * amount  # in slices of a minute the last would be minutes late
    rounds = zip(taken, taken[amount:], strict=False)
    assert all(later - earlier >= 3600.0 for earlier, later in rounds)


@given(st.lists(st.floats(0.0, 30.0), min_size=200, max_size=600), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_slices_are_few_and_nothing_recent_is_forgotten(steps: list[float], much: int) -> None:
    window, now, sent = Rolling(SPAN), 1_000_000.0, list[float]()
    for step in steps:
        now += step / 20
        window.add(float(much), now, now)
        sent.append(now)
        within = much * sum(at > now - SPAN for at in sent)
        assert within <= window.used(now) <= much * sum(at > now - SPAN - 1.0 for at in sent)
        assert len(window.dump()["slices"]) <= 121
