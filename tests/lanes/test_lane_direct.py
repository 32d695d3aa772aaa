"""The direct lane against providers on loopback: what it sends, and what answers come to."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import orjson
import pytest
from aiohttp import web
from provider_kit import (
    answer_of,
    attempt,
    chunk,
    collect,
    deployment,
    json_handler,
    provider,
    raw_provider,
    stream_handler,
    whole,
)

from freeloader.clock import SystemClock
from freeloader.core.events import Delta, End, Headers, Usage
from freeloader.core.model import Account, Timeouts
from freeloader.gateway.lanes.direct.address import base_of, headers_of
from freeloader.gateway.lanes.direct.body import body_of, fields_refused
from freeloader.gateway.lanes.direct.lane import DirectLane
from freeloader.gateway.lanes.direct.pool import Pools, proxy_for
from freeloader.money import Meters

DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("fields", "base"),
    [
        ({}, "https://api.p.example/v1"),
        ({"wire": "anthropic"}, None),
        ({"wire": "gemini"}, None),
        ({"params": {"drop": True}}, None),
        ({"params": {"api_base": "https://other.example/v2/"}}, "https://other.example/v2"),
        ({"auth_fields": ("aws_access_key_id",)}, None),
        ({"auth_fields": ("api_key", "account_id")}, "https://api.p.example/v1"),
        ({"wire": "ollama"}, "https://api.p.example/v1"),
    ],
)
def test_what_can_be_spoken_to_directly(fields: dict[str, Any], base: str | None) -> None:
    found = deployment("https://api.p.example/v1", **fields)
    assert base_of(found) == base
    assert DirectLane.takes(found) is (base is not None)


@pytest.mark.parametrize(
    "url",
    [None, "", "ftp://x/v1", "https://u:p@x/v1", "https://x/{account_id}", "http://", "http://x:y",
     "https://x/v1?a=1", "https://x/v1#f", "https://x /v1"],
)  # fmt: skip
def test_an_address_that_is_none_goes_by_the_child(url: str | None) -> None:
    assert base_of(deployment(url)) is None


def test_ollamas_address_is_that_of_its_own_api() -> None:
    for given in ("http://h:11434", "http://h:11434/", "http://h:11434/api", "http://h:11434/v1"):
        assert base_of(deployment(given, wire="ollama")) == "http://h:11434/v1"


def test_the_key_is_in_one_header_and_none_is_sent_where_there_is_none() -> None:
    found = deployment("https://x/v1", account=Account("p", 1, params={"organization": "org-1"}))
    headers = headers_of(found, {"api_key": " key-1 "})
    assert headers["Authorization"] == "Bearer key-1"
    assert headers["OpenAI-Organization"] == "org-1"
    assert sum("key-1" in value for value in headers.values()) == 1
    for none in ({}, {"api_key": ""}, {"api_key": "none"}):
        assert "Authorization" not in headers_of(found, none)
    with pytest.raises(ValueError, match="no header"):
        headers_of(found, {"api_key": "a\r\nX-Evil: 1"})


def test_the_body_is_the_payload_with_the_providers_own_name() -> None:
    payload = {"messages": [{"role": "user", "content": "é"}], "seed": 1, "max_tokens": 5}
    sent = attempt("http://x/v1", payload=payload)
    assert orjson.loads(body_of(sent)) == {**payload, "model": "vendor/model"}
    streamed = orjson.loads(body_of(attempt("http://x/v1", payload=payload, stream=True)))
    assert streamed["stream"] is True
    assert streamed["stream_options"] == {"include_usage": True}
    without = orjson.loads(body_of(sent, frozenset({"seed", "max_tokens"})))
    assert without == {
        "messages": payload["messages"], "max_completion_tokens": 5, "model": "vendor/model",
    }  # fmt: skip
    both = frozenset({"max_tokens", "max_completion_tokens"})
    assert orjson.loads(body_of(sent, both))["max_tokens"] == 5, "never without its bound"


@pytest.mark.parametrize(
    ("status", "text", "left_out"),
    [
        (400, "Unsupported parameter: 'max_tokens' is not supported with this model. "
              "Use 'max_completion_tokens' instead.", {"max_tokens"}),
        (422, '{"detail":[{"type":"extra_forbidden","loc":["body","seed"]}]}', {"seed"}),
        (400, "Unrecognized request argument supplied: stream_options", {"stream_options"}),
        (400, "temperature does not support 0.2 with this model", {"temperature"}),
        (400, "temperature must be between 0 and 2", set()),
        (400, "property 'tools' is unsupported", set()),
        (400, "property 'response_format' is unsupported", set()),
        (429, "seed is not supported", set()),
        (400, "the model is not supported", set()),
    ],
)  # fmt: skip
def test_only_fields_that_shape_style_are_left_out(
    status: int, text: str, left_out: set[str]
) -> None:
    payload = {"messages": [], "seed": 1, "temperature": 1, "max_tokens": 3, "tools": []}
    assert fields_refused(status, text, payload, stream=True) == left_out


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


async def test_a_key_that_cannot_be_sent_is_not_sent() -> None:
    async with provider(json_handler(whole())) as served:
        answer = answer_of(await collect(attempt(served.url, api_key="a\nb")))
    assert (answer.lane_fault, answer.phase) == (True, "connect")
    assert served.bodies == []


async def test_a_head_that_is_too_long_is_a_fault() -> None:
    head = b"HTTP/1.1 200 OK\r\nx-big: " + b"a" * 200_000 + b"\r\n\r\n"
    async with raw_provider(head) as url:
        answer = answer_of(await collect(attempt(url)))
    assert (answer.status, answer.phase, answer.lane_fault) == (None, "head", False)


@pytest.mark.parametrize(
    ("url", "proxies", "proxy"),
    [
        ("https://api.x.example/v1", {"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://api.x.example/v1", {"all_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://api.x.example/v1", {"http_proxy": "http://proxy:3128"}, None),
        ("http://api.x.example/v1", {"https_proxy": "http://p", "http_proxy": "http://p"}, None),
        ("https://127.0.0.1/v1", {"https_proxy": "http://proxy:3128"}, None),
        ("https://192.168.1.2/v1", {"https_proxy": "http://proxy:3128"}, None),
        ("https://localhost/v1", {"https_proxy": "http://proxy:3128"}, None),
        ("https://api.x.example/v1", {"https_proxy": "http://p", "no_proxy": "x.example"}, None),
        ("https://api.x.example/v1", {"https_proxy": "http://p", "no_proxy": "*"}, None),
        ("https://api.x.example/v1", {"https_proxy": "socks5://p"}, None),
    ],
)
def test_a_proxy_only_where_the_owner_named_one_and_it_sees_no_key(
    url: str, proxies: dict[str, str], proxy: str | None
) -> None:
    assert proxy_for(url, proxies) == proxy
