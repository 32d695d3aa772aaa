"""Integer money: exact, monotone, and never guessed in our favour."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.money import (
    Meters,
    Price,
    PriceTier,
    pico_from_usd,
    rate_from_usd,
    usd_from_pico,
)

_count = st.integers(0, 10**7)
meters = st.builds(
    Meters, requests=_count, input=_count, cache_read=_count, cache_write=_count, output=_count
)
_rate = st.integers(0, 10**9)
prices = st.builds(
    Price,
    input=_rate,
    output=_rate,
    cache_read=st.none() | _rate,
    cache_write=st.none() | _rate,
    per_request=_rate,
    tiers=st.lists(
        st.builds(PriceTier, above=st.integers(0, 10**6), input=_rate, output=_rate), max_size=2
    ).map(lambda t: tuple(sorted(t, key=lambda x: x.above))),
)


def test_a_known_bill() -> None:
    price = Price(rate_from_usd("0.15"), rate_from_usd("0.60"))
    assert price.cost(Meters(requests=1, input=1_000_000, output=1_000_000)) == pico_from_usd(
        "0.75"
    )


def test_cached_input_has_its_own_rate_and_is_plain_input_where_unknown() -> None:
    used = Meters(cache_read=100)
    assert Price(10, 0, cache_read=1).cost(used) == 100
    assert Price(10, 0).cost(used) == 1_000


@pytest.mark.parametrize(("tokens", "expected"), [(200_000, 200_000), (200_001, 400_002)])
def test_a_size_tier_counts_from_above_its_bound_for_the_whole_input(
    tokens: int, expected: int
) -> None:
    price = Price(1, 0, tiers=(PriceTier(200_000, 2, 0),))
    assert price.cost(Meters(input=tokens)) == expected


@given(prices, meters)
def test_the_ceiling_is_never_below_the_cost(price: Price, used: Meters) -> None:
    assert price.ceiling(used) >= price.cost(used) >= 0


@given(prices, meters, st.integers(0, 10**7))
def test_the_ceiling_bounds_every_split_into_cached_and_plain(
    price: Price, used: Meters, moved: int
) -> None:
    """Before the call nobody knows what will be cached: the hold must cover any split."""
    plain = Meters(
        requests=used.requests,
        input=used.input + used.cache_read + used.cache_write,
        output=used.output,
    )
    assert price.ceiling(plain) >= price.cost(used)


@given(meters, meters)
def test_meters_add_up(a: Meters, b: Meters) -> None:
    assert (a + b).tokens() == a.tokens() + b.tokens()
    assert (a + b).tokens({"cacheRead"}) == (a + b).tokens() - a.cache_read - b.cache_read


@given(st.decimals(0, 10**6, places=12))
def test_dollars_survive_the_way_to_integers(usd: Decimal) -> None:
    assert Decimal(pico_from_usd(usd)) / 10**12 == usd


@pytest.mark.parametrize("bad", ["-1", "nan", "inf", -0.01])
def test_what_is_no_amount_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="not a"):
        pico_from_usd(bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not a"):
        rate_from_usd(bad)  # type: ignore[arg-type]


def test_a_fraction_of_the_smallest_unit_is_rounded_up() -> None:
    assert pico_from_usd("0.0000000000001") == 1
    assert usd_from_pico(1) == 1e-12


def test_metrics_go_by_either_spelling() -> None:
    used = Meters(cache_read=3, input=4)
    assert used.amount("cacheRead") == used.amount("cache_read") == 3
    assert used.amount("tokens", ("cacheRead",)) == 4
    assert used.as_dict() == {"input": 4, "cacheRead": 3}
