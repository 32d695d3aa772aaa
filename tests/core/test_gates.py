"""Each gate: what passes, what is refused, and the numbers it says."""

from __future__ import annotations

from typing import Any

import pytest
from houses import deployment, profile

from freeloader.core import gates
from freeloader.core.gates import Question
from freeloader.core.model import Gates
from freeloader.core.snapshot import UNMEASURED, Health
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
    question, candidate = Question.of(profile(**(asked or {})), Gates(**rules)), deployment(**what)
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
        ({"max_latency": 1}, {}),
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
    few = Health(samples=gates.MIN_SAMPLES - 1, success_rate=0.0, latency_ms=9e9)
    assert verdict({"max_latency": 1, "min_success_rate": 1}, {}, few) is None


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
