from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core.model import FallbackPlan, Gates, Level, Weights
from freeloader.errors import InvalidRequest
from freeloader.money import pico_from_usd
from freeloader.settings import DIRECTIVES, parse_level
from freeloader.settings.directives import parse_gates, said_gates
from freeloader.settings.read import Wrong
from freeloader.settings.spelling import camel, snake


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ({}, Level("request")),
        ({"strategy": None, "weights": None}, Level("request")),
        ({"strategy": "cost-first"}, Level("request", strategy="cost-first")),
        ({"strategy": "cost_first"}, Level("request", strategy="cost-first")),
        ({"weights": {"cost": 1}}, Level("request", weights=Weights(1, 0, 0))),
        ({"preferLocal": True}, Level("request", prefer_local=True)),
        ({"prefer_local": False}, Level("request", prefer_local=False)),
        ({"costTolerance": 1.5}, Level("request", cost_tolerance=1.5)),
        ({"maxWait": 250}, Level("request", max_wait_ms=250)),
        ({"max_wait_ms": 0}, Level("request", max_wait_ms=0)),
        ({"maxWait": "slow"}, Level("request", max_wait_ms=86_400_000)),
        ({"slow": True}, Level("request", max_wait_ms=86_400_000)),
        ({"pacing": "strict"}, Level("request", pacing="strict")),
        ({"pacing": False}, Level("request", pacing="off")),
        ({"pacing": "true"}, Level("request", pacing="on")),
        ({"slow": False}, Level("request")),
        ({"maxCost": 0.01}, Level("request", max_cost=pico_from_usd("0.01"))),
        ({"max_cost": "0.01"}, Level("request", max_cost=pico_from_usd("0.01"))),
        ({"budget": {"perRequest": 2}}, Level("request", max_cost=pico_from_usd(2))),
        (
            {"budget": {"per_request": 2}, "max_cost": 1},
            Level("request", max_cost=pico_from_usd(1)),
        ),
        ({"fallback": "local"}, Level("request", fallback=FallbackPlan(mode="local"))),
        ({"fallbackStrategy": "error"}, Level("request", fallback=FallbackPlan(mode="error"))),
        (
            {"fallback": {"onQuotaExceeded": "fail", "maxRetries": 0}},
            Level("request", fallback=FallbackPlan(on_quota_exceeded="error", max_retries=0)),
        ),
        ({"priority": "cheap"}, Level("request", strategy="cost-first")),
        ({"priority": "best"}, Level("request", strategy="quality-first")),
        ({"latency_pref": "fast"}, Level("request", strategy="speed-first")),
        ({"latency_pref": "normal"}, Level("request")),
        ({"priority": "best", "strategy": "balanced"}, Level("request", strategy="balanced")),
        ({"project": "a", "session": "s", "metadata": {}}, Level("request")),
        ({"targets": 3}, Level("request", strategy="multi-cast", targets=3)),
    ],
)
def test_what_a_request_says(said: dict[str, Any], level: Level) -> None:
    assert parse_level(said, "request") == level


@pytest.mark.parametrize(
    ("said", "gates"),
    [
        ({"minIntelligence": 5}, Gates(min_intelligence=5)),
        ({"intelligence": {"min": 5, "max": 8}}, Gates(min_intelligence=5, max_intelligence=8)),
        ({"speed": {"min": 2}}, Gates(min_speed=2)),
        ({"latency": {"max": 900}}, Gates(max_latency=900)),
        ({"successRate": {"min": 0.9}}, Gates(min_success_rate=0.9)),
        ({"contextWindow": {"min": 8000}}, Gates(min_context=8000)),
        ({"capabilities": ["tools"]}, Gates(required_capabilities=frozenset({"tools"}))),
        ({"requiredCapabilities": ["function_calling", "jsonMode"]},
         Gates(required_capabilities=frozenset({"tools", "json"}))),
        ({"blocked": ["groq"]}, Gates(blocked_providers=frozenset({"groq"}))),
        ({"blockedProviders": "groq, openai"},
         Gates(blocked_providers=frozenset({"groq", "openai"}))),
        ({"allowedProviders": []}, Gates(allowed_providers=frozenset())),
        ({"localOnly": True, "noTraining": True, "freeOnly": True},
         Gates(local_only=True, no_training=True, free_only=True)),
        ({"minIntelligence": None}, Gates()),
    ],
)  # fmt: skip
def test_gates_in_every_form(said: dict[str, Any], gates: Gates) -> None:
    assert parse_level({"qualityGates": said}, "request").gates == gates
    assert parse_level({"gates": said}, "request").gates == gates
    assert parse_gates(said_gates(asdict(gates))) == gates


@pytest.mark.parametrize(
    ("said", "param", "words"),
    [
        ({"stratgey": "balanced"}, "stratgey", "did you mean 'strategy'"),
        ({"strategy": "cheapest"}, "strategy", "must be one of"),
        ({"strategy": ["balanced"]}, "strategy", "a list"),
        ({"weights": {"prize": 1}}, "weights.prize", "unknown key"),
        ({"weights": {"cost": True}}, "weights.cost", "true or false"),
        ({"weights": {}}, "weights", "more than 0"),
        ({"weights": {"cost": float("inf")}}, "weights.cost", "between"),
        ({"maxWait": -1}, "maxWait", "between 0 and 86400000"),
        ({"maxWait": 1.5}, "maxWait", "whole"),
        ({"maxWait": 1, "max_wait_ms": 2}, "maxWait", "twice"),
        ({"maxWait": 1, "max_wait": 2}, "max_wait", "twice"),
        ({"maxWait": 1, "slow": True}, "maxWait", "twice"),
        ({"maxCost": float("nan")}, "maxCost", "finite"),
        ({"maxCost": "free"}, "maxCost", "dollars"),
        ({"budget": {"daily": 5}}, "budget.daily", "unknown key"),
        ({"budget": {}}, "budget.perRequest", "perRequest"),
        ({"qualityGates": []}, "qualityGates", "table"),
        ({"qualityGates": {"minInteligence": 5}}, "qualityGates.minInteligence",
         "did you mean 'minIntelligence'"),
        ({"qualityGates": {"intelligence": {"min": "5"}}}, "qualityGates.intelligence.min",
         "not text"),
        ({"qualityGates": {"minIntelligence": 5, "intelligence": {"min": 4}}},
         "qualityGates.intelligence.min", "twice"),
        ({"qualityGates": {"minSuccessRate": 95}}, "qualityGates.minSuccessRate", "0 and 1"),
        ({"qualityGates": {"localOnly": True, "blockLocal": True}}, "qualityGates.blockLocal",
         "nothing through"),
        ({"qualityGates": {"capabilities": [1]}}, "qualityGates.capabilities", "text"),
        ({"qualityGates": {"capabilities": ["visoin"]}}, "qualityGates.capabilities",
         "did you mean 'vision'?"),
        ({"qualityGates": {}, "gates": {}}, "gates", "one of them"),
        ({"fallback": "sometimes"}, "fallback", "must be one of"),
        ({"fallback": {"maxRetries": 999}}, "fallback.maxRetries", "between"),
        ({"costTolerance": 0.5}, "costTolerance", "between"),
        ({"priority": "urgent"}, "priority", "must be one of"),
    ],
)  # fmt: skip
def test_what_is_refused(said: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_level(said, "request")
    assert caught.value.param == param
    assert words in caught.value.message


def test_keys_carry_only_what_they_are_allowed_to() -> None:
    with pytest.raises(InvalidRequest):
        parse_level({"session": "x"}, "key", carried=())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(DIRECTIVES)) | st.text(max_size=10), json_values))
def test_whatever_comes_is_a_level_or_a_clear_refusal(said: dict[str, Any]) -> None:
    level = None
    with contextlib.suppress(InvalidRequest):  # the only error that may come
        level = parse_level(said, "request")
    assert level is None or (level.name == "request" and level.gates is not None)


gates = st.builds(
    Gates,
    min_intelligence=st.none() | st.floats(0, 5),
    max_intelligence=st.none() | st.floats(5, 10),
    max_latency=st.none() | st.floats(1, 1e6),
    min_context=st.none() | st.integers(0, 10**9),
    required_capabilities=st.frozensets(st.sampled_from(["tools", "json", "vision"])),
    allowed_providers=st.none() | st.frozensets(st.sampled_from(["groq", "a.b"])),
    local_only=st.booleans(),
    no_training=st.booleans(),
)


@given(gates)
def test_gates_survive_being_written_in_either_spelling(some: Gates) -> None:
    flat = said_gates(asdict(some))
    assert parse_gates(flat) == some
    assert parse_gates({camel(name): value for name, value in flat.items()}) == some


@given(st.from_regex(r"[a-z]{2,6}(_[a-z]{2,6}){0,3}", fullmatch=True))
def test_spellings_are_one(name: str) -> None:
    assert snake(camel(name)) == name
    assert snake(name.replace("_", "-")) == name


def test_wrong_names_its_place() -> None:
    with pytest.raises(Wrong) as caught:
        parse_gates({"latency": {"max": -1}})
    assert caught.value.key == "latency.max"
