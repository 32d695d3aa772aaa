"""How long a window lasts at the rate of late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core.quota.forecast import Flow, lasts_until


def test_a_steady_flow_has_its_rate_from_the_first_minute_to_the_last_day() -> None:
    flow = Flow()
    for second in range(0, 7200, 10):
        flow.add(5, float(second))
        if second in (60, 600, 7190):
            assert flow.per_second(second) == pytest.approx(0.5, rel=0.2)


def test_what_stopped_long_ago_is_no_rate() -> None:
    flow = Flow()
    for second in range(600):
        flow.add(1, float(second))
    assert flow.per_second(600 + 6 * 3600) < 1e-8


def test_a_few_calls_at_once_foretell_nothing() -> None:
    flow = Flow()
    for _ in range(10):
        flow.add(1, 100.0)
    assert flow.per_second(100.0) == flow.per_second(110.0) == flow.per_second(175.0) == 0


@pytest.mark.parametrize(
    ("left", "rate", "back", "reset", "end"),
    [
        (100, 0.5, 0, None, 200),
        (100, 0.5, 0, 150, None),  # it resets before
        (100, 0.5, 0.6, None, None),  # more comes back than goes
        (100, 0.5, 0.25, None, 400),
        (0, 0.5, 0, None, 0),
        (5, 0, 0, None, None),
    ],
)
def test_the_end(
    left: float, rate: float, back: float, reset: float | None, end: float | None
) -> None:
    assert lasts_until(left, rate, back, 0.0, reset) == end


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e6)), max_size=20),
    st.floats(-1e7, 1e7),
)
def test_clock_jumps_never_break_it(steps: list[tuple[float, float]], now: float) -> None:
    flow = Flow()
    for at, amount in steps:
        flow.add(amount, at)
    assert 0 <= flow.per_second(now) < 1e9
