"""Providers with a wire of their own behind the real child: what they answer is delivered, settled
by what they counted or as unknown, and judged by what they said.

Cohere, Ollama, Bedrock, Gemini and Anthropic as raw bytes, sound and broken.
"""

from __future__ import annotations

import json
from typing import Any

import native_bytes as nb
import pytest
from hostile_wire import HostileWire
from native_bytes import frames, gemini, http, lines, ollama, ollama_end, sse
from test_child_real import attempt
from test_lane_parity import SCHEMA, TOOLS, USER, summary

from freeloader.child.keeper import Keeper
from freeloader.core.events import Fault
from freeloader.core.model import Timeouts
from freeloader.gateway.lanes.litellm import LiteLLMLane

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),
]

LIMITS = Timeouts(connect=2, first_byte=5, idle=5, total=10)


async def ask(
    keeper: Keeper, wire: HostileWire, provider: str, stream: bool, answer: bytes
) -> dict[str, Any]:
    """What the lane makes of ``answer``; in a fault's summary also its ``body``."""
    wire.say(answer)
    body = {"messages": [USER], "max_tokens": 50, "tools": TOOLS}
    sent = attempt(f"{provider}/x", stream, timeouts=LIMITS, **body)
    events = [one async for one in LiteLLMLane(keeper).send(sent)]
    found = summary(events)
    if isinstance(events[-1], Fault):
        found["fault"]["body"] = events[-1].answer.body
    return found


def meters(into: int, out: int) -> dict[str, int]:
    return {"requests": 1, "input": into, "output": out}


#: Sound answers: provider, stream or not, the bytes, and what was counted.
SOUND: dict[str, tuple[str, bool, bytes, tuple[int, int]]] = {
    "cohere": ("cohere", False, http(nb.COHERE), (71, 9)),
    "cohere streams": ("cohere", True, sse(
        *nb.COHERE_TEXT, nb.cohere_end("COMPLETE", nb.COHERE_USAGE), done=True), (71, 9)),
    "ollama": ("ollama", False, http(ollama_end("hello", **nb.OLLAMA_COUNTS)), (11, 7)),
    "ollama streams": ("ollama", True, lines(
        ollama("hel"), ollama("lo"), ollama_end(**nb.OLLAMA_COUNTS)), (11, 7)),
    "ollama streams as text": ("ollama", True, lines(
        ollama("hello"), ollama_end(**nb.OLLAMA_COUNTS), kind="text/plain"), (11, 7)),
    "bedrock": ("bedrock", False, http(nb.BEDROCK), (11, 7)),
    "bedrock streams": ("bedrock", True, frames(
        *nb.BEDROCK_TEXT, *nb.BEDROCK_END, ("metadata", {"usage": nb.BEDROCK_USAGE})), (11, 7)),
    "gemini": ("gemini", False, http(
        gemini("hello", "STOP", usageMetadata=nb.GEMINI_USAGE)), (11, 7)),
    "gemini streams": ("gemini", True, sse(
        gemini("hel"), gemini("lo", "STOP", usageMetadata=nb.GEMINI_USAGE)), (11, 7)),
    "anthropic": ("anthropic", False, http(nb.ANTHROPIC), (11, 7)),
    "anthropic streams": ("anthropic", True, sse(
        *nb.anthropic("hel", "lo"), *nb.anthropic_end({"output_tokens": 7})), (11, 7)),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
async def test_a_sound_answer_arrives_with_its_usage(
    keeper: Keeper, wire: HostileWire, name: str
) -> None:
    provider, stream, answer, counted = SOUND[name]
    found = await ask(keeper, wire, provider, stream, answer)
    assert (found["text"], found["end"]) == ("hello", "stop")
    expected = meters(*counted)
    assert {k: v for k, v in found["meters"].items() if v} == expected


def _without(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "usage"}


#: No usage, or none that anybody can count.
ODD = (None, "x", 5, [7], True)


def _unknown() -> dict[str, tuple[str, bool, bytes]]:
    found: dict[str, tuple[str, bool, bytes]] = {}
    for odd in ODD:
        found |= {
            f"cohere {odd}": ("cohere", False, http({**nb.COHERE, "usage": odd})),
            f"cohere {odd} streams": (
                "cohere", True, sse(*nb.COHERE_TEXT, nb.cohere_end("COMPLETE", odd))),
            f"bedrock {odd}": ("bedrock", False, http({**nb.BEDROCK, "usage": odd})),
            f"gemini {odd}": ("gemini", False, http(gemini("hello", "STOP", usageMetadata=odd))),
            f"gemini {odd} streams": (
                "gemini", True, sse(gemini("hello"), gemini("", "STOP", usageMetadata=odd))),
            f"anthropic {odd}": ("anthropic", False, http({**nb.ANTHROPIC, "usage": odd})),
            f"anthropic {odd} streams": (
                "anthropic", True, sse(*nb.anthropic("hello", begun=odd), *nb.anthropic_end(odd))),
        }  # fmt: skip
    words = {"input_tokens": "many", "output_tokens": None}
    amazon = {"inputTokens": "many", "outputTokens": 7}
    counts = {"prompt_eval_count": "many", "eval_count": [7]}
    half = {"prompt_eval_count": 11, "eval_count": "many"}
    return found | {
        "cohere words": ("cohere", False, http({**nb.COHERE, "usage": {"tokens": words}})),
        "cohere words stream": (
            "cohere", True, sse(*nb.COHERE_TEXT, nb.cohere_end("COMPLETE", {"tokens": words}))),
        "cohere without": ("cohere", False, http(_without(nb.COHERE))),
        "anthropic without": ("anthropic", False, http(_without(nb.ANTHROPIC))),
        "bedrock without": ("bedrock", False, http(_without(nb.BEDROCK))),
        "bedrock words stream": ("bedrock", True, frames(
            *nb.BEDROCK_TEXT, *nb.BEDROCK_END, ("metadata", {"usage": amazon, "metrics": {}}))),
        "bedrock without streams": ("bedrock", True, frames(*nb.BEDROCK_TEXT, *nb.BEDROCK_END)),
        "bedrock words": ("bedrock", False, http({**nb.BEDROCK, "usage": amazon})),
        "ollama without": ("ollama", False, http(ollama_end("hello"))),
        "ollama without streams": ("ollama", True, lines(ollama("hello"), ollama_end())),
        "ollama words": ("ollama", False, http(ollama_end("hello", **counts))),
        "ollama words stream": ("ollama", True, lines(ollama("hello"), ollama_end(**counts))),
        "ollama half stream": ("ollama", True, lines(ollama("hello"), ollama_end(**half))),
    }  # fmt: skip


UNKNOWN = _unknown()


@pytest.mark.parametrize("name", UNKNOWN)
async def test_an_answer_is_delivered_whatever_its_usage_and_nobody_believes_that(
    keeper: Keeper, wire: HostileWire, name: str
) -> None:
    """It is paid for: as an error it was asked again elsewhere, and LiteLLM's own guess at the
    tokens passed for the provider's word."""
    found = await ask(keeper, wire, *UNKNOWN[name])
    assert (found["text"], found["end"]) == ("hello", "stop")
    assert found["reported"] is False


CALLS = {
    "cohere": ("cohere", False, http({**nb.COHERE, "finish_reason": "TOOL_CALL", "message": {
        "role": "assistant", "tool_plan": "I look", "tool_calls": [
            {"id": "c1", "type": "function",
             "function": {"name": "look", "arguments": '{"at": "x"}'}}]}})),
    "cohere streams": (
        "cohere", True, sse(*nb.COHERE_CALL, nb.cohere_end("TOOL_CALL", nb.COHERE_USAGE))),
    "ollama streams": ("ollama", True, lines(
        ollama("", tool_calls=[{"function": {"name": "look", "arguments": {"at": "x"}}}]),
        ollama_end(**nb.OLLAMA_COUNTS))),
    "bedrock": ("bedrock", False, http({**nb.BEDROCK, "stopReason": "tool_use", "output": {
        "message": {"role": "assistant", "content": [
            {"toolUse": {"toolUseId": "c1", "name": "look", "input": {"at": "x"}}}]}}})),
    "gemini streams": ("gemini", True, sse({"usageMetadata": nb.GEMINI_USAGE, "candidates": [
        {"finishReason": "STOP", "content": {"role": "model", "parts": [
            {"functionCall": {"name": "look", "args": {"at": "x"}}}]}}]})),
    "anthropic": ("anthropic", False, http({**nb.ANTHROPIC, "stop_reason": "tool_use", "content": [
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "x"}}]})),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
async def test_a_tool_call_arrives_and_is_called_one(
    keeper: Keeper, wire: HostileWire, name: str
) -> None:
    found = await ask(keeper, wire, *CALLS[name])
    assert found["calls"][0][1:] == ["look", '{"at": "x"}']
    assert found["end"] == "tool_calls"
    assert found["reported"] is True


async def test_coheres_other_ends(keeper: Keeper, wire: HostileWire) -> None:
    long = await ask(
        keeper, wire, "cohere", False, http({**nb.COHERE, "finish_reason": "MAX_TOKENS"})
    )
    assert long["end"] == "length"
    for reason in ("ERROR", "TIMEOUT"):
        ended = sse(*nb.COHERE_TEXT, nb.cohere_end(reason, nb.COHERE_USAGE))
        for answer, stream in (
            (http({**nb.COHERE, "finish_reason": reason}), False),
            (ended, True),
        ):
            found = await ask(keeper, wire, "cohere", stream, answer)
            assert found["fault"]["outcome"][0] == "their_fault"


#: Answers that are none, and the kind of outcome each is. All of them may have been paid for.
BROKEN: dict[str, tuple[str, bool, bytes, str]] = {
    "cohere breaks off": ("cohere", True, sse(*nb.COHERE_TEXT), "their_fault"),
    "ollama breaks off": ("ollama", True, lines(ollama("hel"), ollama("lo")), "their_fault"),
    "ollama breaks off in a line": (
        "ollama", True, lines(ollama("hello")) + b'{"model": "m", "mess', "their_fault"),
    "ollama fails in the middle": (
        "ollama", True, lines(ollama("hello"), {"error": "runner has terminated"}), "their_fault"),
    "bedrock breaks off": ("bedrock", True, frames(*nb.BEDROCK_TEXT), "their_fault"),
    "gemini breaks off": ("gemini", True, sse(gemini("hel"), gemini("lo")), "their_fault"),
    "gemini fails in the middle": ("gemini", True, sse(gemini("hello"), {"error": {
        "code": 503, "message": "The model is overloaded", "status": "UNAVAILABLE"}}),
        "overloaded"),
    "anthropic breaks off": ("anthropic", True, sse(*nb.anthropic("hello")), "their_fault"),
    "anthropic fails in the middle": ("anthropic", True, sse(*nb.anthropic("hello"), {
        "type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        "overloaded"),
    "anthropic, no stream": ("anthropic", True, http(nb.ANTHROPIC), "their_fault"),
    "cohere, no stream": ("cohere", True, http(nb.COHERE), "their_fault"),
    "gemini in a list": ("gemini", False, http([gemini("hello", "STOP")]), "their_fault"),
    "gemini, a list for a stream": ("gemini", True, http([gemini("hello", "STOP")]), "their_fault"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_answer_is_a_fault_that_quotes_no_answer(
    keeper: Keeper, wire: HostileWire, name: str
) -> None:
    provider, stream, answer, kind = BROKEN[name]
    found = await ask(keeper, wire, provider, stream, answer)
    fault = found["fault"]
    assert (fault["status"], fault["phase"], fault["lane"]) == (200, "stream", False)
    assert fault["outcome"][0] == kind
    assert "hel" not in fault["body"], "what was written is nobody's log entry"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", ["cohere", "ollama", "bedrock", "gemini", "anthropic"])
async def test_a_page_is_no_answer(
    keeper: Keeper, wire: HostileWire, provider: str, stream: bool
) -> None:
    found = await ask(keeper, wire, provider, stream, http(b"<html>oops</html>", "text/html"))
    assert found["fault"]["phase"] == "stream"
    assert found["fault"]["outcome"][0] == "their_fault"


async def test_what_failed_behind_amazons_frames_is_named(
    keeper: Keeper, wire: HostileWire
) -> None:
    failed = ("throttlingException", {"message": "Too many tokens"})
    found = await ask(keeper, wire, "bedrock", True, frames(*nb.BEDROCK_TEXT, failed))
    assert found["fault"]["body"] == 'throttlingException {"message": "Too many tokens"}'


TRIAL = "You are using a Trial key, which is limited to "
ERRORS: tuple[tuple[str, int, dict[str, Any], str], ...] = (
    ("cohere", 429, {"message": TRIAL + "1000 API calls / month."}, "spent"),
    ("cohere", 429, {"message": TRIAL + "20 API calls / minute."}, "slow_down"),
    ("cohere", 402, {"message": "please add or update your payment method"}, "credits_gone"),
    ("cohere", 401, {"message": "invalid api token"}, "key_bad"),
    ("ollama", 404, {"error": "model 'x' not found"}, "model_gone"),
    ("ollama", 503, {"error": "server busy, please try again."}, "overloaded"),
    ("ollama", 403, {"error": "this model requires a subscription"}, "not_on_plan"),
    ("bedrock", 429, {"message": "Too many tokens per day, please wait."}, "spent"),
    ("bedrock", 403, {"message": "You don't have access to the model."}, "not_on_plan"),
    ("gemini", 402, {"error": {"code": 402, "message": "prepay credits depleted"}}, "credits_gone"),
    ("anthropic", 400, {"type": "error", "error": {"type": "invalid_request_error", "message":
        "Your credit balance is too low to access the Anthropic API."}}, "credits_gone"),
    ("anthropic", 529, {"type": "error", "error": {
        "type": "overloaded_error", "message": "Overloaded"}}, "overloaded"),
)  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("provider", "status", "body", "kind"), ERRORS)
async def test_a_refusal_comes_through_in_the_providers_words(
    keeper: Keeper,
    wire: HostileWire,
    provider: str,
    status: int,
    body: dict[str, Any],
    kind: str,
    stream: bool,
) -> None:
    found = await ask(keeper, wire, provider, stream, http(body, status=status))
    fault = found["fault"]
    assert (fault["status"], fault["phase"], fault["outcome"][0]) == (status, "head", kind)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", ["ollama", "gemini"])
async def test_a_request_that_cannot_be_written_for_a_wire_goes_to_another_one(
    keeper: Keeper, wire: HostileWire, provider: str, stream: bool
) -> None:
    """A model's tool call with broken arguments, say: the lane was blamed, and asked again."""
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{no"}}
    history = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "seen"},
    ]
    wire.say(b"")
    sent = attempt(f"{provider}/x", stream, timeouts=LIMITS, messages=history, tools=TOOLS)
    events = [one async for one in LiteLLMLane(keeper).send(sent)]
    fault = summary(events)["fault"]
    assert (fault["phase"], fault["lane"]) == ("connect", False)
    assert fault["outcome"] == ("our_fault", "request", None, "other", "us")


async def test_cohere_is_asked_for_json_and_for_a_tool(keeper: Keeper, wire: HostileWire) -> None:
    """LiteLLM refused the one, though all its models can, and forgot the other."""
    wire.say(http(nb.COHERE))
    asked = {"messages": [USER], "tools": TOOLS, "tool_choice": "required",
             "response_format": SCHEMA}  # fmt: skip
    events = [one async for one in LiteLLMLane(keeper).send(attempt("cohere/x", **asked))]
    assert summary(events)["text"] == "hello"
    sent = json.loads(wire.asked)
    assert sent["tool_choice"] == "REQUIRED"
    assert sent["response_format"] == {"type": "json_object", "json_schema": {"type": "object"}}
