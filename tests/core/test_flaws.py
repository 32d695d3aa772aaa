"""What is found in answers that came back, and what is none of our business."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core.outcome.flaws import Asked, empty, found

PERSON = {
    "type": "object",
    "properties": {"age": {"type": "integer"}},
    "required": ["age"],
    "additionalProperties": False,
}


def answer(content: Any = "Hi.", finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": content, **message}
    return {"choices": [{"index": 0, "message": said, "finish_reason": finish}]}


def call(arguments: Any, name: Any = "look") -> list[dict[str, Any]]:
    return [{"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}]


SCHEMA = Asked(True, PERSON)


@pytest.mark.parametrize(
    ("data", "asked", "said"),
    [
        (answer(), Asked(), None),
        (answer(""), Asked(), "empty"),
        (answer(" \n"), Asked(), "empty"),
        (answer(None), Asked(), "empty"),
        ({"choices": []}, Asked(), "empty"),
        ({}, Asked(), "empty"),
        (answer("", reasoning_content="hm"), Asked(), "went into reasoning"),
        (answer(None, refusal="No."), Asked(), None),
        (answer("", "content_filter"), Asked(), None),
        (answer([{"type": "text", "text": "Hi"}]), Asked(), None),
        (answer("Hi", "length"), Asked(), "cut off"),
        (answer("Hi", "length"), Asked(bound=5), None),
        ({**answer("Hi", "length"), "usage": {"completion_tokens": 3}}, Asked(bound=50), "cut off"),
        ({**answer("Hi", "length"), "usage": {"completion_tokens": 50}}, Asked(bound=50), None),
        (answer('{"age": 3}'), SCHEMA, None),
        (answer('{"age": "3"}'), SCHEMA, "breaks the asked schema at age (type)"),
        (answer('{"age": 3, "x": 1}'), SCHEMA, "breaks the asked schema at its top level"),
        (answer("{}"), SCHEMA, "required"),
        (answer('```json\n{"age": 3}\n```'), SCHEMA, "no JSON"),
        (answer("[1, 2]"), Asked(True), None),
        (answer("{"), Asked(True), "no JSON"),
        (answer("{", "length"), Asked(True, bound=1), None),
        (answer(None, tool_calls=call('{"a": 1}')), SCHEMA, None),
        (answer(None, tool_calls=call("")), Asked(), None),
        (answer(None, tool_calls=call('{"a": ')), Asked(), "are no JSON"),
        (answer(None, tool_calls=call("[1]")), Asked(), "are no object"),
        (answer(None, tool_calls=call("{}", None)), Asked(), "no function name"),
        (answer(None, function_call={"name": "f", "arguments": "{"}), Asked(), "are no JSON"),
        (answer("So: " + "and then we go on " * 100), Asked(), "repeats 'and then we go on"),
        (answer("no " * 300), Asked(), "repeats"),
        (answer("-" * 90 + "\n" + "a table, then words. " * 5), Asked(), None),
        (answer(" " * 2000 + "x"), Asked(), None),
    ],
)
def test_flaws(data: dict[str, Any], asked: Asked, said: str | None) -> None:
    told = found(data, asked)
    assert (told is None) if said is None else (told is not None and said in told), told


def test_ordinary_prose_and_code_do_not_repeat_without_end() -> None:
    listing = "\n".join(f"- item {i}: the value is {i * 7}" for i in range(200))
    assert found(answer(listing), Asked()) is None
    assert found(answer(json.dumps([{"id": i, "ok": True} for i in range(300)])), Asked()) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"$ref": "#/$defs/none"},
        {"pattern": "(a+)+$"},
        {"properties": 3},
    ],
)
def test_a_schema_that_is_none_finds_nothing_and_fetches_nothing(schema: dict[str, Any]) -> None:
    assert found(answer('"' + "a" * 60 + '!"'), Asked(True, schema)) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["choices", "message", "content", "tool_calls", "function"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_shape_comes_back_nothing_breaks(value: Any) -> None:
    data = value if isinstance(value, dict) else {"choices": [value]}
    assert isinstance(found(data, SCHEMA), str | None)


def test_what_is_asked_is_read_from_the_body() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}}
    assert Asked.of({"response_format": form}, 7) == Asked(True, PERSON, 7)
    assert Asked.of({"response_format": {"type": "json_object"}}, None) == Asked(True)
    assert Asked.of({"response_format": {"type": "text"}}, None) == Asked()
    assert Asked.of({}, None) == Asked()


def test_a_stream_that_ends_without_content() -> None:
    assert empty("stop") is not None
    assert empty(None) is not None
    assert empty("content_filter") is None
