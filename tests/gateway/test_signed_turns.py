"""Signed thoughts in a body: kept in known fields only, bound to their maker, refused when odd."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import deployment
from pipeline_world import GOOD, OWNER, collect, world

from freeloader.core.model import Resolution
from freeloader.errors import InvalidRequest
from freeloader.gateway.surfaces.chat import parse_chat

CLAUDE = deployment("anthropic", "claude-x", speed=1.0)
OTHER = deployment("groq", "llama", speed=9.0)
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "sig", "api_base": "http://evil"}


def body(**assistant: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": None, "tool_calls": [CALL], **assistant}
    result = {"role": "tool", "tool_call_id": "c1", "content": "42"}
    return {"messages": [{"role": "user", "content": "go"}, said, result]}


def test_only_known_fields_of_signed_thoughts_are_kept() -> None:
    signed = {**CALL, "extra_content": {"google": {"thought_signature": "s", "x": 1}, "y": 2}}
    found = parse_chat(body(thinking_blocks=[THOUGHT], tool_calls=[signed]), {}, OWNER)
    said = found.payload["messages"][1]
    assert said["thinking_blocks"] == [{"type": "thinking", "thinking": "hm", "signature": "sig"}]
    assert said["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s"}}


@pytest.mark.parametrize(
    "blocks", ["x", [{}], [{"type": "thinking", "thinking": 3, "signature": "s"}], [None]]
)
def test_odd_ones_are_refused_by_their_place(blocks: Any) -> None:
    with pytest.raises(InvalidRequest, match="thinking_blocks"):
        parse_chat(body(thinking_blocks=blocks), {}, OWNER)


async def served(messages: list[Any], named: Resolution | None = None, *every: Any) -> Any:
    found = every or (CLAUDE, OTHER)
    rules = {} if named is None else {"resolution": named}
    house = world({d.id: [list(GOOD)] for d in found}, *found, **rules)
    run = house.begin(stream=True, payload={"messages": messages})
    await run.first(5)
    await collect(run)
    return run.routing()["provider"], house.lane.sent[0].profile.payload["messages"]


async def test_an_open_signed_turn_goes_to_its_maker_and_a_closed_one_anywhere() -> None:
    turn = parse_chat(body(thinking_blocks=[THOUGHT]), {}, OWNER).payload["messages"]
    provider, sent = await served(turn)
    assert provider == "anthropic"
    assert "thinking_blocks" in sent[1]
    closed = [*turn, {"role": "user", "content": "thanks"}]
    provider, sent = await served(closed)
    assert provider == "groq"
    assert "thinking_blocks" not in sent[1]


async def test_where_no_maker_is_at_hand_or_another_was_named_it_is_translated() -> None:
    turn = parse_chat(body(thinking_blocks=[THOUGHT]), {}, OWNER).payload["messages"]
    provider, sent = await served(turn, None, OTHER)
    assert provider == "groq"
    assert "thinking_blocks" not in sent[1]
    named = Resolution("named", "groq/llama", frozenset({OTHER.id}))
    assert (await served(turn, named))[0] == "groq"
