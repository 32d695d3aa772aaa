"""The load monitor's states: up at once, down after the cooldown, never flapping."""

from __future__ import annotations

from typing import Any

import pytest
from houses import PlainSnapshot, deployment, profile
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core import routing
from freeloader.core.model import Gates, Level, Resolution, Weights
from freeloader.core.policy import combine
from freeloader.core.policy.load import LEVELS, LOADED, LoadRules, Measured, State, loaded, step

RULES = LoadRules()
CALM = Measured(1, 100, 100.0, 0.0)


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (Measured(), "normal"),
        (Measured(9, 100, 1_999, 0.049), "normal"),
        (Measured(10), "warning"),
        (Measured(50), "critical"),
        (Measured(0, 100, 2_000, 0.0), "warning"),
        (Measured(0, 100, 5_000, 0.0), "critical"),
        (Measured(0, 100, 10, 0.05), "warning"),
        (Measured(0, 100, 10, 0.15), "critical"),
        (Measured(0, 9, 60_000, 1.0), "normal"),  # too few to tell
        (Measured(10, 100, 5_000, 0.0), "critical"),
    ],
)
def test_thresholds(found: Measured, level: str) -> None:
    assert step(State(), found, RULES, 1.0).level == level


def test_it_comes_down_after_the_cooldown_and_only_when_clearly_below() -> None:
    state = step(State(), Measured(60), RULES, 0.0)
    assert "60 requests in flight" in state.why
    state = step(state, CALM, RULES, 1.0)
    assert state.level == "critical"
    state = step(state, Measured(41), RULES, 200.0)  # 41 is not clearly below 50
    state = step(state, CALM, RULES, 250.0)
    assert step(state, CALM, RULES, 500.0).level == "critical"
    assert step(state, CALM, RULES, 550.0).level == "normal"
    lower = step(state, Measured(12), RULES, 550.0)
    assert (lower.level, lower.since) == ("warning", 550.0)


def test_switched_off_it_is_always_normal() -> None:
    off = LoadRules(enabled=False)
    assert step(State("critical"), Measured(999), off, 1.0).level == "normal"


@given(st.lists(st.tuples(st.integers(0, 80), st.floats(0, 400)), max_size=60))
def test_no_level_is_left_before_its_cooldown(steps: list[tuple[int, float]]) -> None:
    state, now = State(), 0.0
    for queue, gap in steps:
        now += gap
        after = step(state, Measured(queue), RULES, now)
        assert after.level in LEVELS
        if LEVELS.index(after.level) < LEVELS.index(state.level):
            assert now - state.since >= RULES.cooldown_s
            assert queue < 50
        state = after


def test_weights_change_but_not_those_that_the_request_gave() -> None:
    preset = combine([])
    warned = loaded(preset, "warning", RULES)
    assert (warned.weights, warned.origins["weights"], warned.skip_slow) == (LOADED, "load", False)
    assert warned.gates == preset.gates
    own = combine([Level("request", weights=Weights(1, 0, 0))])
    assert loaded(own, "critical", RULES).weights == Weights(1, 0, 0)
    assert loaded(preset, "normal", RULES) is preset
    unmoved = loaded(preset, "critical", LoadRules(prefer_faster=False, block_slow=False))
    assert (unmoved.weights, unmoved.skip_slow) == (preset.weights, False)


def winner(level: str, *every: Any, near: bool = False) -> str | None:
    policy = loaded(combine([Level("request", gates=Gates(local_only=near))]), level, RULES)
    ask = routing.Ask(profile(), policy, Resolution("auto", "auto"), 0.0)
    snapshot = PlainSnapshot.of(every)
    decision = routing.decide(ask, snapshot)
    best = routing.explain(ask, snapshot)[0]
    assert decision.winner is None or best.deployment is decision.winner.deployment
    return decision.winner.deployment.provider.id if decision.winner else None


def test_critical_puts_slow_and_local_ones_back_but_refuses_nobody() -> None:
    slow = deployment("slow", speed=6.9, intelligence=10.0)
    near = deployment("ollama", kind="local", speed=9.9, intelligence=10.0)
    fast = deployment("fast", speed=7.0, intelligence=1.0)
    assert winner("critical", slow, near, fast) == "fast"
    assert winner("warning", near, fast) == "ollama"
    assert winner("critical", slow) == "slow"
    assert winner("critical", slow, near, fast, near=True) == "ollama"
