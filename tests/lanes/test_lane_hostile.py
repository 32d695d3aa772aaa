"""U5: whatever a provider sends, the lane ends in one verdict, soon, and holds little."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import tracemalloc
from collections import Counter
from typing import Any

import orjson
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_kit import (
    answer_of,
    attempt,
    chunk,
    collect,
    provider,
    raw_provider,
    stream_handler,
)

from freeloader.child.inflate import PIECE_BYTES, Inflate, Unreadable
from freeloader.core.events import Delta, End, Event, Fault, Usage
from freeloader.core.model import Timeouts
from freeloader.gateway.lanes.direct.telling import Telling
from freeloader.gateway.lanes.sse import TooLong
from freeloader.gateway.surfaces import shapes

DONE = b"data: [DONE]\n\n"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "message", "content", "tool_calls", "usage",
                             "index", "function", "arguments", "finish_reason", "error", "id",
                             "prompt_tokens", "completion_tokens", "x_groq", "reasoning"]),
            inner, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip


def encoded(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer too large for it
        return repr(value).encode("utf-8", "replace")


lines = st.one_of(
    st.binary(max_size=40),
    json_values.map(lambda value: b"data: " + encoded(value)),
    json_values.map(lambda value: b'data: {"choices":[{"delta":' + encoded(value) + b"}]}"),
    st.just(chunk({"content": "\u00e9\u6f22"}).strip()),
    st.sampled_from([b"", b": c", b"data: [DONE]", b"event: error", b"data: {", b"\xff\xfe"]),
)


def heard(pieces: list[bytes]) -> list[Event]:
    """All that the telling says of a stream in these pieces."""
    telling, events = Telling(True, "x", lambda: 1), []
    try:
        for piece in pieces:
            if telling.over:
                break
            events += telling.feed(piece)
        return [*events, *telling.end()]
    except TooLong:
        return [*events, *telling.broken("TooLong")]


@settings(max_examples=150, deadline=None)
@given(st.lists(lines, max_size=8), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
def test_u5_any_stream_in_any_slices_ends_in_one_verdict(
    made: list[bytes], end: bytes, data: st.DataObject
) -> None:
    stream = end.join(part for line in made for part in (line, b""))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    edges = [0, *cuts, len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
    events = heard(pieces)
    assert isinstance(events[-1], (End, Fault))
    assert sum(isinstance(event, (End, Fault)) for event in events) == 1
    assert sum(isinstance(event, Usage) for event in events) <= 1
    for event in events:
        if isinstance(event, Delta):  # what is given on can be written
            orjson.dumps(shapes.chat_chunk(event.data))
            shapes.completion_chunk(event.data)
    one_by_one = heard([stream[n : n + 1] for n in range(len(stream))])
    assert [type(event) for event in one_by_one] == [type(event) for event in heard([stream])]


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=200), json_values.map(encoded)), st.booleans())
def test_u5_any_body_ends_in_one_verdict(body: bytes, stream: bool) -> None:
    events = Telling(stream, "x", lambda: 1).whole(body)
    assert isinstance(events[-1], (End, Fault))
    for event in events:
        if isinstance(event, Delta):
            orjson.dumps(shapes.chat_body(event.data, {}, {}))


@pytest.mark.parametrize("levels", [200, 900, 5000])
def test_u5_what_is_nested_too_deep_is_not_given_on(levels: int) -> None:
    deep = b"[" * levels + b"]" * levels
    body = b'{"choices":[{"delta":{"content":' + deep + b"}}]}"
    events = heard([b"data: " + body + b"\n\n", chunk({"content": "a"}, "stop"), DONE])
    assert [type(event) for event in events] == [Delta, Usage, End]


def test_u5_long_text_with_many_brackets_is_no_depth() -> None:
    events = heard([chunk({"content": "[{" * 5000}), chunk({}, "stop")])
    assert isinstance(events[0], Delta)


async def test_u5_a_line_of_ten_megabytes_is_cut_off(tmp_path: object) -> None:
    line = b"data: " + b"x" * (10 * 1024 * 1024)
    tracemalloc.start()
    async with provider(stream_handler(chunk({"content": "a"}), line, b"\n\n", DONE)) as served:
        events = await collect(attempt(served.url, stream=True))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer_of(events).phase == "stream"
    assert peak < 80 * 1024 * 1024, "with both sides of the wire in this process"


def test_u5_a_line_that_comes_byte_by_byte_costs_no_more_than_its_bytes() -> None:
    """Quadratic work on a line that does not end would stop the loop for minutes."""
    telling = Telling(True, "x", lambda: 1)
    for _ in range(200_000):
        telling.feed(b"x")
    assert isinstance(telling.end()[-1], Fault)


@pytest.mark.parametrize("stream", [False, True])
async def test_u5_a_gzip_bomb_swells_no_further_than_the_bound(stream: bool) -> None:
    bomb = gzip.compress(b"\0" * (300 * 1024 * 1024), 9)
    kind = "text/event-stream" if stream else "application/json"

    async def handle(request: web.Request) -> web.StreamResponse:
        head = {"Content-Encoding": "gzip", "Content-Type": kind}
        answer = web.StreamResponse(headers=head)
        await answer.prepare(request)
        await answer.write(bomb)
        return answer

    tracemalloc.start()
    async with provider(handle) as served:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        events = await collect(attempt(served.url, stream=stream))
        peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert answer_of(events).phase == "stream"
    assert peak < 50 * 1024 * 1024


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 500), st.sampled_from(["gzip", "deflate"]))
def test_u5_encodings_come_out_whole_and_in_pieces(data: bytes, cut: int, encoding: str) -> None:
    import zlib

    packed = gzip.compress(data) if encoding == "gzip" else zlib.compress(data)
    inflate, out = Inflate(encoding), b""
    for start in range(0, len(packed), cut):
        for piece in inflate.feed(packed[start : start + cut]):
            assert len(piece) <= PIECE_BYTES
            out += piece
    assert out == data


@pytest.mark.parametrize(("encoding", "data"), [("br", b"x"), ("gzip", b"no gzip"), ("zstd", b"")])
def test_u5_encodings_that_cannot_be_read(encoding: str, data: bytes) -> None:
    with pytest.raises(Unreadable):
        list(Inflate(encoding).feed(data))


@pytest.mark.parametrize(
    "body",
    [
        b"".join(b": still here\n\n" for _ in range(50_000)),
        b"\n" * 500_000,
        b"data:\n" * 100_000,
        b"data: {}\n\n" * 20_000,
        b"id: 1\nretry: 5\n\n" * 20_000,
        b"\r" * 100_000,
        "data: \u00e9".encode()[:-1],
        b"\x00" * 10_000,
    ],
)
async def test_u5_streams_that_say_nothing_come_to_a_fault(body: bytes) -> None:
    async with provider(stream_handler(body)) as served, asyncio.timeout(20):
        answer = answer_of(await collect(attempt(served.url, stream=True)))
    assert answer.phase == "stream"


@pytest.mark.parametrize("body", [b"data: {}\n\n" * 20_000, b"\n" * 200_000, b": c\n" * 50_000])
async def test_u5_a_flood_of_nothing_is_worked_off_in_small_parts(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two pieces the loop serves others; before, one read of a flood stopped it."""
    turn, fed = 0, Counter[int]()
    plain = Telling.feed

    def feed(self: Telling, piece: bytes) -> list[Event]:
        fed[turn] += len(piece)
        return plain(self, piece)

    async def others() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(Telling, "feed", feed)
    task = asyncio.create_task(others())
    async with provider(stream_handler(body)) as served, asyncio.timeout(20):
        await collect(attempt(served.url, stream=True))
    task.cancel()
    assert sum(fed.values()) == len(body)
    assert max(fed.values()) <= 2 * PIECE_BYTES


async def test_u5_who_says_nothing_is_not_listened_to_for_long() -> None:
    async with provider(stream_handler(*[b"data: {}\n\n" * 5_000] * 200)) as served:
        answer = answer_of(await collect(attempt(served.url, stream=True)))
    assert (answer.error_class, answer.phase) == ("TooLong", "stream")


async def test_u2_comments_do_not_put_off_the_first_event() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        while True:
            await answer.write(b": still here\n\n")
            await asyncio.sleep(0.02)

    limits = Timeouts(connect=1, first_byte=0.3, idle=0.2, total=30)
    async with provider(handle) as served, asyncio.timeout(10):
        answer = answer_of(await collect(attempt(served.url, stream=True, limits=limits)))
    assert answer.timeout


@pytest.mark.parametrize(
    ("limits", "phase"),
    [
        (Timeouts(connect=1, first_byte=0.1, idle=5, total=10), "head"),
        (Timeouts(connect=1, first_byte=5, idle=0.1, total=10), "stream"),
        (Timeouts(connect=1, first_byte=5, idle=5, total=0.2), None),
    ],
)
async def test_u2_each_limit_ends_the_attempt(limits: Timeouts, phase: str | None) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        if phase != "stream":
            await asyncio.sleep(5)
        await answer.prepare(request)
        await answer.write(chunk({"content": "a"}))
        await asyncio.sleep(5)
        return answer

    async with provider(handle) as served, asyncio.timeout(4):
        answer = answer_of(await collect(attempt(served.url, stream=True, limits=limits)))
    assert answer.timeout
    assert not answer.lane_fault
    assert phase is None or answer.phase == phase


@pytest.mark.parametrize(
    "head",
    [b"", b"\0\0\0", b"HTTP/1.1 999 \r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
     b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     b"\x16\x03\x01\x02\x00\x01\x00"],
)  # fmt: skip
async def test_u1_bytes_that_are_no_http(head: bytes) -> None:
    async with raw_provider(head) as url, asyncio.timeout(8):
        answer = answer_of(await collect(attempt(url)))
    assert not answer.lane_fault
    assert answer.phase in ("head", "stream"), "something was sent"


@pytest.mark.usefixtures("no_names")
async def test_u1_nobody_there_no_such_name_and_no_tls() -> None:
    limits = Timeouts(connect=0.5, first_byte=5, idle=5, total=10)
    async with raw_provider(b"not tls at all") as url, asyncio.timeout(15):
        for place in ("http://127.0.0.1:9/v1", "http://no-such-host.invalid/v1",
                      url.replace("http://", "https://")):  # fmt: skip
            answer = answer_of(await collect(attempt(place, limits=limits)))
            assert (answer.status, answer.phase) == (None, "connect"), place
            assert not answer.lane_fault
            assert "127.0.0.1" not in answer.body


async def test_u1_a_place_that_swallows_packets_costs_the_connect_limit() -> None:
    import socket

    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        waiting = []
        for _ in range(4):  # the backlog is full: further connections get no answer at all
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(place)
            waiting.append(one)
        limits = Timeouts(connect=0.3, first_byte=5, idle=5, total=10)
        async with asyncio.timeout(4):
            sent = attempt(f"http://127.0.0.1:{place[1]}/v1", limits=limits)
            answer = answer_of(await collect(sent))
        for one in waiting:
            one.close()
    assert answer.timeout
    assert answer.phase == "connect"
