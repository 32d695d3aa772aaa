"""Checks, plans and ratings: tables and laws, nothing asked of anybody."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.benchmarks import checks, plan, results
from freeloader.benchmarks.plan import Rules, Subject, Window
from freeloader.benchmarks.results import Answered, rate, rated
from freeloader.benchmarks.suite import suite
from freeloader.core.model import Model

#: A right answer to each prompt, as a good model would give it.
RIGHT = json.loads(
    (Path(__file__).parents[1] / "acceptance" / "right_answers.json").read_text("utf-8")
)


def test_there_are_enough_prompts_and_each_right_answer_is_right() -> None:
    prompts = suite().prompts
    assert len(prompts) >= 40
    assert len({prompt.id for prompt in prompts}) == len(prompts)
    assert {prompt.id for prompt in prompts} == set(RIGHT)
    wrong = [p.id for p in prompts if checks.score(RIGHT[p.id], p.checks) != 1.0]
    assert wrong == []
    kinds = Counter(prompt.task for prompt in prompts)
    assert all(kinds[task] >= 3 for task in ("reasoning", "coding", "json", "instruction"))


@pytest.mark.parametrize("text", ["", "I cannot help with that.", "🙂" * 40, "x" * 50_000])
def test_an_evasive_answer_is_not_right(text: str) -> None:
    scores = [checks.score(text, prompt.checks) for prompt in suite().prompts]
    assert sum(score == 1.0 for score in scores) <= 2


@pytest.mark.parametrize(
    ("check", "text", "holds"),
    [
        ({"is": "number", "value": 1234}, "so 12 times … 1,234.", True),
        ({"is": "number", "value": 5}, "5, and not 6", False),
        ({"is": "number", "value": -3}, "it is -3", True),
        ({"is": "number", "value": 1}, "none", False),
        ({"is": "choice", "value": "B"}, "The answer is B.", True),
        ({"is": "choice", "value": "B"}, "Because A big one", False),
        ({"is": "choice", "value": "C"}, "**(C)**", True),
        ({"is": "says", "any": ["x", "y"]}, "why", True),
        ({"is": "says", "all": ["a"], "none": ["b"]}, "AB", False),
        ({"is": "lines", "count": 2}, "a\n\nb\n", True),
        ({"is": "json", "bare": True}, "```json\n{}\n```", False),
        ({"is": "json", "equals": {}}, "```json\n{}\n```", True),
        ({"is": "json"}, "[" * 4000, False),
    ],
)
def test_a_check(check: dict[str, Any], text: str, holds: bool) -> None:
    assert checks.score(text, [check]) == float(holds)


def test_a_check_that_is_none_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="no such check"):
        checks.score("x", [{"is": "nice"}])


# ── who may be asked ─────────────────────────────────────────────────────────

PROMPTS = suite().prompts
DAY = Window(amount=1000, remaining=1000)


def asked(subject: Subject, **rules: Any) -> tuple[int, str | None]:
    made = plan.plan([subject], PROMPTS, Rules(**rules))
    return len(made.steps), made.left_out.get(subject.id)


@pytest.mark.parametrize(
    ("subject", "rules", "count", "why"),
    [
        (Subject("l", True, False), {}, 0, "not used yet"),
        (Subject("l", True, False, used=True), {"off_peak": False}, 90, None),
        (Subject("l", True, False), {"asked": True}, 90, None),
        (Subject("c", False, False, windows=(DAY,)), {}, 0, "quota_share"),
        (Subject("c", False, False, windows=(DAY,)), {"asked": True}, 0, "quota_share"),
        (Subject("c", False, False, windows=(DAY,)), {"share": 0.02}, 20, None),
        (Subject("c", False, False, windows=(DAY,)), {"share": 0.5}, 45, None),
        (Subject("c", False, False, windows=(DAY,)), {"share": 0.5, "off_peak": False}, 0, "peak"),
        (Subject("c", False, False, windows=(Window(1000, 105),)), {"share": 0.5}, 5, None),
        (Subject("c", False, False, windows=(Window(1000, 99),)), {"share": 0.5}, 0, "last tenth"),
        (Subject("c", False, False, windows=(Window(1000, 900, 20),)), {"share": 0.02}, 0, "share"),
        (Subject("c", False, False), {"share": 0.5}, 0, "nobody knows its limits"),
        (Subject("p", False, True), {"share": 1.0}, 0, "costs money"),
        (Subject("p", False, True), {"budget_pico": 1}, 45, None),
        (Subject("p", False, True, windows=(Window(10, 10),)), {"budget_pico": 1}, 9, None),
    ],
)
def test_nothing_is_taken_that_was_not_given(subject, rules, count, why) -> None:
    steps, said = asked(subject, **rules)
    assert steps == count
    assert (said is None) if why is None else (said is not None and why in said)


windows = st.builds(Window, st.integers(0, 500), st.integers(0, 500), st.integers(0, 100))


@given(
    st.lists(windows, min_size=1, max_size=3),
    st.floats(0, 1),
    st.booleans(),
    st.integers(0, 10),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_a_plan_never_takes_more_than_the_share_nor_the_last_tenth(
    held, share, billable, budget, quiet, on_request
) -> None:
    subject = Subject("c", False, billable, windows=tuple(held))
    made = plan.plan([subject], PROMPTS, Rules(share, budget, quiet, on_request))
    count = len(made.steps)
    if not count:
        assert made.left_out["c"]
        return
    for window in held:
        assert window.remaining - count >= window.amount * plan.RESERVE - 1e-9
        if not billable:
            assert window.probed + count <= window.amount * share + 1e-9
    assert budget > 0 if billable else share > 0


def test_what_is_done_is_not_asked_again_and_all_get_their_turn() -> None:
    done = frozenset((prompt.id, 0) for prompt in PROMPTS)
    subjects = [
        Subject("a", True, False, used=True, done=done),
        Subject("b", True, False, used=True),
    ]
    made = plan.plan(subjects, PROMPTS, Rules())
    assert Counter(step.deployment for step in made.steps) == {"a": 45, "b": 90}
    assert [step.deployment for step in made.steps[:4]] == ["a", "b", "a", "b"]
    everything = done | {(prompt.id, 1) for prompt in PROMPTS}
    (left,) = plan.plan([Subject("a", True, False, True, done=everything)], PROMPTS, Rules()
                        ).left_out.values()  # fmt: skip
    assert "already" in left


@pytest.mark.parametrize(
    ("hours", "hour", "minute", "inside"),
    [("01:00-06:00", 1, 0, True), ("01:00-06:00", 6, 0, False), ("22:00-07:00", 23, 30, True),
     ("22:00-07:00", 6, 59, True), ("22:00-07:00", 12, 0, False)],
)  # fmt: skip
def test_hours(hours: str, hour: int, minute: int, inside: bool) -> None:
    assert plan.within(hours, hour, minute) is inside


@pytest.mark.parametrize(
    ("name", "meant"),
    [("groq", True), ("groq@2", True), ("groq@2/a/b", True), ("groq/a/b", True), ("a/b", True),
     ("groq@1", False), ("b", False)],
)  # fmt: skip
def test_a_name_means_a_deployment(name: str, meant: bool) -> None:
    assert plan.named("groq@2/a/b", [name]) is meant
    assert plan.named("groq@2/a/b", [])


# ── what it is worth ─────────────────────────────────────────────────────────


def answers(scores: dict[str, list[float | None]]) -> list[Answered]:
    return [
        Answered(f"{task}{n}", task, score, ms=1100.0, first_ms=100.0, output=51, text=str(score))
        for task, values in scores.items()
        for n, score in enumerate(values)
    ]


def test_a_rating_says_what_was_seen() -> None:
    found = rate(answers({"coding": [1.0, 0.5], "json": [0.0, None]}))
    assert (found.answers, found.success, found.quality) == (4, 0.75, 0.5)
    assert dict(found.by_task) == {"coding": 0.75, "json": 0.0}
    assert (found.first_ms, found.p50_ms, found.tokens_per_second) == (100.0, 1100.0, 50.0)
    assert found.consistency is None
    shown = found.shown()
    assert shown["quality"] == {"overall": 0.5, "coding": 0.75, "json": 0.0}
    assert rate([]).quality is None


def test_repeats_show_consistency() -> None:
    once = Answered("p", "chat", 1.0, text="a")
    assert rate([once, once]).consistency == 1.0
    assert rate([once, Answered("p", "chat", 1.0, text="b")]).consistency == 0.5
    assert rate([once, Answered("p", "chat", 0.0, text="b")]).consistency == 0.0


UNKNOWN = Model("m", "p", "m")


@given(st.lists(st.floats(0, 1), min_size=results.ENOUGH, max_size=60), st.floats(1, 10))
@settings(max_examples=100, deadline=None)
def test_evidence_moves_towards_what_was_seen_and_stays_on_the_scale(scores, known) -> None:
    rating = rate(answers({"coding": list(scores)}))
    assert rating.quality is not None
    seen = 1 + 9 * rating.quality
    alone = rated(UNKNOWN, rating).intelligence
    assert alone == pytest.approx(seen, abs=0.01)
    both = rated(Model("m", "p", "m", intelligence=known), rating).intelligence
    assert both is not None
    assert min(known, seen) - 0.01 <= both <= max(known, seen) + 0.01
    assert "coding" in rated(UNKNOWN, rating).strengths


def test_a_few_answers_prove_nothing() -> None:
    assert rated(UNKNOWN, rate(answers({"coding": [1.0] * (results.ENOUGH - 1)}))) is UNKNOWN


@given(st.lists(st.floats(0, 1), min_size=12, max_size=12), st.integers(0, 11))
@settings(max_examples=100, deadline=None)
def test_a_better_answer_never_makes_a_model_worse(scores, at) -> None:
    better = [*scores]
    better[at] = 1.0
    low = rated(UNKNOWN, rate(answers({"chat": list(scores)}))).intelligence
    high = rated(UNKNOWN, rate(answers({"chat": list(better)}))).intelligence
    assert low is not None
    assert high is not None
    assert high >= low
