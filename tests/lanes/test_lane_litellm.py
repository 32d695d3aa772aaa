"""The lane against a fake child on a socket: what it sends, and what broken children come to."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from freeloader.core.events import Answer, Delta, End, Event, Fault, Headers, Usage
from freeloader.core.model import Account, Attempt, Deployment, Model, Profile, Provider, Timeouts
from freeloader.core.outcome import ENTRY_REFUSED, classify
from freeloader.errors import Unavailable
from freeloader.gateway.lanes.litellm import LiteLLMLane, request_body
from freeloader.gateway.lanes.upstream import refusal
from freeloader.money import Meters

TRAILER = {"calls": 1, "status": 200, "usage": True, "finish": True, "done": True}


class FakeLease:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.open = 0

    def heard(self) -> None:
        self.signs = getattr(self, "signs", 0) + 1

    def __enter__(self) -> FakeLease:
        self.open += 1
        return self

    def __exit__(self, *error: object) -> None:
        self.open -= 1


class FakeKeeper:
    def __init__(self, session: aiohttp.ClientSession | None) -> None:
        self.leased = FakeLease(session) if session is not None else None
        self.next: FakeLease | None = None

    async def wait_ready(self, timeout: float) -> None:
        self.leased = self.next
        self.lease()

    def lease(self) -> Any:
        if self.leased is None:
            raise Unavailable("starting", code="starting", retry_after=1.0)
        return self.leased

    def serves(self, entry: str) -> bool:
        return entry != "p/unknown"


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Child = Callable[[Handler], Awaitable[FakeKeeper]]


@pytest_asyncio.fixture
async def child(tmp_path: Path) -> AsyncIterator[Child]:
    closing: list[Any] = []

    async def build(handler: Handler) -> FakeKeeper:
        app = web.Application()
        app.router.add_post("/v1/{tail:.*}", handler)
        runner = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        path = str(tmp_path / "c.sock")
        await web.UnixSite(runner, path).start()
        session = aiohttp.ClientSession("http://child", connector=aiohttp.UnixConnector(path))
        closing.extend([session.close, runner.cleanup])
        return FakeKeeper(session)

    yield build
    for close in closing:
        await close()


def attempt(stream: bool = False, entry: str = "p/m", **more: Any) -> Attempt:
    provider = Provider("p", "P", "cloud", "active", "openai", "openai", None)
    account = Account("p", 1, params={"api_version": "2024", "account_id": "7"})
    deployment = Deployment("p@1/m", provider, account, Model("m", "p", "m"), entry, None)
    payload = more.pop("payload", {"messages": [], "model": "steered", "stream_options": {"x": 1}})
    profile = Profile("chat", "m", frozenset(), Meters(), Meters(), stream=stream, payload=payload)
    limits = more.pop("limits", Timeouts(first_byte=5, idle=5, total=10))
    return Attempt("a", "r", 1, deployment, profile, limits, more or {"api_key": "k"})


async def collect(keeper: FakeKeeper, sent: Attempt) -> list[Event]:
    return [event async for event in LiteLLMLane(keeper).send(sent)]


def answer_of(events: list[Event]) -> Answer:
    assert isinstance(events[-1], Fault), events
    assert sum(isinstance(event, (Fault, End)) for event in events) == 1
    return events[-1].answer


def sse(*parts: dict[str, Any] | str, trailer: dict[str, Any] | None = None) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        for part in parts:
            data = part if isinstance(part, str) else orjson.dumps(part).decode()
            await answer.write(f"data: {data}\n\n".encode())
        if trailer is not None:
            await answer.write(b"event: freeloader\ndata: " + orjson.dumps(trailer) + b"\n\n")
        return answer

    return handler


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"object": "chat.completion.chunk", "choices": [choice]}


def test_the_body_names_the_entry_and_carries_this_calls_credentials() -> None:
    body = request_body(attempt(stream=True, aws_access_key_id="a", aws_secret_access_key="s"))
    assert body == {
        "messages": [],
        "model": "p/m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "api_key": "none",
        "api_version": "2024",
        "aws_access_key_id": "a",
        "aws_secret_access_key": "s",
    }
    assert "stream_options" not in request_body(attempt())
    assert request_body(attempt(entry="a,b"))["model"] == "a%2Cb"
    assert request_body(attempt(api_key=""))["api_key"] == "none", "keyless providers"


async def test_no_child_and_unknown_entries_are_the_lanes_fault(child: Child) -> None:
    answer = answer_of(await collect(FakeKeeper(None), attempt()))
    assert (answer.lane_fault, answer.phase) == (True, "connect")
    keeper = await child(sse())
    answer = answer_of(await collect(keeper, attempt(entry="p/unknown")))
    assert (answer.lane_fault, answer.error_class) == (True, "UnknownEntry")


def test_a_model_that_litellm_left_out_is_told_from_one_it_does_not_know_yet() -> None:
    """It was started with the entry, so that asking again is of no use: what to mend is said."""
    meta = b64encode(orjson.dumps({"calls": 0, "class": "BadRequestError"})).decode()
    body = b'{"error": {"message": "There are no healthy deployments for this model"}}'
    answer = refusal(400, {"x-freeloader-upstream": meta}, body)
    assert (answer.lane_fault, answer.phase) == (True, "connect")
    assert answer.error_class == ENTRY_REFUSED
    assert "litellm.params" in answer.body


async def test_s1_a_child_that_died_before_the_call_is_waited_for(child: Child) -> None:
    keeper = await child(sse(chunk({"content": "a"}, "stop"), "[DONE]"))
    keeper.leased, keeper.next = None, keeper.leased
    events = await collect(keeper, attempt(stream=True))
    assert any(isinstance(event, Delta) for event in events), events


async def test_a_whole_stream(child: Child) -> None:
    usage = {"choices": [{"index": 0, "delta": {}}], "usage": {"prompt_tokens": 3}}
    handler = sse(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "a"}),
        chunk({}, "stop"),
        usage,
        "[DONE]",
        "[DONE]",
        trailer=TRAILER | {"rawUsage": {"prompt_tokens": 9, "completion_tokens": 1}},
    )
    keeper = await child(handler)
    events = await collect(keeper, attempt(stream=True))
    assert [type(event) for event in events] == [Headers, Delta, Delta, Delta, Usage, End]
    assert [event.content for event in events if isinstance(event, Delta)] == [False, True, False]
    assert keeper.leased is not None
    assert keeper.leased.open == 0


@pytest.mark.parametrize(
    ("parts", "trailer", "lane_fault"),
    [
        ((chunk({"content": "a"}),), None, True),
        ((chunk({"content": "a"}),), TRAILER | {"finish": False, "done": False}, False),
        ((chunk({}, "stop"),), TRAILER | {"finish": False, "done": True}, False),
        ((), TRAILER | {"finish": False}, False),
        (({"error": {"message": "x"}},), TRAILER | {"class": "APIError"}, False),
        ((chunk({"content": "a"}), {"error": "x"}), TRAILER, False),
        ((chunk({"content": "a"}), "{broken"), TRAILER | {"finish": False, "done": False}, False),
    ],
)
async def test_streams_that_did_not_end_well(
    child: Child, parts: tuple[Any, ...], trailer: dict[str, Any] | None, lane_fault: bool
) -> None:
    answer = answer_of(await collect(await child(sse(*parts, trailer=trailer)), attempt(True)))
    assert answer.phase == "stream"
    assert answer.lane_fault is lane_fault


async def test_a_child_that_dies_in_the_middle_is_the_lanes_fault(child: Child) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"data: " + orjson.dumps(chunk({"content": "a"})) + b"\n\n")
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        return answer

    answer = answer_of(await collect(await child(handler), attempt(True)))
    assert (answer.lane_fault, answer.phase) == (True, "stream")


@pytest.mark.parametrize(
    ("limits", "phase"),
    [
        (Timeouts(first_byte=0.1, idle=5, total=10), "head"),
        (Timeouts(first_byte=5, idle=0.1, total=10), "stream"),
        (Timeouts(first_byte=5, idle=5, total=0.2), None),
    ],
)
async def test_each_limit_ends_the_attempt(
    child: Child, limits: Timeouts, phase: str | None
) -> None:
    left = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        try:
            if phase != "stream":
                await asyncio.sleep(5)
            await answer.prepare(request)
            await answer.write(b": nothing yet\n\n")
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            left.set()
            raise
        return answer

    answer = answer_of(await collect(await child(handler), attempt(True, limits=limits)))
    assert answer.timeout
    assert not answer.lane_fault
    assert phase is None or answer.phase == phase
    async with asyncio.timeout(5):
        await left.wait()


async def test_closing_the_events_closes_the_call(child: Child) -> None:
    left = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"data: " + orjson.dumps(chunk({"content": "a"})) + b"\n\n")
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            left.set()
            raise
        return answer

    keeper = await child(handler)
    events = LiteLLMLane(keeper).send(attempt(True))
    async for event in events:
        if isinstance(event, Delta):
            break
    await events.aclose()
    async with asyncio.timeout(5):
        await left.wait()
    assert keeper.leased is not None
    assert keeper.leased.open == 0


@pytest.mark.parametrize("body", [b"null", b"[]", b"", b"<html>", b'{"choices": []}', b'{"a": 1}'])
async def test_answers_that_are_none(child: Child, body: bytes) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    answer = answer_of(await collect(await child(handler), attempt()))
    assert answer.phase == "stream"


def meta(**found: Any) -> dict[str, str]:
    raw = {"calls": 1, "status": None, "headers": {}, **found}
    return {"x-freeloader-upstream": b64encode(orjson.dumps(raw)).decode()}


def test_refusals_are_told_apart() -> None:
    body = b'{"error": {"message": "litellm says"}}'
    spent = meta(status=429, headers={"retry-after": "3"}, **{"class": "RateLimitError"})
    spent["x-freeloader-body"] = b64encode(b'{"raw": 1}').decode()
    answer = refusal(429, spent, body)
    assert (answer.status, answer.body, answer.phase) == (429, '{"raw": 1}', "head")
    assert answer.headers == {"retry-after": "3"}

    mapped = meta(status=413, **{"class": "RateLimitError"})
    assert refusal(429, mapped, body).status == 413, "LiteLLM's own mapping does not count"

    unsent = meta(transport="ConnectTimeout", connected=False, **{"class": "Timeout"})
    answer = refusal(408, unsent, body)
    assert (answer.status, answer.phase, answer.timeout) == (None, "connect", True)

    broken = meta(transport="ReadError", connected=True, **{"class": "InternalServerError"})
    answer = refusal(500, broken, body)
    assert (answer.status, answer.phase, answer.timeout) == (None, "head", False)
    judged = classify(answer, (), (), 1_000_000.0)
    assert judged.reason == "the connection broke (ReadError)", "nobody sent a status 500"

    unread = meta(status=200, **{"class": "APIError"})
    answer = refusal(500, unread, body)
    assert (answer.status, answer.phase) == (200, "stream")

    refused = meta(calls=0, **{"class": "UnsupportedParamsError"})
    answer = refusal(400, refused, body)
    assert (answer.status, answer.phase, answer.lane_fault) == (400, "connect", False)

    assert refusal(401, meta(calls=0), body).lane_fault, "our own key was refused"
    assert refusal(500, {}, body).lane_fault


@pytest.mark.parametrize("report", [{}, meta(calls=1), meta(calls=2)])
def test_only_a_report_of_no_call_proves_that_none_was_sent(report: dict[str, str]) -> None:
    """Released on less, a call that the provider bills would cost nothing here."""
    for status in (400, 500):
        assert refusal(status, report, b"Internal Server Error").phase == "head"
    assert refusal(500, meta(calls=0), b"").phase == "connect"


def test_a_broken_report_does_not_break_the_answer() -> None:
    for text in ("", "%%%", b64encode(b"[]").decode(), b64encode(b"{").decode()):
        answer = refusal(
            429, {"x-freeloader-upstream": text, "llm_provider-Retry-After": "2"}, b"x"
        )
        assert answer.headers == {"retry-after": "2"}
        assert answer.body == "x"
