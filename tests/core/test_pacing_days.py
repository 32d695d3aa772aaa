"""Days like the usual one, one after another: what a unit of each window is worth on them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core import quota
from freeloader.core.model import Limit
from freeloader.core.pacing import days
from freeloader.core.pacing.claims import Usual, gain
from freeloader.core.pacing.demand import Demand
from freeloader.core.pacing.fluid import Fluid
from freeloader.core.pacing.kinds import Asked
from freeloader.core.pacing.worth import Question, Taker
from freeloader.money import Meters

NOON = 1_795_132_800.0 + 43_200.0
SMALL, LARGE = (
    Meters(requests=1, input=600, output=200),
    Meters(requests=1, input=3_000, output=200),
)


def prices(question: Question, rounds: int = 300) -> dict[object, float]:
    """Of a day of a hundred requests, which is what a household is taken to ask."""
    fluid = Fluid()
    fluid.begin(days.programme(question, Demand(), NOON))
    for _ in range(rounds):
        fluid.round()
    return dict(fluid.prices())


def kind(level: int, share: float, need: float, size: Meters, *limits: Limit) -> object:
    takers = []
    for limit in limits:
        window = quota.window_for(limit, f"{limit.metric} {limit.amount}", NOON)
        takers.append(Taker(window.key, [(window, quota.need(limit, size))]))
    return Asked((level, size.input), share, need, size.input, size.output), takers


def limit(metric: str, amount: int, reset: str = "refill") -> Limit:
    return Limit(metric, amount, "1d", reset, "model")


def test_where_a_day_gives_enough_nothing_is_missed_later() -> None:
    found = prices([kind(0, 1.0, 0.0, SMALL, limit("requests", 200))])  # type: ignore[list-item]
    assert found == {"requests 200": pytest.approx(0.0, abs=0.05)}


@given(st.integers(5, 70), st.sampled_from([0.0, 5.0, 8.5]))
@settings(max_examples=20, deadline=None)
def test_where_it_is_short_a_unit_is_worth_what_it_would_serve(amount: int, need: float) -> None:
    """However much of it is stored: on the next day somebody else would be served from that."""
    found = prices([kind(0, 1.0, need, SMALL, limit("requests", amount))])  # type: ignore[list-item]
    assert found[f"requests {amount}"] == pytest.approx(gain(need), rel=0.12)


def test_small_ones_miss_what_a_large_one_takes_from_them() -> None:
    """Tokens do for all small ones, or for some large ones, for which there are also calls."""
    tokens, calls = limit("tokens", 40_000), limit("requests", 30, "calendar")
    small = kind(0, 0.5, 0.0, SMALL, tokens, calls)
    large = kind(0, 0.5, 0.0, LARGE, tokens, calls)
    question = [small, large]
    usual = Usual(question)  # type: ignore[arg-type]
    found = prices(question)  # type: ignore[arg-type]
    of_small, of_large = (
        {key: part * found[key] for taker in takers for key, part in usual.parts(taker)}
        for _, takers in question  # type: ignore[misc]
    )
    assert of_small["tokens 40000"] < of_small["requests 30"]
    assert of_large["tokens 40000"] > of_large["requests 30"]
    assert of_large["tokens 40000"] > gain(0.0)  # never worth it


def test_of_a_month_the_rest_is_spread_over_its_days() -> None:
    """It is noon of the 20th of November."""
    month = Limit("requests", 700, "month", "calendar", "model")
    window = quota.window_for(month, "m", NOON)
    programme = days.programme(
        [(Asked((0, 10), 1.0, 0.0, 600, 200), [Taker("m", [(window, 1.0)])])], Demand(), NOON
    )
    assert programme.names == ["m"]
    assert programme.supply == pytest.approx([700 / 10.5])
    assert [cell.asked for cell in programme.cells] == [pytest.approx(100.0)]
