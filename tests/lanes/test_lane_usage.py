"""Usage objects as meters: what is nonsense is not believed, nothing is counted twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.gateway.lanes.reading import Reading
from freeloader.gateway.lanes.usage import ABSURD, meters_of
from freeloader.money import Meters

anything = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(max_size=3), st.booleans(), st.lists(st.none())
)
counts = st.integers(0, ABSURD // 4)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "prompt_tokens",
                "completion_tokens",
                "total_tokens",
                "prompt_tokens_details",
                "cache_read_input_tokens",
                "cache_creation_input_tokens",
                "prompt_cache_hit_tokens",
            ]
        ),
        st.one_of(anything, st.dictionaries(st.sampled_from(["cached_tokens"]), anything)),
    )
)
def test_whatever_is_sent_gives_sane_meters_or_none(usage: dict[str, Any]) -> None:
    meters = meters_of(usage)
    if meters is not None:
        parts = (meters.input, meters.cache_read, meters.cache_write, meters.output)
        assert all(0 <= part <= ABSURD for part in parts)
        assert meters.requests == 1
        assert sum(parts) > 0


@given(counts, counts, counts, counts, counts)
def test_input_and_cache_add_up_to_the_prompt(
    prompt: int, completion: int, total: int, read: int, write: int
) -> None:
    meters = meters_of(
        {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": read},
            "cache_creation_input_tokens": write,
        }
    )
    output = max(completion, total - prompt)
    if prompt + output == 0:
        assert meters is None
    else:
        assert meters is not None
        assert meters.input + meters.cache_read + meters.cache_write == prompt
        assert meters.output == output


@pytest.mark.parametrize(
    "bad",
    [
        {"prompt_tokens": -1, "completion_tokens": 5},
        {"prompt_tokens": 1, "completion_tokens": float("nan")},
        {"prompt_tokens": 1, "completion_tokens": 10**12},
        {"prompt_tokens": "7", "completion_tokens": 1},
        {"prompt_tokens": 0, "completion_tokens": 0},
        {},
    ],
)
def test_nonsense_is_not_usage(bad: dict[str, Any]) -> None:
    assert meters_of(bad) is None


def test_hidden_reasoning_is_output() -> None:
    meters = meters_of({"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 530})
    assert meters == Meters(requests=1, input=10, output=520)


def chunk(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, **more}]}


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"role": "assistant", "content": ""}, False),
        ({"role": "assistant"}, False),
        ({"content": None}, False),
        ({"content": "a"}, True),
        ({"reasoning_content": "hm"}, True),
        ({"reasoning": "hm"}, True),
        ({"tool_calls": [{"index": 0}]}, True),
        ({"function_call": {"name": "f"}}, True),
        ({"refusal": "no"}, True),
        ({}, False),
    ],
)
def test_what_counts_as_content(delta: dict[str, Any], expected: bool) -> None:
    reading = Reading(stream=True)
    reading.take(chunk(delta))
    assert reading.says is expected


def test_what_the_provider_sent_beats_what_litellm_made_of_it() -> None:
    reading = Reading(stream=True)
    reading.take(chunk({"content": "a"}))
    reading.take(chunk({}) | {"usage": {"prompt_tokens": 8, "completion_tokens": 7}})
    sent = {"prompt_tokens": 1111, "completion_tokens": 7}
    usage = reading.usage({"usage": True, "rawUsage": sent})
    assert usage.reported
    assert usage.meters.input == 1111
    guessed = reading.usage({"usage": False})
    assert not guessed.reported
    assert guessed.meters.input == 8


def test_text_but_no_output_tokens_is_not_believed() -> None:
    reading = Reading(stream=True)
    reading.take(chunk({"content": "a"}))
    sent = {"prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5}
    assert not reading.usage({"usage": True, "rawUsage": sent}).reported


@given(
    st.recursive(anything, lambda inner: st.dictionaries(st.text(max_size=5), inner), max_leaves=5)
)
def test_no_shape_of_choices_breaks_the_reading(shape: Any) -> None:
    for choices in (shape, [shape], [{"delta": shape if isinstance(shape, dict) else {}}]):
        data = {"choices": choices}
        Reading(stream=True).take(data)


def test_a_total_alone_is_counted_on_the_dearer_side() -> None:
    assert meters_of({"total_tokens": 30}) == Meters(requests=1, output=30)
    folder = Path(__file__).resolve().parents[2] / "freeloader" / "catalog" / "providers"
    for file in folder.glob("*.json"):
        for provider in json.loads(file.read_text())["providers"].values():
            for name, model in provider.get("models", {}).items():
                price = model.get("pricing") or {}
                assert (price.get("output") or 0) >= (price.get("input") or 0), name
