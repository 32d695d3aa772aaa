"""What a request is about: structure first, then the last user turn, and nothing around it."""

from __future__ import annotations

from importlib.resources import files
from math import log
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from task_corpus import PARAPHRASES, QUESTIONS

from freeloader.core.ranking.need import DEFAULTS, Curve, checked
from freeloader.core.task import TASKS, plain
from freeloader.core.task.cues import CUE_NAMES, structure
from freeloader.core.task.detect import CONFIDENT, detect
from freeloader.core.task.hints import Rule
from freeloader.core.task.model import pack, unpack
from freeloader.core.task.phrases import PHRASES
from freeloader.core.task.text import BUCKETS, CUT, MOST, cut, marks, words_of
from freeloader.core.task.turn import Turn, turn_of

CURVE = Curve()


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def tool(name: str, *parameters: str) -> dict[str, Any]:
    properties = {p: {"type": "string"} for p in parameters}
    schema = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


TOOLS = [
    tool(f"{verb}_{noun}", noun + "_id", "reason")
    for verb in ("archive", "approve", "escalate", "annotate")
    for noun in (
        "ticket",
        "invoice",
        "shipment",
        "contract",
        "employee",
        "sensor",
        "permit",
        "lease",
    )
]
PROMPT = (
    "You are Atlas, an autonomous coding agent. Use the tools. Translate, summarize, draw. " * 280
)
HISTORY = [
    user("Write a Python function that sorts a list"),
    {"role": "assistant", "content": "def f(x): return sorted(x)"},
    user("Now summarize this article: The council voted."),
    {"role": "assistant", "content": "The council voted."},
    user("Solve x^2 = 4"),
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "archive_it", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "1", "content": "done"},
    {"role": "assistant", "content": "x = 2 or x = -2"},
]  # fmt: skip


def about(payload: dict[str, Any]) -> tuple[str, float]:
    found = detect(turn_of(payload))
    return found.name, CURVE.need(found.name, found.complexity)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_same_question_wrapped_is_the_same_question(question: str) -> None:
    system = {"role": "system", "content": PROMPT}
    plain = about({"messages": [user(question)]})
    parts = user([{"type": "text", "text": question}])
    assert about({"messages": [system, user(question)]}) == plain
    assert about({"messages": [user(question)], "tools": TOOLS}) == plain
    assert about({"messages": [*HISTORY, user(question)]}) == plain
    assert about({"messages": [system, *HISTORY, parts], "tools": TOOLS}) == plain


def test_in_other_words_nine_in_ten_stay_what_they_were() -> None:
    pairs = [(first, other) for first, *others in PARAPHRASES for other in others]
    assert len(pairs) >= 100
    seen = {text: about({"messages": [user(text)]}) for pair in pairs for text in pair}
    classes = [seen[a][0] == seen[b][0] for a, b in pairs]
    needs = [seen[a][1] == seen[b][1] for a, b in pairs]
    assert sum(classes) / len(classes) >= 0.9
    assert sum(needs) / len(needs) >= 0.9


CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}  # fmt: skip
RESULT = {"role": "tool", "tool_call_id": "1", "content": "42"}
PICTURE = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}


@pytest.mark.parametrize(
    ("payload", "task", "by"),
    [
        ({"messages": [user("hi"), CALL, RESULT]}, "agent_step", "structure"),
        ({"messages": [user("hi"), CALL, RESULT, CALL, RESULT]}, "agent_step", "structure"),
        ({"messages": [user("hi")], "tools": TOOLS, "tool_choice": "required"}, "agent_step",
         "structure"),
        ({"messages": [user([{"type": "text", "text": "what is this?"}, PICTURE])]}, "image",
         "structure"),
        ({"messages": [user([PICTURE]), {"role": "assistant", "content": "a cat"},
                       user("Write a poem about autumn")]}, "chat", "weights"),
        ({"messages": [user("What is the weather in the city of Paris?")],
          "tools": [tool("get_weather", "city", "unit")]}, "agent_step", "structure"),
        ({"messages": [user("What's the weather in Paris?")],
          "tools": [tool("get_current_weather", "location")]}, "agent_step", "structure"),
        ({"messages": [user("Explain the order of operations")],
          "tools": [tool("get_order", "number")]}, "chat", "weights"),
        ({"messages": [user("Escalate ticket 77, the customer waits")], "tools": TOOLS},
         "agent_step", "structure"),
        ({"messages": [user("Translate 'good morning' to German")], "tools": TOOLS},
         "translation", "words"),
        ({"messages": [user("Draw a lighthouse at night")]}, "image", "words"),
        ({"messages": [user("Genera una imagen de un gato en la luna")]}, "image", "words"),
        ({"messages": [user("Fais un résumé de la photo")]}, "summarization", "words"),
        ({"messages": [user("Erstelle bitte ein Bild von einem Hund")]}, "image", "words"),
        ({"messages": [user("Пожалуйста, создай картинку с котом")]}, "image", "words"),
        ({"prompt": "no messages at all"}, "chat", "weights"),
    ],
)  # fmt: skip
def test_structure_comes_before_words(payload: dict[str, Any], task: str, by: str) -> None:
    found = detect(turn_of(payload))
    assert (found.name, found.by) == (task, by)


@pytest.mark.parametrize("task", TASKS)
def test_the_clients_own_word_overrides_everything(task: str) -> None:
    found = detect(Turn("Draw a cat", at_work=True), task)
    assert (found.name, found.confidence, found.by) == (task, 1.0, "client")


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=3_000))
def test_any_text_has_a_task_and_low_confidence_is_chat(text: str) -> None:
    found = detect(Turn(text, len(text)))
    assert found.name in TASKS
    assert 0 <= found.confidence <= 1
    assert 0 <= found.complexity <= 1
    assert found.name == "chat" or found.confidence >= CONFIDENT
    assert detect(Turn(text, len(text))) == found


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=CUT, max_size=CUT + 500), st.integers(1, 50_000))
def test_no_more_is_read_than_the_two_ends(text: str, more: int) -> None:
    padded = text[: CUT // 2] + "x" * more + text[CUT // 2 :]
    assert len(cut(padded)) <= CUT + 1
    assert marks(cut(padded)) == marks(cut(cut(padded)))


@given(
    st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1, max_size=2_000)
)
@settings(max_examples=20, deadline=None)
def test_scripts_without_spaces_cost_no_more_than_others(text: str) -> None:
    words = words_of(cut(text))
    assert len(words) <= MOST
    assert (words[0][0], words[-1][-1]) == (text[0], text[-1])


RULES = {**dict(PHRASES), **{n: r for n, r in vars(plain).items() if isinstance(r, Rule)}}
HINTED = {name: rule for name, rule in RULES.items() if rule.hints}


@pytest.mark.parametrize("name", sorted(HINTED))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_hint_rules_out_what_the_pattern_finds(name: str, data: st.DataObject) -> None:
    rule = HINTED[name]
    text = data.draw(st.from_regex(rule.pattern))
    assert rule.matches(text)
    assert rule.pattern.search(text)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("call my_name", "s.ident"),
        ("the camelCase word", "s.ident"),
        ("run main() now", "s.ident"),
        ("os.walk(path)", "s.ident"),
        ("x = 4", "s.math"),
        ("3 * 4", "s.math"),
        ("from \\alpha on", "s.math"),
        ("as x^n", "s.math"),
        ("∫ of it", "s.math"),
        ("$a + b$", "s.math"),
        ("half, or 50%", "s.math"),
    ],
)
def test_each_form_of_a_name_or_formula_is_seen(text: str, shape: str) -> None:
    assert shape in set(structure(text, words_of(text)))


def test_the_shipped_weights_are_small_and_belong_to_these_cues() -> None:
    data = files("freeloader.core.task").joinpath("weights.bin").read_bytes()
    assert len(data) <= 200_000
    assert set(unpack(data).tasks) <= set(TASKS)
    with pytest.raises(ValueError, match="train them anew"):
        unpack(pack({"cues": ["other"], "buckets": 8}, b""))
    with pytest.raises(ValueError, match="not a file"):
        unpack(b"something else")


LONGER = "Consider what follows. " * 20


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("Which of the two inks dries faster on vellum?", LONGER + "Which ink dries faster?"),
        ("Why do herons stand on one leg?", "Why do herons stand on one leg? " * 12),
        ("¿Qué barco sale primero?", "¿Qué barco sale primero y a dónde va? " * 12),
    ],
)
def test_of_a_kind_that_nobody_graded_the_longer_one_is_the_harder(short: str, long: str) -> None:
    assert detect(Turn(short, len(short))).complexity < detect(Turn(long, len(long))).complexity


def test_what_was_learned_counts_only_as_far_as_the_kind_is_known() -> None:
    """Two kinds, the second of two families; sure from 0.6 on, fully so at 0.8."""
    header = {
        "cues": list(CUE_NAMES), "buckets": BUCKETS, "tasks": ["chat"],
        "families": ["a", "b", "c"], "scales": [1.0] * 6, "gains": [0.0, 0.5, 0.7],
        "blend": {"gain": [0.5, 0.0, 1.0], "family": [0.5, 0.0, 1.0], "length": [0.0, 0.0, 1.0]},
        "known": {"kind": [0, 1, 1], "since": [[0.6, 0.8], [0.6, 0.8]]},
        "steps": [0.0, 1.0],
    }  # fmt: skip
    nothing = bytes(BUCKETS * 6 + len(CUE_NAMES) * 12)

    def complexity(*chances: float) -> float:
        biases = [0.0, 0.0, 0.0, *(log(chance) for chance in chances)]
        return unpack(pack({**header, "biases": biases}, nothing)).read("x").complexity

    assert complexity(0.45, 0.3, 0.25) == 0
    assert complexity(0.1, 0.5, 0.4) == pytest.approx(0.5 * (0.5 * 0.5 + 0.4 * 0.7))
    assert complexity(0.3, 0.4, 0.3) == pytest.approx(0.5 * 0.5 * (0.4 * 0.5 + 0.3 * 0.7))


# ── what it needs ────────────────────────────────────────────────────────────


@given(st.sampled_from(TASKS), st.floats(0, 1), st.floats(0, 1))
def test_more_complexity_never_needs_less(task: str, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert CURVE.need(task, low) <= CURVE.need(task, high)


def test_an_owners_steps_hold_and_the_rest_keeps_its_default() -> None:
    curve = Curve({**DEFAULTS, "coding": checked([[0.6, 9], [0.2, 5]])})
    assert [curve.need("coding", c) for c in (0.0, 0.2, 0.59, 0.6, 1.0)] == [5, 5, 5, 9, 9]
    assert curve.need("chat", 0.0) == DEFAULTS["chat"][0][1]


@pytest.mark.parametrize("points", [[], [[0, 5], [0.5, 4]], [[2, 5]], [[0, 11]]])
def test_steps_that_are_no_curve_are_refused(points: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"must|goes|cannot"):
        checked(points)
