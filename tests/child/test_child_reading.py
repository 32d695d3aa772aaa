"""What the child reads of providers' answers in LiteLLM's place: Cohere's stream, odd usage, and
the last words of what failed. Without a child."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from native_bytes import BEDROCK_TEXT, frames

from freeloader.child.inside.cohere import piece_of
from freeloader.child.inside.usages import amazons, readable
from freeloader.child.inside.wire import Wire

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
SHAPES = {"choices": "usage", "candidates": "usageMetadata", "output": "usage",
          "content": "usage", "message": "usage"}  # fmt: skip


@given(st.sampled_from(sorted(SHAPES)), json_values, json_values)
def test_only_usage_is_ever_taken_out_of_an_answer(shape: str, answer: Any, usage: Any) -> None:
    told = {shape: answer, SHAPES[shape]: usage, "more": answer}
    made = readable(orjson.dumps(told))
    left = orjson.loads(made) if made is not None else told
    assert {**left, SHAPES[shape]: usage} == told
    if made is not None:
        assert readable(made) is None, "what was made is readable"


@given(json_values | st.binary(max_size=20))
def test_what_is_no_answer_is_left_alone(body: Any) -> None:
    text = body if isinstance(body, bytes) else orjson.dumps(body)
    made = readable(text)
    assert made is None or not SHAPES.keys().isdisjoint(body)


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": 5, "output_tokens": 7, "cache_creation_input_tokens": None},
        {"input_tokens": 5, "output_tokens": 7, "server_tool_use": {"web_search_requests": 1}},
        {"input_tokens": 5, "output_tokens": 7, "service_tier": "standard",
         "cache_creation": {"ephemeral_5m_input_tokens": 0}},
    ],
)  # fmt: skip
def test_what_can_be_read_stays(usage: dict[str, Any]) -> None:
    assert readable(orjson.dumps({"content": [], "usage": usage})) is None


def test_geminis_details_are_no_nonsense() -> None:
    details = [{"modality": "TEXT", "tokenCount": 11}]
    usage = {"promptTokenCount": 11, "totalTokenCount": 18, "promptTokensDetails": details}
    assert readable(orjson.dumps({"candidates": [], "usageMetadata": usage})) is None


def test_other_events_of_amazons_stay() -> None:
    for event in ({"delta": {}}, {"choices": [], "usage": 5}, {"outputs": [], "usage": 5}):
        assert amazons(event) is event


@given(st.text(max_size=40) | json_values.map(lambda one: "data: " + orjson.dumps(one).decode()))
def test_a_line_of_coheres_is_a_piece_or_an_error(line: str) -> None:
    try:
        piece = piece_of(line)
    except ValueError:
        return
    assert isinstance(piece["text"], str)
    assert piece["tool_use"] is None or piece["tool_use"]["type"] == "function"


@pytest.mark.parametrize(
    "line",
    ["", "event: message-start", ": still here", "data: [DONE]", "id: 4", 'data: {"type": "x"}'],
)
def test_lines_that_say_nothing(line: str) -> None:
    piece = piece_of(line)
    assert not piece["text"]
    assert not piece["is_finished"]


def _wire(body: bytes, kind: str = "application/json") -> Wire:
    wire = Wire()
    wire.calls = 1
    wire.begin(200, {"content-type": kind})
    wire.feed(body)
    return wire


@pytest.mark.parametrize(
    "body",
    [
        b'{"message": {"content": [{"type": "text", "text": "secret"}]}}',
        b'{"candidates": [{"content": {"parts": [{"text": "secret"}]}}]}',
        b'data: {"delta": {"type": "text_delta", "text": "secret"}}\n\n',
        b'{"message": {"role": "assistant", "content": "secret"}, "done": false}\n',
    ],
)
def test_last_words_quote_no_answer(body: bytes) -> None:
    assert _wire(body).last_words() == b""


def test_last_words_are_the_whole_of_an_error_over_several_lines() -> None:
    error = {"error": {"code": 429, "message": "limit", "status": "RESOURCE_EXHAUSTED"}}
    written = orjson.dumps(error, option=orjson.OPT_INDENT_2)
    assert orjson.loads(_wire(written).last_words()) == error


def test_amazons_frames_are_whole_only_with_their_end() -> None:
    kind = "application/vnd.amazon.eventstream"
    cut = frames(*BEDROCK_TEXT).split(b"\r\n\r\n", 1)[1]
    assert not _wire(cut, kind).finished
    whole = frames(*BEDROCK_TEXT, ("messageStop", {"stopReason": "end_turn"}))
    assert _wire(whole, kind).finished
    assert _wire(cut + b'{"bytes":"eyJ0ZXh0"}', kind).finished, "what it says cannot be read"
