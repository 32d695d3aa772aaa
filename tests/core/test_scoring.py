"""Score terms: absolute, monotone, and each explained with its numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core.model import Account, Deployment, Model, Provider, Weights
from freeloader.core.ranking import scoring
from freeloader.core.snapshot import UNMEASURED, Health
from freeloader.money import Price


def deployment(
    *,
    kind: str = "cloud",
    tier: str = "free",
    free: bool = True,
    price: float | None = None,
    speed: float | None = 5.0,
    intelligence: float | None = 5.0,
) -> Deployment:
    provider = Provider("p", "P", kind, "active", "p", "openai", None)
    rate = None if price is None else Price(int(price * 1_000_000), int(price * 1_000_000))
    model = Model("m", "p", "m", intelligence, speed, price=rate, free=free)
    return Deployment("p@0/m", provider, Account("p", 0, tier), model, "p/m", None)


def of(name: str, found: Deployment, health: Health = UNMEASURED) -> tuple[float, str]:
    terms = {t.name: t for t in scoring.terms(found, health, Weights(), True)}
    return terms[name].value, terms[name].why


@pytest.mark.parametrize(
    ("found", "value", "said"),
    [
        (deployment(), 1.0, "free tier"),
        (deployment(kind="local", tier="paid", free=False), 1.0, "costs nothing"),
        (deployment(tier="paid", price=1.0), 0.5, "$1/M"),
        (deployment(tier="paid", price=3.0), 0.25, "$3/M"),
        (deployment(tier="paid", price=0.0), 1.0, "$0/M"),
        (deployment(tier="paid"), 0.0, "price unknown"),
        (deployment(tier="free", free=False, price=1.0), 0.5, "$1/M"),
    ],
)
def test_cost(found: Deployment, value: float, said: str) -> None:
    got, why = of("cost", found)
    assert got == pytest.approx(value)
    assert said in why


def test_input_counts_three_times_in_the_blended_price() -> None:
    found = deployment(tier="paid")
    found = replace(found, model=replace(found.model, price=Price(1_000_000, 5_000_000)))
    assert scoring.blended_price(found) == pytest.approx(2.0)


def test_speed_moves_from_the_prior_to_what_was_measured() -> None:
    found = deployment(speed=5.0)
    fast = [Health(n, 1.0, 100.0, 10.0, 3000.0) for n in (0, 1, 10, 90)]
    values = [of("speed", found, health)[0] for health in fast]
    assert values == pytest.approx([0.5, 0.5 + 0.5 / 11, 0.75, 0.95])
    assert "3000 tok/s over 90 samples" in of("speed", found, fast[-1])[1]


@pytest.mark.parametrize(("rate", "speed"), [(1, 1), (10, 1), (3000, 10), (9999, 10)])
def test_speed_scale(rate: float, speed: float) -> None:
    assert scoring.speed_of_rate(rate) == pytest.approx(speed)


def test_what_is_unknown_scores_low_and_says_so() -> None:
    found = deployment(speed=None, intelligence=None)
    assert of("speed", found) == (pytest.approx(0.3), "speed unknown, taken as 3")
    assert of("quality", found) == (pytest.approx(0.1), "intelligence unknown, counted as 0.1")


def test_local_preference_is_asked_for_and_small() -> None:
    near, far = deployment(kind="local"), deployment()
    assert "local" not in {t.name for t in scoring.terms(near, UNMEASURED, Weights(), False)}
    gain = scoring.score(near, UNMEASURED, Weights(), True)
    gain -= scoring.score(far, UNMEASURED, Weights(), True)
    assert gain == pytest.approx(scoring.LOCAL_SHARE)


@pytest.mark.parametrize("size", [5e-324, 1e-311, 1.0, 1e308])
def test_only_the_proportion_of_weights_counts(size: float) -> None:
    assert scoring.shares(Weights(size, size, 0), False) == (0.5, 0.5, 0.0, 0.0)


def test_all_zero_weights_are_equal_weights() -> None:
    found = deployment(speed=3.0, intelligence=6.0)
    zero, one = Weights(0, 0, 0), Weights(1, 1, 1)
    assert scoring.score(found, UNMEASURED, zero, False) == pytest.approx(
        scoring.score(found, UNMEASURED, one, False)
    )


numbers = st.floats(min_value=0, max_value=10, allow_nan=False)
weights = st.builds(Weights, numbers, numbers, numbers)
healths = st.builds(
    Health,
    st.integers(0, 1000),
    st.floats(0, 1),
    st.floats(1, 1e5),
    st.floats(1, 1e5),
    st.floats(0, 1e4),
)
deployments = st.builds(
    deployment,
    kind=st.sampled_from(["cloud", "local"]),
    tier=st.sampled_from(["free", "paid"]),
    free=st.booleans(),
    price=st.none() | st.floats(0, 500),
    speed=st.none() | st.floats(1, 10),
    intelligence=st.none() | st.floats(1, 10),
)


@given(deployments, healths, weights, st.booleans())
def test_the_score_is_the_sum_of_its_terms(
    found: Deployment, health: Health, wanted: Weights, local: bool
) -> None:
    terms = scoring.terms(found, health, wanted, local)
    whole = scoring.score(found, health, wanted, local)
    assert whole == pytest.approx(sum(t.value * t.weight for t in terms))
    assert sum(t.weight for t in terms) == pytest.approx(1.0)
    assert -1e-9 <= whole <= 1 + 1e-9
    assert all(0 <= t.value <= 1 and t.why for t in terms)


@given(st.floats(0, 500), st.floats(0, 500), healths, weights)
def test_cheaper_is_never_worse(one: float, other: float, health: Health, wanted: Weights) -> None:
    low, high = sorted((one, other))
    cheap, dear = (
        scoring.score(deployment(tier="paid", price=p), health, wanted, False) for p in (low, high)
    )
    assert cheap >= dear - 1e-12


@given(st.floats(1, 10), st.floats(1, 10), healths, weights)
def test_cleverer_is_never_worse(one: float, other: float, health: Health, wanted: Weights) -> None:
    low, high = sorted((one, other))
    dull, bright = (
        scoring.score(deployment(intelligence=i), health, wanted, False) for i in (low, high)
    )
    assert bright >= dull - 1e-12


@given(st.floats(1, 1e4), st.floats(1, 1e4), st.integers(1, 500), weights)
def test_faster_is_never_worse(one: float, other: float, samples: int, wanted: Weights) -> None:
    low, high = sorted((one, other))
    slow, quick = (
        scoring.score(deployment(), Health(samples, 1.0, 1.0, 1.0, rate), wanted, False)
        for rate in (low, high)
    )
    assert quick >= slow - 1e-12
