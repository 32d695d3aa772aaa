"""The budget of retries: its law, and the window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from freeloader.gateway.retries import AT_LEAST, SHARE, WINDOW_S, RetryBudget


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=200))
def test_no_window_sees_more_than_its_share_or_three(steps: list[tuple[bool, float]]) -> None:
    budget, now = RetryBudget(), 0.0
    requests: list[float] = []
    retries: list[float] = []
    for is_request, gap in steps:
        now += gap
        if is_request:
            budget.request(now)
            requests.append(now)
        elif budget.allow(now):
            retries.append(now)
            recent = [t for t in retries if t > now - WINDOW_S]
            asked = [t for t in requests if t > now - WINDOW_S]
            assert len(recent) <= max(AT_LEAST, SHARE * len(asked) + 1)


def test_a_quiet_daemon_has_three_and_gets_them_back() -> None:
    budget = RetryBudget()
    budget.request(0.0)
    assert [budget.allow(0.0) for _ in range(4)] == [True, True, True, False]
    assert not budget.allow(WINDOW_S - 0.1)
    assert budget.allow(WINDOW_S + 0.1)


def test_one_that_was_answered_gives_its_place_back_once() -> None:
    budget = RetryBudget()
    assert all(budget.allow(float(i) / 10) for i in range(3))
    budget.answered(0.1)
    budget.answered(0.1)
    assert [budget.allow(0.5), budget.allow(0.5)] == [True, False]


def test_a_busy_one_has_a_fifth() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        budget.request(1.0)
    assert sum(budget.allow(1.0) for _ in range(1000)) == 200 > AT_LEAST
