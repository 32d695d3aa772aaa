"""Same request, same answer: the child's lane and the direct one, side by side.

A real LiteLLM child and a fake provider. What is compared is what the pipeline sees and
clients get: texts, tool calls, ends, usage as it is charged, and what failures mean.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from fake_upstream import FakeUpstream
from test_child_real import attempt

from freeloader.child.keeper import Keeper
from freeloader.clock import SystemClock
from freeloader.core.events import Delta, End, Event, Fault, Usage
from freeloader.core.model import Attempt, Timeouts
from freeloader.core.outcome import classify
from freeloader.gateway.lanes.direct.lane import DirectLane
from freeloader.gateway.lanes.direct.pool import Pools
from freeloader.gateway.lanes.litellm import LiteLLMLane

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),
]

TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "s", "strict": True, "schema": {"type": "object"}},
}
USER = {"role": "user", "content": "hi"}


async def both(keeper: Keeper, upstream: FakeUpstream, sent: Attempt) -> tuple[Any, Any]:
    """What each lane makes of it, summed up; the child's first."""
    base = "http://127.0.0.1:9" if sent.deployment.provider.id == "dead" else upstream.url
    straight = replace(sent, deployment=replace(sent.deployment, base_url=base))
    direct = DirectLane(Pools(), SystemClock())
    try:
        there = [event async for event in LiteLLMLane(keeper).send(sent)]
        here = [event async for event in direct.send(straight)]
    finally:
        await direct.close()
    return summary(there), summary(here)


def summary(events: list[Event]) -> dict[str, Any]:
    """What matters of a lane's events, in a form that does not depend on how it was cut up."""
    deltas = [event for event in events if isinstance(event, Delta)]
    usage = next((event for event in events if isinstance(event, Usage)), None)
    last = events[-1]
    found: dict[str, Any] = {
        "text": "".join(_texts(deltas)),
        "calls": _calls(deltas),
        "contentful": sum(delta.content for delta in deltas),
        "reported": usage.reported if usage else None,
        "meters": usage.meters.as_dict() if usage and usage.reported else None,
        "end": last.finish_reason if isinstance(last, End) else None,
    }
    if isinstance(last, Fault):
        answer = last.answer
        judged = classify(answer, (), (), 1_000_000.0)
        found["fault"] = {
            "status": answer.status,
            "phase": answer.phase,
            "timeout": answer.timeout,
            "lane": answer.lane_fault,
            "code": answer.code if answer.phase == "head" else None,  # else only its text
            "outcome": (judged.kind, judged.scope, judged.until, judged.retry, judged.blame),
            "retry-after": answer.headers.get("retry-after"),
        }
    return found


def _parts(deltas: list[Delta]) -> list[dict[str, Any]]:
    choices = [choice for delta in deltas for choice in delta.data["choices"]]
    return [choice.get("delta") or choice.get("message") or choice for choice in choices]


def _texts(deltas: list[Delta]) -> list[str]:
    return [part.get("content") or part.get("text") or "" for part in _parts(deltas)]


def _calls(deltas: list[Delta]) -> dict[int, list[str]]:
    """Per call its id, its name and its arguments, put together."""
    found: dict[int, list[str]] = {}
    for part in _parts(deltas):
        for number, call in enumerate(part.get("tool_calls") or []):
            kept = found.setdefault(call.get("index", number), ["", "", ""])
            function = call.get("function") or {}
            kept[0] += call.get("id") or ""
            kept[1] += function.get("name") or ""
            kept[2] += function.get("arguments") or ""
    return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "model",
    ["ok", "tools", "401", "402", "403", "404", "400", "413", "422", "429", "500", "503",
     "redirect", "reset", "empty"],
)  # fmt: skip
async def test_chat(keeper: Keeper, upstream: FakeUpstream, model: str, stream: bool) -> None:
    child, direct = await both(keeper, upstream, attempt(f"sim/{model}", stream))
    assert direct == child


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_in_a_choice_is_no_answer(
    keeper: Keeper, upstream: FakeUpstream, stream: bool
) -> None:
    child, direct = await both(keeper, upstream, attempt("sim/choice-error", stream))
    for made in (child, direct):
        assert made["contentful"] == 0
        assert made["end"] is None
        assert made["fault"]["outcome"][:2] == ("spent", "model")


@pytest.mark.parametrize("stream", [False, True])
async def test_nobody_there(keeper: Keeper, upstream: FakeUpstream, stream: bool) -> None:
    child, direct = await both(keeper, upstream, attempt("dead/x", stream))
    assert direct == child
    assert direct["fault"]["phase"] == "connect"


async def test_text_completion(keeper: Keeper, upstream: FakeUpstream) -> None:
    child, direct = await both(keeper, upstream, attempt("sim/ok", prompt="x"))
    assert direct == child
    assert direct["text"] == "hi"


@pytest.mark.parametrize("model", ["cut", "cleancut", "midstream", "nousage"])
async def test_streams_that_go_wrong(keeper: Keeper, upstream: FakeUpstream, model: str) -> None:
    child, direct = await both(keeper, upstream, attempt(f"sim/{model}", stream=True))
    assert direct == child
    assert direct["text"].startswith("word0 word1 ")


@pytest.mark.parametrize(
    ("model", "stream"),
    [("nousage", False), ("badusage", False), ("oddusage", False), ("oddusage", True),
     ("listusage", False), ("listusage", True), ("wordusage", False), ("wordusage", True)],
)  # fmt: skip
async def test_usage_that_cannot_be_believed(
    keeper: Keeper, upstream: FakeUpstream, model: str, stream: bool
) -> None:
    child, direct = await both(keeper, upstream, attempt(f"sim/{model}", stream))
    assert direct == child
    assert direct["reported"] is False
    assert direct["end"] == "stop"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_total_alone_is_counted_at_the_dearer_price(
    keeper: Keeper, upstream: FakeUpstream, stream: bool
) -> None:
    child, direct = await both(keeper, upstream, attempt("sim/totalusage", stream))
    assert direct == child
    assert {name: n for name, n in direct["meters"].items() if n} == {"requests": 1, "output": 30}


@pytest.mark.parametrize(("model", "stream"), [("badjson", False), ("garbage", True)])
async def test_garbage(keeper: Keeper, upstream: FakeUpstream, model: str, stream: bool) -> None:
    child, direct = await both(keeper, upstream, attempt(f"sim/{model}", stream))
    for made in (child, direct):
        assert made["fault"]["phase"] == "stream"
        assert made["fault"]["outcome"][0] == "their_fault"
        assert made["text"] == ""


@pytest.mark.parametrize("stream", [False, True])
async def test_the_time_limits(keeper: Keeper, upstream: FakeUpstream, stream: bool) -> None:
    limits = Timeouts(connect=2, first_byte=0.5, idle=5, total=10)
    sent = attempt("sim/hang", stream, timeouts=limits)
    child, direct = await both(keeper, upstream, sent)
    assert direct == child
    assert direct["fault"]["timeout"]


@pytest.mark.parametrize(
    "payload",
    [
        {"messages": [USER], "temperature": 0.5, "max_tokens": 7, "stop": ["x"], "seed": 3},
        {"messages": [{"role": "system", "content": "be brief"}, USER], "response_format": SCHEMA},
        {"messages": [USER], "response_format": {"type": "json_object"}},
        {"messages": [USER], "tools": TOOLS, "tool_choice": "auto"},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, IMAGE]}]},
        {
            "messages": [
                USER,
                {"role": "assistant", "content": None, "tool_calls": [
                    {"id": "c", "type": "function",
                     "function": {"name": "look", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "seen"},
            ],
            "tools": TOOLS,
        },
        {"messages": [{"role": "user", "content": "é 漢 \U0001f600 \u2028"}]},
    ],
)  # fmt: skip
async def test_the_same_body_arrives(
    keeper: Keeper, upstream: FakeUpstream, payload: dict[str, Any]
) -> None:
    child, direct = await both(keeper, upstream, attempt("sim/echo", **payload))
    there, here = json.loads(child["text"]), json.loads(direct["text"])
    assert here["messages"] == payload["messages"]
    for body in (there, here):  # LiteLLM leaves an empty content out; it means the same
        for message in body["messages"]:
            if message.get("content") is None:
                message.pop("content", None)
    assert here == there


async def test_leaving_closes_the_providers_connection_on_both(
    keeper: Keeper, upstream: FakeUpstream
) -> None:
    direct = DirectLane(Pools(), SystemClock())
    sent = attempt("sim/long", stream=True)
    straight = replace(sent, deployment=replace(sent.deployment, base_url=upstream.url))
    for lane, ask in ((LiteLLMLane(keeper), sent), (direct, straight)):
        upstream.closed.clear()
        events = lane.send(ask)  # type: ignore[attr-defined]
        async for event in events:
            if isinstance(event, Delta) and event.content:
                break
        await events.aclose()
        async with asyncio.timeout(5):
            while not upstream.closed:
                await asyncio.sleep(0.02)
    await direct.close()
