"""What complexity does: beyond its need a request gains nothing from a stronger model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from houses import deployment
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core.model import Weights
from freeloader.core.ranking import scoring
from freeloader.core.snapshot import UNMEASURED
from freeloader.money import Price

points = st.floats(1, 10)


@given(points, points, points)
def test_quality_rises_to_one_at_the_need_and_stays_there(a: float, b: float, need: float) -> None:
    low, high = sorted((a, b))
    weak = scoring.quality_value(deployment("a", "m", intelligence=low), "chat", need)
    strong = scoring.quality_value(deployment("a", "m", intelligence=high), "chat", need)
    assert weak <= strong <= 1.0
    if low >= need:
        assert weak == strong == 1.0
    if high < need:
        assert strong < 1.0


@given(points, points, points)
def test_a_higher_need_never_makes_a_model_look_better(value: float, a: float, b: float) -> None:
    model = deployment("a", "m", intelligence=value)
    low, high = sorted((a, b))
    assert scoring.quality_value(model, "chat", high) <= scoring.quality_value(model, "chat", low)


def test_a_models_own_strength_counts_for_its_task_and_the_overall_one_elsewhere() -> None:
    plain = deployment("a", "m", intelligence=5.0)
    strengths = {"coding": 7.5, "language": 3.0, "instruction": 6.0}
    able = replace(plain, model=replace(plain.model, strengths=strengths))
    found = {task: scoring.intelligence(able, task)
             for task in ("chat", "coding", "reasoning", "translation", "summarization",
                          "agent_step")}  # fmt: skip
    assert found == {"chat": 5.0, "coding": 7.5, "reasoning": 5.0, "translation": 3.0,
                     "summarization": 3.0, "agent_step": 6.0}  # fmt: skip


#: (intelligence, speed, dollars per million tokens; None: free)
QUICK, WISE = (4.0, 9.0, None), (7.5, 3.0, None)
CHEAP, STRONG = (4.0, 8.0, 0.1), (9.0, 5.0, 5.0)


@pytest.mark.parametrize(
    ("need", "some", "expected"),
    [
        (2.0, (QUICK, WISE), QUICK),
        (4.0, (QUICK, WISE), QUICK),
        (6.0, (QUICK, WISE), WISE),
        (4.0, (CHEAP, STRONG), CHEAP),
        (8.0, (CHEAP, STRONG), STRONG),
        (2.0, (QUICK, WISE, CHEAP, STRONG), QUICK),
        (6.5, (QUICK, WISE, CHEAP, STRONG), WISE),
        (9.0, (QUICK, CHEAP, STRONG), STRONG),
    ],
)
def test_complex_work_is_lifted_to_its_need_and_simple_work_stays_cheap(
    need: float, some: tuple[Any, ...], expected: Any
) -> None:
    weights = Weights()

    def score(one: tuple[float, float, float | None]) -> float:
        value, speed, dollars = one
        price = None if dollars is None else Price(round(dollars * 1e6), round(dollars * 1e6))
        tier = "free" if dollars is None else "paid"
        what = deployment(intelligence=value, speed=speed, price=price, tier=tier)
        return scoring.score(what, UNMEASURED, weights, prefer_local=False, need=need)

    assert max(some, key=score) == expected


@given(points, points, st.floats(0, 10))
def test_terms_add_up_to_the_score_and_a_smarter_one_never_scores_less(
    a: float, b: float, need: float
) -> None:
    low, high = sorted((a, b))
    scores = []
    for value in (low, high):
        what = deployment(intelligence=value)
        parts = scoring.terms(what, UNMEASURED, Weights(), prefer_local=False, need=need)
        assert all(0 <= part.value <= 1 for part in parts)
        scores.append(scoring.score(what, UNMEASURED, Weights(), prefer_local=False, need=need))
        assert sum(p.value * p.weight for p in parts) == pytest.approx(scores[-1])
    assert scores[0] <= scores[1] + 1e-12


def test_weights_without_quality_ask_for_none() -> None:
    weights, one = Weights(1, 0, 0), deployment(intelligence=1.0)
    asked = scoring.score(one, UNMEASURED, weights, prefer_local=False, need=9.0)
    assert asked == scoring.score(one, UNMEASURED, weights, prefer_local=False)
