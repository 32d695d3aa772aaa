"""What a unit of each free quota is worth: prices find who is to serve whom."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core import quota
from freeloader.core.model import Limit
from freeloader.core.pacing import plan
from freeloader.core.pacing.demand import Demand
from freeloader.core.pacing.prices import Kind, Prices
from freeloader.money import Meters

DAY = 86400.0
NOON = 1_795_132_800.0 + DAY / 2


def settled(kinds: list[Kind], supply: dict[str, float], steps: int = 400) -> Prices:
    prices = Prices()
    for _ in range(steps):
        prices.step(kinds, supply)
    return prices


def cheapest(prices: Prices, kind: Kind) -> str:
    def cost(offer: tuple[tuple[str, float], ...]) -> float:
        return sum(prices.weight(key) * much for key, much in offer)

    return min(kind.offers, key=cost)[0][0]


def test_what_only_the_strong_can_do_makes_the_strong_dear() -> None:
    anybody = Kind(100, 1.0, [(("strong", 1.0),), (("weak", 1.0),)])
    needy = Kind(100, 2.0, [(("strong", 1.0),)])
    prices = settled([anybody, needy], {"strong": 100.0, "weak": 100.0})
    assert prices.weight("strong") > prices.weight("weak")
    # Equals that nobody needs more of cost alike: the strong alone is nothing.
    alike = settled([anybody], {"strong": 100.0, "weak": 100.0})
    assert alike.weight("strong") == alike.weight("weak")


def test_small_ones_go_to_tokens_and_large_ones_to_requests() -> None:
    small = Kind(100, 1.0, [(("tokens", 0.3),), (("requests", 1.0),)])
    large = Kind(30, 1.0, [(("tokens", 3.5),), (("requests", 1.0),)])
    prices = settled([small, large], {"tokens": 32.0, "requests": 30.0})
    assert (cheapest(prices, small), cheapest(prices, large)) == ("tokens", "requests")


def test_what_is_there_in_plenty_costs_next_to_nothing() -> None:
    prices = settled([Kind(10, 1.0, [(("a", 1.0),)])], {"a": 1000.0})
    assert prices.weight("a") < 0.15 < prices.weight("never seen") == 1.0


_OFFERS = st.lists(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 50)), max_size=3).map(tuple), max_size=4
)


@given(
    st.lists(st.builds(Kind, st.floats(0, 1e6), st.floats(0.5, 3), _OFFERS), max_size=6),
    st.dictionaries(st.sampled_from("abcd"), st.floats(1e-6, 1e6), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_prices_are_bounded_the_same_for_the_same_and_survive_a_restart(
    kinds: list[Kind], supply: dict[str, float]
) -> None:
    prices = settled(kinds, supply, 20)
    assert prices.dump() == settled(kinds, supply, 20).dump()
    assert all(0.001 <= price <= 10 for price in prices.dump().values())
    again = Prices()
    again.load(prices.dump())
    assert again.dump() == prices.dump()
    assert set(prices.dump()) == set(supply)


@pytest.mark.parametrize("state", [{"a": "x"}, {"a": -1.0}, {"a": float("nan")}, {"a": None}])
def test_what_is_no_dump_is_refused(state: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Prices().load(state)


def test_however_dear_a_window_that_is_on_plan_never_refuses() -> None:
    limit = Limit("requests", 20, "1d", "calendar", "model")
    window, demand = quota.window_for(limit, "w", NOON), Demand()
    window.counter.add(10, NOON, NOON)
    prices = settled([Kind(1e6, 3.0, [(("w", 1.0),)])], {"w": 1.0})
    one = Meters(requests=1, input=600, output=200)
    found = plan.strain([window], one, 9.0, 9.0, demand, NOON, prices)
    assert found.value > plan.FIRM
    assert found.spares
    assert not found.firm  # ``strict`` asks how it stands with its plan


def test_sorts_are_needs_and_sizes_and_survive_a_restart() -> None:
    demand = Demand()
    for _ in range(3):
        demand.note(0.0, "", 150, 100, NOON)
    demand.note(7.0, "chat", 2400, 600, NOON)
    assert not demand.known
    found = sorted(demand.sorts())
    assert found == [(0.0, 0.75, 150, 100), (7.0, 0.25, 2400, 600)]
    demand.note(0.0, "", 150, 100, NOON + 3600)
    assert demand.known
    again = Demand()
    again.load(demand.dump())
    assert again.sorts() == demand.sorts()
    older = {name: value for name, value in demand.dump().items() if name != "sorts"}
    again.load(older)
    assert again.sorts() == []
