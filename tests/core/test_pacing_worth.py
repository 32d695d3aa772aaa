"""What windows are worth in the long run: against a linear programme, and in plain cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from freeloader.core import quota
from freeloader.core.model import Limit
from freeloader.core.pacing.kinds import Asked
from freeloader.core.pacing.worth import Question, Taker, Worth
from freeloader.core.quota import Window
from freeloader.money import Meters

DAY = 86_400.0
NOON = 1_795_132_800.0 + DAY / 2  # 2026-11-20


def daily(amount: int, name: str, metric: str = "requests", window: str = "1d") -> Window:
    return quota.window_for(Limit(metric, amount, window, "refill", "model"), name, NOON)


def asked(share: float, read: int = 600, written: int = 200, kind: int = 0) -> Asked:
    return Asked((0, kind), share, 0.0, read, written)


def taker(one: Asked, *windows: Window) -> Taker:
    meters = Meters(requests=1, input=one.read, output=one.written)
    return Taker(windows[0].key, [(w, quota.need(w.limit, meters)) for w in windows])


def solved(question: Question, rounds: int = 300, now: float = NOON) -> Worth:
    worth = Worth()
    worth.begin(question, now)
    for _ in range(rounds):
        worth.round()
    return worth


def capacity(question: Question, rates: dict[str, float]) -> float:
    """Requests a day of the mix that can all be served: the linear programme."""
    pairs = [(k, taker) for k, (_, takers) in enumerate(question) for taker in takers]
    rows = list(rates)
    use = np.zeros((len(rows), len(pairs) + 1))
    served = np.zeros((len(question), len(pairs) + 1))
    for at, (k, one) in enumerate(pairs):
        served[k, at] = -1.0
        for window, much in one.claims:
            use[rows.index(window.key), at] += much
    served[:, -1] = [one.share for one, _ in question]
    cost = np.zeros(len(pairs) + 1)
    cost[-1] = -1.0
    bounds = [*rates.values(), *[0.0] * len(question)]
    found = linprog(cost, A_ub=np.vstack([use, served]), b_ub=bounds, method="highs")
    return -float(found.fun)


@given(
    st.lists(st.integers(1, 500), min_size=2, max_size=5),
    st.lists(
        st.tuples(st.floats(0.05, 1), st.sets(st.integers(0, 4), min_size=1)),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=40, deadline=None)
def test_prices_are_those_at_which_a_days_requests_just_fit(
    amounts: Sequence[int], kinds: Sequence[tuple[float, set[int]]]
) -> None:
    """Weak duality: no prices are too low, and those found are nearly the best."""
    windows = [daily(amount, f"w{i}") for i, amount in enumerate(amounts)]
    question = []
    for at, (share, who) in enumerate(kinds):
        one = asked(share, kind=at)
        able = [taker(one, windows[i % len(windows)]) for i in sorted(who)]
        question.append((one, able))
    used = {w.key: w for _, takers in question for one in takers for w, _ in one.claims}
    worth = solved(question)
    whole = sum(share for share, _ in kinds)
    day = sum(window.amount * worth.cost(Taker("", [(window, 1.0)])) for window in used.values())
    most = capacity(question, {key: float(window.amount) for key, window in used.items()})
    assert day / whole >= most * (1 - 1e-6)
    assert day / whole <= most * 1.1
    cheapest = [(one.share, min(worth.cost(t) for t in takers)) for one, takers in question]
    assert sum(share * cost for share, cost in cheapest) / whole == pytest.approx(1.0)


def test_small_ones_cost_less_where_tokens_are_counted_and_large_ones_where_calls_are() -> None:
    tokens, calls = daily(100_000, "tokens", "tokens"), daily(150, "calls")
    small, large = asked(0.7, 200, 100), asked(0.3, 2_500, 500, kind=1)
    question = [(one, [taker(one, tokens), taker(one, calls)]) for one in (small, large)]
    worth = solved(question)
    assert worth.cost(taker(small, tokens)) < worth.cost(taker(small, calls))
    assert worth.cost(taker(large, calls)) < worth.cost(taker(large, tokens))


def test_what_only_the_strong_can_do_makes_the_strong_dear() -> None:
    strong, weak = daily(50, "strong"), daily(500, "weak")
    needy, anybody = asked(0.5), asked(0.5, kind=1)
    pair = [taker(anybody, strong), taker(anybody, weak)]
    worth = solved([(needy, [taker(needy, strong)]), (anybody, pair)])
    assert worth.cost(pair[0]) > 10 * worth.cost(pair[1])


def test_windows_of_minutes_and_of_calls_at_a_time_are_worth_nothing() -> None:
    minute, at_once = daily(5, "m", window="1m"), Limit("concurrency", 2, "", "unknown", "model")
    together = quota.window_for(at_once, "c", NOON)
    one = asked(1.0)
    worth = solved([(one, [Taker("a", [(minute, 1.0), (together, 1.0)])])])
    assert worth.cost(Taker("a", [(minute, 1.0), (together, 1.0)])) == 0.0
    assert worth.cost(taker(one, daily(9, "stranger"))) == 0.0


def test_of_a_month_what_is_left_is_spread_over_its_days() -> None:
    limit = Limit("requests", 1000, "month", "calendar", "model")
    month, day = quota.window_for(limit, "month", NOON), daily(100, "day")
    one = asked(1.0)
    question = [(one, [taker(one, month), taker(one, day)])]
    fresh = solved(question)
    # Eleven days, 95 a day: about as dear as the other's 100.
    assert fresh.cost(question[0][1][0]) == pytest.approx(fresh.cost(question[0][1][1]), rel=0.1)
    month.counter.add(999, NOON, NOON)
    spent = solved(question)
    assert spent.cost(question[0][1][1]) == pytest.approx(1.0, rel=0.05)


def test_a_new_question_goes_on_from_what_is_known_and_forgets_what_is_gone() -> None:
    one = asked(1.0)
    first, second, third = (daily(100 * (i + 1), name) for i, name in enumerate("abc"))
    worth = solved([(one, [taker(one, first), taker(one, second)])])
    before = worth.cost(taker(one, first))
    worth.begin([(one, [taker(one, first), taker(one, second)])], NOON)
    assert worth.cost(taker(one, first)) == pytest.approx(before)
    worth.begin([(one, [taker(one, second), taker(one, third)])], NOON)
    assert worth.cost(taker(one, first)) == 0.0
    for _ in range(100):
        worth.round()
    assert worth.cost(taker(one, third)) == pytest.approx(1.0, rel=0.1)
    worth.begin([], NOON)
    worth.round()
    assert worth.cost(taker(one, third)) == 0.0
