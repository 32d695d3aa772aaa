"""What complexity does: beyond its need a request gains nothing from a stronger model."""

from __future__ import annotations

from dataclasses import replace

from houses import deployment
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core import scoring

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
