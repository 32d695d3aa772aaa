"""A field that an adapter does not take: left out and named, never at the price of the answer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from aiohttp import web
from test_lane_litellm import Child, answer_of, attempt, child, collect

from freeloader.core.events import Delta, End, Headers
from freeloader.gateway.lanes.leaving_out import Gaps, refused_fields, without
from freeloader.gateway.lanes.litellm import LiteLLMLane

__all__ = ["child"]

LISTED = (
    "litellm.UnsupportedParamsError: mistral does not support parameters: {}, for model=m. "
    "To drop these, set `litellm.drop_params=True` … allowed_openai_params={} in your request."
)
ONE = "litellm.UnsupportedParamsError: gpt-5 doesn't support temperature=0.5 while reasoning."


def report(message: str, **more: Any) -> dict[str, Any]:
    return {"class": "UnsupportedParamsError", "calls": 0, "message": message, **more}


def listed(*names: str) -> str:
    return LISTED.format(list(names), list(names))


@pytest.mark.parametrize(
    ("meta", "payload", "names"),
    [
        (report(listed("seed")), {"seed": 1}, {"seed"}),
        (report(listed("seed", "top_p")), {"seed": 1, "top_p": 1, "n": 1}, {"seed", "top_p"}),
        (report(ONE), {"temperature": 0.5}, {"temperature"}),
        (report(listed("max_completion_tokens")), {"max_completion_tokens": 5},
         {"max_completion_tokens"}),
        (report(listed("tools")), {"tools": []}, set()),
        (report(listed("seed", "n")), {"seed": 1, "n": 2}, set()),
        (report(listed("seed")), {}, set()),
        (report(listed("seed"), calls=1), {"seed": 1}, set()),
        ({"class": "BadRequestError", "message": listed("seed")}, {"seed": 1}, set()),
        (report("something else"), {"seed": 1}, set()),
        ({}, {"seed": 1}, set()),
    ],
)  # fmt: skip
def test_only_fields_that_shape_the_style_are_left_out(
    meta: dict[str, Any], payload: dict[str, Any], names: set[str]
) -> None:
    assert refused_fields(meta, payload) == names


def test_a_length_keeps_its_bound_under_its_older_name() -> None:
    gone = frozenset({"max_completion_tokens"})
    assert without({"max_completion_tokens": 5}, gone) == {"max_tokens": 5}
    assert without({"max_completion_tokens": 5, "max_tokens": 3}, gone) == {"max_tokens": 3}


def test_what_is_remembered_is_bounded_and_asked_by_payload() -> None:
    gaps = Gaps()
    gaps.learn("p/m", frozenset({"seed"}))
    gaps.learn("p/m", frozenset({"top_p"}))
    assert gaps.of("p/m", {"seed": 1, "n": 1}) == {"seed"}
    for number in range(10_000):
        gaps.learn(f"q/{number}", frozenset({"seed"}))
    assert gaps.of("p/m", {"seed": 1}) == frozenset()


def meta_header(meta: dict[str, Any]) -> str:
    from base64 import b64encode

    return b64encode(orjson.dumps(meta)).decode()


async def test_the_call_goes_again_without_it_and_the_next_one_at_once(child: Child) -> None:
    bodies: list[dict[str, Any]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        bodies.append(body)
        if "seed" in body:
            told = {"x-freeloader-upstream": meta_header(report(listed("seed")))}
            return web.json_response({"error": {}}, status=400, headers=told)
        choice = {"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 1}})

    keeper = await child(handler)
    lane = LiteLLMLane(keeper)
    sent = attempt(payload={"messages": [], "seed": 7})
    for _ in range(2):
        events = [event async for event in lane.send(sent)]
        assert isinstance(events[0], Headers)
        assert events[0].left_out == ("seed",)
        assert isinstance(events[1], Delta)
        assert isinstance(events[-1], End)
    assert ["seed" in body for body in bodies] == [True, False, False]
    assert keeper.leased is not None
    assert keeper.leased.open == 0


async def test_a_refusal_for_what_matters_stays_a_refusal(child: Child) -> None:
    calls = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        told = {"x-freeloader-upstream": meta_header(report(listed("tools")))}
        return web.json_response({"error": {}}, status=400, headers=told)

    answer = answer_of(await collect(await child(handler), attempt(payload={"tools": []})))
    assert (answer.status, answer.phase, calls) == (400, "connect", 1)
