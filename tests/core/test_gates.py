"""Each gate: what passes, what is refused, and the numbers it says."""

from __future__ import annotations

from typing import Any

import pytest
from houses import deployment, profile

from freeloader.core.model import Gates, Level
from freeloader.core.policy import combine, patient
from freeloader.core.routing import gates
from freeloader.core.routing.gates import Question
from freeloader.core.snapshot import MIN_SAMPLES, UNMEASURED, Health
from freeloader.money import Meters

SLOW = Health(samples=50, success_rate=0.8, latency_ms=4_120, tokens_per_second=10)
PAID = {"tier": "paid", "free": False}
LOCAL = {"provider": "ollama", "kind": "local"}


def verdict(
    rules: dict[str, Any],
    what: dict[str, Any],
    health: Health = UNMEASURED,
    asked: dict[str, Any] | None = None,
) -> Any:
    policy = combine([Level("request", strategy="priority", gates=Gates(**rules))])
    question, candidate = Question.of(profile(**(asked or {})), policy), deployment(**what)
    said = (gate(candidate, health, question) for gate in gates.relevant(question))
    return next((refusal for refusal in said if refusal is not None), None)


@pytest.mark.parametrize(
    ("rules", "what", "gate", "said"),
    [
        ({"min_intelligence": 7}, {"intelligence": 6.9}, "minIntelligence", "6.9 < "),
        ({"min_intelligence": 7}, {"intelligence": None}, "minIntelligence", "unknown"),
        ({"max_intelligence": 5}, {"intelligence": 5.1}, "maxIntelligence", "5.1 > "),
        ({"max_intelligence": 5}, {"intelligence": None}, "maxIntelligence", "unknown"),
        ({"min_speed": 6}, {"speed": 5}, "minSpeed", "prior speed 5.0"),
        ({"min_speed": 6}, {"speed": None}, "minSpeed", "unknown"),
        ({"max_speed": 4}, {"speed": 5}, "maxSpeed", "> maxSpeed 4"),
        ({"min_context": 200_000}, {}, "minContext", "100,000 < "),
        ({"min_context": 1}, {"context": None}, "minContext", "unknown"),
        ({"required_capabilities": frozenset({"vision"})}, {}, "requiredCapabilities", "vision"),
        ({"blocked_providers": frozenset({"groq"})}, {}, "blockedProviders", "groq"),
        ({"allowed_providers": frozenset({"x"})}, {}, "allowedProviders", "groq"),
        ({"allowed_providers": frozenset()}, {}, "allowedProviders", "groq"),
        ({"block_local": True}, LOCAL, "blockLocal", "local"),
        ({"local_only": True}, {}, "localOnly", "leaves this machine"),
        ({"no_training": True}, {"trains": True}, "noTraining", "may train"),
        ({"no_training": True}, {"trains": None}, "noTraining", "does not say"),
        ({"free_only": True}, PAID, "freeOnly", "billed"),
        ({"paid_only": True}, {}, "paidOnly", "costs nothing"),
        ({}, {"free": False}, "tier", "not in the free tier"),
    ],
)
def test_refusals(rules: dict[str, Any], what: dict[str, Any], gate: str, said: str) -> None:
    got = verdict(rules, what)
    assert got is not None
    assert got.gate == gate
    assert said in got.reason


@pytest.mark.parametrize(
    ("rules", "what"),
    [
        ({}, {}),
        ({"min_intelligence": 5}, {"intelligence": 5.0}),
        ({"max_intelligence": 5}, {"intelligence": 5.0}),
        ({"min_context": 100_000}, {}),
        ({"local_only": True}, LOCAL),
        ({"no_training": True}, {**LOCAL, "trains": None}),
        ({"paid_only": True}, PAID),
        ({"free_only": True}, LOCAL),
        ({"max_latency": 10_000}, {"speed": 3.0}),
        ({"min_success_rate": 1.0}, {}),
    ],
)
def test_passes(rules: dict[str, Any], what: dict[str, Any]) -> None:
    assert verdict(rules, what) is None


@pytest.mark.parametrize(
    ("rules", "gate", "said"),
    [
        ({"max_latency": 2_000}, "maxLatency", "p95 4,120 ms > maxLatency 2,000"),
        ({"min_success_rate": 0.9}, "minSuccessRate", "0.800"),
        ({"min_speed": 2}, "minSpeed", "measured speed 1.0"),
    ],
)
def test_measured_values_come_before_priors(rules: dict[str, Any], gate: str, said: str) -> None:
    got = verdict(rules, {"speed": 9.0}, SLOW)
    assert got is not None
    assert (got.gate, said in got.reason) == (gate, True)


def test_too_few_samples_are_noise() -> None:
    few = Health(samples=MIN_SAMPLES - 1, success_rate=0.0, latency_ms=9e9)
    assert verdict({"max_latency": 2_000, "min_success_rate": 1}, {"speed": 9.0}, few) is None


@pytest.mark.parametrize(
    ("speed", "said"),
    [
        (9.0, None),
        (5.0, "prior p95 2,878 ms > maxLatency 2,000"),
        (None, "p95 unknown (neither measured nor a speed to tell it by), maxLatency 2,000"),
    ],
)
def test_without_measurements_a_stated_latency_is_held_against_the_prior(
    speed: float | None, said: str | None
) -> None:
    got = verdict({"max_latency": 2_000}, {"speed": speed})
    assert (None if got is None else got.reason) == said
    if got is not None and got.relax is not None:
        assert verdict({"max_latency": got.relax}, {"speed": speed}) is None


def test_a_presets_haste_refuses_nobody_on_a_guess_and_is_what_patience_gives_up() -> None:
    rules = [Level("request", strategy="speed-first"), Level("key", gates=Gates(max_latency=9_000))]
    policy = combine(rules)
    slow, unknown = deployment(speed=1.0), deployment(speed=None)
    for candidate, refused in ((deployment(speed=3.0), False), (slow, True), (unknown, True)):
        got = gates.max_latency(candidate, UNMEASURED, Question.of(profile(), policy))
        assert (got is not None) == refused, "of 9,000 stated by the key, not of the preset's 2,000"
    hasty = gates.max_latency(deployment(), SLOW, Question.of(profile(), policy))
    assert hasty is not None, "the preset's 2,000 is held against what was measured"
    calm = patient(policy)
    assert calm is not None
    assert (calm.gates.max_latency, calm.origins["max_latency"]) == (9_000, "key")
    assert patient(calm) is None


def test_the_request_must_fit_the_context_window() -> None:
    big = {"expected": Meters(input=99_000), "upper": Meters(output=2_000)}
    got = verdict({}, {}, asked=big)
    assert got is not None
    assert got.gate == "context"
    assert verdict({}, {}, asked={**big, "bounded": False}) is None


def test_what_the_body_needs_is_a_gate_too() -> None:
    got = verdict({}, {}, asked={"needs": frozenset({"vision"})})
    assert got is not None
    assert got.gate == "requiredCapabilities"
