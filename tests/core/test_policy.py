"""Preferences by the nearest, constraints by intersection, each with its origin."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core.model import FallbackPlan, Gates, Level, Weights
from freeloader.core.policy import PRESETS, combine, tighten

_number = st.none() | st.floats(0, 10)
_names = st.frozensets(st.sampled_from(["a", "b", "c", "d"]))


@st.composite
def gates(draw: st.DrawFn) -> Gates:
    return Gates(
        min_intelligence=draw(_number),
        max_intelligence=draw(_number),
        min_speed=draw(_number),
        max_latency=draw(_number),
        min_context=draw(st.none() | st.integers(0, 100)),
        required_capabilities=draw(_names),
        blocked_providers=draw(_names),
        allowed_providers=draw(st.none() | _names),
        local_only=draw(st.booleans()),
        free_only=draw(st.booleans()),
    )


def _tighter(a: Gates, b: Gates) -> bool:
    """True where ``a`` lets through nothing that ``b`` refuses."""
    for f in fields(Gates):
        x, y = getattr(a, f.name), getattr(b, f.name)
        if f.name.startswith("min") and y is not None and (x is None or x < y):
            return False
        if f.name.startswith("max") and y is not None and (x is None or x > y):
            return False
        if isinstance(y, bool) and y and not x:
            return False
        if f.name in ("required_capabilities", "blocked_providers") and not x >= y:
            return False
        if f.name == "allowed_providers" and y is not None and (x is None or not x <= y):
            return False
    return True


@given(st.lists(gates(), min_size=1, max_size=4))
def test_no_level_can_loosen_another(every: list[Gates]) -> None:
    together = tighten([Level(str(i), gates=g) for i, g in enumerate(every)])
    assert all(_tighter(together, one) for one in every)


@given(st.lists(gates(), min_size=1, max_size=4), st.randoms())
def test_constraints_do_not_depend_on_the_order_of_levels(every: list[Gates], rng: object) -> None:
    levels = [Level(str(i), gates=g) for i, g in enumerate(every)]
    shuffled = list(levels)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert tighten(levels) == tighten(shuffled)


def test_preferences_come_from_the_nearest_level_and_say_so() -> None:
    policy = combine(
        [
            Level("request", max_wait_ms=1),
            Level("key", strategy="cost-first", max_wait_ms=2),
            Level("settings", strategy="balanced", prefer_local=True),
        ]
    )
    assert (policy.strategy, policy.max_wait_ms, policy.prefer_local) == ("cost-first", 1, True)
    assert policy.origins["strategy"] == "key"
    assert policy.origins["max_wait_ms"] == "request"
    assert policy.origins["prefer_local"] == "settings"


def test_weights_of_settings_do_not_bend_the_strategy_a_request_chose() -> None:
    policy = combine(
        [
            Level("request", strategy="quality-first"),
            Level("settings", strategy="balanced", weights=Weights(1, 0, 0)),
        ]
    )
    assert policy.weights == PRESETS["quality-first"].weights


def test_weights_said_beside_the_strategy_win_over_its_preset() -> None:
    mine = Weights(0.1, 0.2, 0.7)
    policy = combine([Level("request", strategy="cost-first", weights=mine), Level("settings")])
    assert policy.weights == mine


def test_the_presets_gates_bind_whatever_levels_say() -> None:
    request = Level("request", strategy="quality-first", gates=Gates(min_intelligence=2))
    assert combine([request, Level("settings")]).gates.min_intelligence == 7


def test_caps_take_the_smallest() -> None:
    policy = combine([Level("request", max_cost=5), Level("key", max_cost=3), Level("settings")])
    assert policy.max_cost == 3
    assert policy.origins["max_cost"] == "key"


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_makes_a_policy(name: str) -> None:
    policy = combine([Level("request", strategy=name)])
    assert policy.strategy == name
    assert isinstance(policy.fallback, FallbackPlan)


def test_presets_are_the_contracts_table() -> None:
    rows = {
        name: (level.gates.min_intelligence, level.gates.max_latency, level.fallback)
        for name, level in PRESETS.items()
    }
    assert PRESETS["balanced"].weights == Weights(0.4, 0.4, 0.2)
    assert rows["balanced"] == (None, 10_000, None)
    assert rows["cost-first"] == (2, 5_000, FallbackPlan(mode="quality"))
    assert rows["speed-first"] == (2, 2_000, None)
    assert rows["quality-first"] == (7, 30_000, FallbackPlan(mode="error"))
    assert PRESETS["speed-first"].gates.block_local
    assert PRESETS["speed-first"].cost_tolerance == 2.0
