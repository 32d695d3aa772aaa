"""The direct lane against providers on loopback: what answers come to, and what is kept open."""

from __future__ import annotations

import asyncio
import gzip

import orjson
import pytest
from aiohttp import web
from provider_kit import (
    answer_of,
    attempt,
    chunk,
    collect,
    json_handler,
    provider,
    raw_provider,
    stream_handler,
    whole,
)

from freeloader.clock import SystemClock
from freeloader.core.events import Delta, End, Headers, Usage
from freeloader.core.model import Timeouts
from freeloader.gateway.lanes.direct.lane import DirectLane
from freeloader.gateway.lanes.direct.pool import Pools
from freeloader.money import Meters

DONE = b"data: [DONE]\n\n"


async def test_json_answer() -> None:
    head = {"x-ratelimit-remaining-requests": "9", "set-cookie": "a=b"}
    async with provider(json_handler(whole(), headers=head)) as served:
        events = await collect(attempt(served.url))
        assert [type(event) for event in events] == [Headers, Delta, Usage, End]
        assert isinstance(events[0], Headers)
        assert events[0].headers["x-ratelimit-remaining-requests"] == "9"
        assert "set-cookie" not in events[0].headers
        assert events[2] == Usage(Meters(requests=1, input=3, output=2), True, whole()["usage"])
        assert events[3] == End("stop")
    assert served.paths == ["/v1/chat/completions"]
    assert served.headers[0]["Authorization"] == "Bearer key-1"
    assert "Cookie" not in served.headers[0]


async def test_a_text_completion_goes_to_its_own_path() -> None:
    answer = whole() | {"choices": [{"index": 0, "text": "hi", "finish_reason": "stop"}]}
    async with provider(json_handler(answer)) as served:
        events = await collect(attempt(served.url, payload={"prompt": "x"}))
    assert served.paths == ["/v1/completions"]
    assert isinstance(events[-1], End)


async def test_a_whole_stream_and_its_usage() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 1}
    last = b"data: " + orjson.dumps({"choices": [], "usage": usage}) + b"\n\n"
    parts = (chunk({"role": "assistant", "content": ""}), chunk({"content": "a"}),
             chunk({}, "stop"), last, DONE, DONE)  # fmt: skip
    async with provider(stream_handler(*parts)) as served:
        events = await collect(attempt(served.url, stream=True))
    assert [type(event) for event in events] == [Headers, Delta, Delta, Delta, Usage, End]
    assert [e.content for e in events if isinstance(e, Delta)] == [False, True, False]
    told = events[-2]
    assert isinstance(told, Usage)
    assert told.reported
    assert told.meters == Meters(requests=1, input=9, output=1)


async def test_names_are_those_that_clients_know() -> None:
    thought = b'data: {"choices":[{"delta":{"reasoning":"hm"}}]}\n\n'
    ended = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"eos"}],'
    ended += b'"x_groq":{"usage":{"prompt_tokens":4,"completion_tokens":2}}}\n\n'
    async with provider(stream_handler(thought, ended, DONE)) as served:
        events = await collect(attempt(served.url, stream=True))
    first, second = (e.data for e in events if isinstance(e, Delta))
    assert first["choices"][0]["delta"] == {"reasoning_content": "hm"}
    assert first["id"] == second["id"] == "chatcmpl-a"
    assert first["object"] == "chat.completion.chunk"
    assert second["choices"][0]["finish_reason"] == "stop"
    assert next(e for e in events if isinstance(e, Usage)).meters.output == 2


async def test_a_whole_answer_to_a_stream_becomes_a_chunk() -> None:
    async with provider(json_handler(whole())) as served:
        events = await collect(attempt(served.url, stream=True))
    delta = next(e for e in events if isinstance(e, Delta))
    assert delta.data["choices"][0]["delta"]["content"] == "hello"
    assert isinstance(events[-1], End)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 429, 500, 503, 529])
async def test_refusals_come_as_they_are(status: int, stream: bool) -> None:
    body = {"error": {"message": f"no {status}", "code": "why"}}
    handler = json_handler(body, status, {"retry-after": "17"})
    async with provider(handler) as served:
        answer = answer_of(await collect(attempt(served.url, stream=stream)))
    assert (answer.status, answer.code, answer.phase) == (status, "why", "head")
    assert orjson.loads(answer.body) == body
    assert answer.headers["retry-after"] == "17"
    assert not answer.lane_fault
    assert len(served.bodies) == 1, "a lane does not retry"


async def test_a_field_that_is_not_taken_is_left_out_and_remembered() -> None:
    async def handle(request: web.Request) -> web.Response:
        body = await request.json()
        for name in ("stream_options", "seed"):
            if name in body:
                error = {"error": {"message": f"Unknown field: {name}"}}
                return web.json_response(error, status=422)
        return web.json_response(whole())

    payload = {"messages": [], "seed": 1}
    lane = DirectLane(Pools(), SystemClock())
    async with provider(handle) as served:
        first = await collect(attempt(served.url, payload=payload, stream=True), lane)
        second = await collect(attempt(served.url, payload=payload, stream=True), lane)
        await lane.close()
    assert isinstance(first[-1], End)
    assert isinstance(second[-1], End)
    assert len(served.bodies) == 4, "twice left out, then known"
    assert isinstance(second[0], Headers)
    assert second[0].left_out == ("seed",), "what the client asked for is said; ours is not"


@pytest.mark.parametrize(
    "body",
    [b"null", b"[]", b"", b"<html>", b'{"choices": []}', b'{"a": 1}', b'{"choices": 5}',
     b'{"error": {"message": "no"}}', b'{"choices": [{"message": {"content": ""}}]}'],
)  # fmt: skip
async def test_answers_that_are_none(body: bytes) -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async with provider(handle) as served:
        for stream in (False, True):
            answer = answer_of(await collect(attempt(served.url, stream=stream)))
            assert answer.phase == "stream", "it may have been billed"
            assert answer.status == 200


@pytest.mark.parametrize(
    ("parts", "ends_well"),
    [
        ((chunk({"content": "a"}), chunk({}, "stop")), True),  # no [DONE]
        ((chunk({"content": "a"}), DONE), True),  # no finish reason
        ((chunk({"content": "a"}), chunk({}, "stop")[:-2]), True),  # no empty line at the end
        ((chunk({"content": "a"}),), False),
        ((DONE,), False),
        ((), False),
        ((b": nothing\n\n", DONE), False),
        ((chunk({"content": "a"}), b'data: {"error": {"message": "x"}}\n\n', DONE), False),
        ((chunk({"content": "a"}), b'event: error\ndata: {"message": "x"}\n\n'), False),
        ((b"data: <<<\n\n", chunk({"content": "a"}, "stop"), DONE), True),
    ],
)
async def test_how_streams_end(parts: tuple[bytes, ...], ends_well: bool) -> None:
    async with provider(stream_handler(*parts)) as served:
        events = await collect(attempt(served.url, stream=True))
    if ends_well:
        assert isinstance(events[-1], End)
    else:
        assert answer_of(events).phase == "stream"


async def test_a_compressed_answer_that_nobody_asked_for_is_read() -> None:
    async def handle(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        packed = gzip.compress(orjson.dumps(whole()))
        head = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        return web.Response(body=packed, headers=head)

    async with provider(handle) as served:
        assert isinstance((await collect(attempt(served.url)))[-1], End)


async def test_connections_are_kept_bounded_and_dropped_after_a_sleep() -> None:
    lane = DirectLane(Pools(calls_max=2), SystemClock())
    most = now = 0

    async def handle(request: web.Request) -> web.Response:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return web.json_response(whole())

    async with provider(handle) as served:
        await collect(attempt(served.url), lane)
        await collect(attempt(served.url), lane)
        assert len(served.peers) == 1, "the connection was kept"
        lane.woke()
        await collect(attempt(served.url), lane)
        assert len(served.peers) == 2, "and not after a sleep"
        await asyncio.gather(*(collect(attempt(served.url), lane) for _ in range(6)))
        assert most == 2
        await lane.close()


async def test_a_stream_gives_its_connection_back() -> None:
    lane = DirectLane(Pools(), SystemClock())
    parts = (chunk({"content": "a"}), chunk({}, "stop"), DONE)
    async with provider(stream_handler(*parts)) as served:
        for _ in range(3):
            await collect(attempt(served.url, stream=True), lane)
        await lane.close()
    assert len(served.peers) == 1


async def test_a_full_pool_is_the_lanes_fault() -> None:
    lane = DirectLane(Pools(calls_max=1), SystemClock())
    limits = Timeouts(connect=0.05, first_byte=5, idle=5, total=5)

    async def handle(request: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        return web.json_response(whole())

    async with provider(handle) as served:
        first = asyncio.create_task(collect(attempt(served.url), lane))
        await asyncio.sleep(0.1)
        answer = answer_of(await collect(attempt(served.url, limits=limits), lane))
        assert (answer.lane_fault, answer.phase, answer.error_class) == (
            True,
            "connect",
            "PoolFull",
        )
        assert isinstance((await first)[-1], End)
        await lane.close()


async def test_a_connection_that_does_not_outlive_a_sleep_is_nobodys_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("freeloader.gateway.lanes.waits.AWAKE_S", 0.05)
    lane = DirectLane(Pools(), SystemClock())
    arrived = asyncio.Event()

    async def handle(request: web.Request) -> web.Response:
        arrived.set()
        await asyncio.sleep(5)
        return web.json_response(whole())

    async with provider(handle) as served:
        task = asyncio.create_task(collect(attempt(served.url), lane))
        await arrived.wait()
        lane.woke()
        answer = answer_of(await task)
        assert (answer.lane_fault, answer.timeout, answer.error_class) == (True, False, "Slept")
        await lane.close()


@pytest.mark.parametrize("stream", [False, True])
async def test_closing_the_events_closes_the_call(stream: bool) -> None:
    left = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        try:
            await answer.prepare(request)
            await answer.write(chunk({"content": "a"}))
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            left.set()
            raise
        return answer

    lane = DirectLane(Pools(), SystemClock())
    async with provider(handle) as served:
        events = lane.send(attempt(served.url, stream=True))
        async for event in events:
            if isinstance(event, Delta):
                break
        await events.aclose()
        async with asyncio.timeout(5):
            await left.wait()
        await lane.close()


async def test_a_head_that_is_too_long_is_a_fault() -> None:
    head = b"HTTP/1.1 200 OK\r\nx-big: " + b"a" * 200_000 + b"\r\n\r\n"
    async with raw_provider(head) as url:
        answer = answer_of(await collect(attempt(url)))
    assert (answer.status, answer.phase, answer.lane_fault) == (None, "head", False)
