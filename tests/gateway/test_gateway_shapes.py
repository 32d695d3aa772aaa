"""Answers of providers that send what they like are still JSON that can be written."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from freeloader.core.events import Usage
from freeloader.gateway.surfaces.shapes import completion_body, completion_chunk, usage_object
from freeloader.money import Meters


@pytest.mark.parametrize("count", [1e30, 10**30, -(10**30), 2**64, "7", None, True, [1]])
def test_a_count_beyond_reason_is_replaced_by_ours(count: Any) -> None:
    usage = Usage(Meters(), raw={"prompt_tokens": count, "completion_tokens": 3})
    out = usage_object(usage, {"tokensIn": 5, "tokensOut": 3})
    assert orjson.loads(orjson.dumps(out))["prompt_tokens"] == 5
    assert out["total_tokens"] == 8


@pytest.mark.parametrize("part", ["x", 1, [1], {"content": [{"type": "text"}]}, {"content": 5}, {}])
def test_what_is_no_text_is_no_text(part: Any) -> None:
    answer = {"choices": [{"message": part}, None]}
    assert completion_body(answer, {}, {}, {})["text"] == ""
    assert completion_chunk({"choices": [{"delta": part}]}) is None
