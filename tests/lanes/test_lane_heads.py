"""U5: the head of a provider's answer is bounded and strict: no length, status or line of it
hangs, swells or confuses anything, and what may have been billed is never called unsent."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson
import pytest
from provider_kit import answer_of, attempt, collect, raw_provider, whole

from freeloader.core.events import Delta, End, Event, Fault, Headers, Usage
from freeloader.core.model import Timeouts
from freeloader.gateway.lanes.direct.limits import HEAD_BYTES, INTERIM_MAX, LINE_BYTES, LINES_MAX
from freeloader.gateway.lanes.direct.wire import Unsent, Wire

OK = b"HTTP/1.1 200 OK\r\n"
KIND = b"Content-Type: application/json\r\n"
BODY = orjson.dumps(whole())
SIZE = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
IN_CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
LIMITS = Timeouts(connect=2, first_byte=0.4, idle=0.4, total=3)
WHOLE = [Headers, Delta, Usage, End]


def head(*lines: bytes, first: bytes = OK, body: bytes = BODY) -> bytes:
    return first + KIND + b"".join(lines) + b"\r\n" + body


def many(count: int, size: int) -> list[bytes]:
    return [b"X-%d: %s\r\n" % (number, b"a" * size) for number in range(count)]


GOOD = {
    "as it should be": head(SIZE),
    "as many lines as are read": head(SIZE, *many(LINES_MAX - 2, 1)),
    "a long line": head(SIZE, b"X-Policy: " + b"a" * (LINE_BYTES - 100) + b"\r\n"),
    "a large head": head(SIZE, *many(60, 1000)),
    "interim answers": HINT * INTERIM_MAX + head(SIZE),
    "chunked": head(CHUNKED, body=IN_CHUNKS),
    "an old server": head(SIZE, first=b"HTTP/1.0 200 OK\r\n"),
    "no length at all": head(b"Connection: close\r\n"),
    "no reason": head(SIZE, first=b"HTTP/1.1 200\r\n"),
    "a second answer behind it": head(SIZE) + head(SIZE),
    "an extension of a megabyte": head(
        CHUNKED, body=b"%x;a=%s\r\n%s\r\n0\r\n\r\n" % (len(BODY), b"x" * 1_000_000, BODY)
    ),
}
#: Never begun: the head itself cannot be read.
NO_HEAD = {
    "too many lines": head(SIZE, *many(LINES_MAX + 1, 1)),
    "a hundred thousand lines": head(SIZE, *many(100_000, 1)),
    "one line of ten megabytes": head(SIZE, b"X: " + b"a" * 10_000_000 + b"\r\n"),
    "a long name": head(SIZE, b"a" * (2 * LINE_BYTES) + b": x\r\n"),
    "a long reason": head(SIZE, first=b"HTTP/1.1 200 " + b"a" * (2 * LINE_BYTES) + b"\r\n"),
    "a head of 64 KB": head(SIZE, *many(HEAD_BYTES // 1000 + 1, 1000)),
    "a head of megabytes": head(SIZE, *many(LINES_MAX - 2, LINE_BYTES - 100)),
    "a hundred interim answers": HINT * 100 + head(SIZE),
    "a flood of interim answers": HINT * 200_000,
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n"
    b"Connection: upgrade\r\n\r\n" + head(SIZE),
    "no number for a status": head(SIZE, first=b"HTTP/1.1 fine OK\r\n"),
    "a negative status": head(SIZE, first=b"HTTP/1.1 -200 OK\r\n"),
    "a status of two digits": head(SIZE, first=b"HTTP/1.1 20 OK\r\n"),
    "a status of four digits": head(SIZE, first=b"HTTP/1.1 2000 OK\r\n"),
    "status 0": head(SIZE, first=b"HTTP/1.1 000 OK\r\n"),
    "status 99": head(SIZE, first=b"HTTP/1.1 099 OK\r\n"),
    "status 600": head(SIZE, first=b"HTTP/1.1 600 OK\r\n"),
    "no version": head(SIZE, first=b"200 OK\r\n"),
    "a version that is none": head(SIZE, first=b"HTTP/9.9 200 OK\r\n"),
    "length and chunks": head(SIZE, CHUNKED, body=IN_CHUNKS),
    "chunks and length": head(CHUNKED, SIZE, body=IN_CHUNKS),
    "two lengths": head(SIZE, b"Content-Length: 5\r\n"),
    "a list of lengths": head(b"Content-Length: 5, 5\r\n"),
    "a negative length": head(b"Content-Length: -5\r\n"),
    "a length with a sign": head(b"Content-Length: +5\r\n"),
    "a length beyond all bounds": head(b"Content-Length: %s\r\n" % (b"9" * 30)),
    "an empty length": head(b"Content-Length: \r\n"),
    "a line without a colon": head(b"garbage\r\n", SIZE),
    "a space before the colon": head(b"Content-Length : 5\r\n", SIZE),
    "an empty name": head(b": x\r\n", SIZE),
    "NUL in a line": head(b"X: a\0b\r\n", SIZE),
    "CR alone": head(b"X: a\rb\r\n", SIZE),
}
#: The head may have been read: what is wrong comes behind it.
NO_BODY = {
    "a length that does not come": head(b"Content-Length: %d\r\n" % 2**62),
    "a negative chunk": head(CHUNKED, body=b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk beyond all bounds": head(CHUNKED, body=b"f" * 18 + b"\r\nhello\r\n"),
    "a chunk that does not come": head(CHUNKED, body=b"7" + b"f" * 15 + b"\r\nhello\r\n"),
    "a chunk without a size": head(CHUNKED, body=b"\r\nhello\r\n"),
    "a hundred thousand trailers": head(CHUNKED, body=IN_CHUNKS[:-2] + b"".join(many(10**5, 1))),
    "a trailer of ten megabytes": head(CHUNKED, body=IN_CHUNKS[:-2] + b"X: " + b"a" * 10**7),
    "no content": head(first=b"HTTP/1.1 204 No Content\r\n", body=b""),
    "an encoding that nobody knows": head(SIZE, b"Content-Encoding: " + b"a" * 5000 + b"\r\n"),
    "two encodings": head(SIZE, b"Content-Encoding: gzip, gzip\r\n"),
}
ELSEWHERE = {
    f"redirected by {status}": head(
        SIZE, b"Location: http://127.0.0.1:9/v1\r\n", first=b"HTTP/1.1 %d Moved\r\n" % status
    )
    for status in (301, 302, 303, 307, 308)
}


async def heard(answer: bytes | list[bytes], stream: bool, hold: float = 0.0) -> list[Event]:
    """The events of one attempt: one verdict, soon, and little held."""
    async with raw_provider(answer, hold) as url:
        tracemalloc.start()
        try:
            async with asyncio.timeout(10):
                events = await collect(attempt(url, stream=stream, limits=LIMITS))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert sum(isinstance(one, (End, Fault)) for one in events) == 1
    assert isinstance(events[-1], (End, Fault))
    sent = len(answer) if isinstance(answer, bytes) else sum(map(len, answer))
    assert peak < 2 * sent + 4 * 1024 * 1024, "the far side's copies are in it"
    if isinstance(events[-1], Fault):
        said = events[-1].answer
        assert not said.lane_fault, "not our fault"
        assert said.phase in ("head", "stream"), "it was sent, and may be billed"
        assert len(said.body) < 5000
    return events


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", GOOD)
async def test_u5_a_head_within_the_bounds_is_read(name: str, stream: bool) -> None:
    assert [type(event) for event in await heard(GOOD[name], stream)] == WHOLE


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", NO_HEAD)
async def test_u5_a_head_that_is_none_is_one_fault(name: str, stream: bool) -> None:
    events = await heard(NO_HEAD[name], stream)
    said = answer_of(events)
    assert [type(event) for event in events] == [Fault]
    assert (said.status, said.phase, said.error_class) == (None, "head", "BadHead")
    assert "aaaa" not in said.body, "nothing of it is repeated"


@pytest.mark.parametrize("name", NO_BODY)
async def test_u5_a_body_that_its_head_belies_is_one_fault(name: str) -> None:
    assert answer_of(await heard(NO_BODY[name], stream=False)).status in (None, 200)


@pytest.mark.parametrize("name", ELSEWHERE)
async def test_u7_another_place_is_not_gone_to(name: str) -> None:
    said = answer_of(await heard(ELSEWHERE[name], stream=False))
    assert said.status is not None
    assert 300 < said.status < 400


@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 200 OK\r\nX: a", HINT, head(SIZE, body=BODY[:-1])]
)
async def test_u2_who_stops_in_the_middle_is_not_waited_for(begun: bytes) -> None:
    assert answer_of(await heard(begun, stream=False, hold=5)).timeout


@pytest.mark.parametrize("drip", [b"a", b"X: a\r\n", HINT])
async def test_u2_a_head_that_drips_for_ever_is_ended(drip: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" if drip == HINT else OK + b"X: a")
        try:
            while True:
                writer.write(drip)
                await writer.drain()
                await asyncio.sleep(0.04)
        except OSError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with asyncio.timeout(5):
        events = await collect(attempt(url, limits=LIMITS))
    server.close()
    assert [type(event) for event in events] == [Fault]
    assert answer_of(events).timeout


@asynccontextmanager
async def eager(unasked: bytes) -> AsyncIterator[tuple[str, list[int], asyncio.Event]]:
    """Answers with the number of the request, and then says something that nobody asked for."""
    asked: list[int] = []
    said = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                asked.append(len(asked))
                writer.write(OK + b"Content-Length: 1\r\n\r\n%d" % len(asked))
                await writer.drain()
                await asyncio.sleep(0.02)
                try:
                    for _ in range(20):
                        writer.write(unasked)
                        async with asyncio.timeout(0.1):
                            await writer.drain()
                finally:
                    said.set()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", asked, said
    finally:
        server.close()


@pytest.mark.parametrize(
    "unasked",
    [OK + b"Content-Length: 1\r\n\r\nX", b"HTTP/1.1 200 OK\r\n", b"X", b"\r\n", OK * 100_000],
)
async def test_u5_what_nobody_asked_for_is_not_the_next_ones_answer(unasked: bytes) -> None:
    """Two accounts share a provider's connections: one would read what is meant for the other."""
    limits = aiohttp.ClientTimeout(total=None, connect=2)
    connector = aiohttp.TCPConnector(limit=0)
    wire = Wire(connector)
    async with eager(unasked) as (url, asked, said), asyncio.timeout(20):
        for number in range(1, 4):
            said.clear()
            tracemalloc.start()
            answer = await wire.post(url, {}, b"{}", limits)
            assert await answer.content.read() == b"%d" % number
            await said.wait()
            await asyncio.sleep(0.02)
            assert tracemalloc.get_traced_memory()[0] < 5_000_000 + len(unasked)
            tracemalloc.stop()
        assert len(asked) == 3
    await connector.close()


async def test_u5_who_only_ever_speaks_unasked_is_sent_nothing() -> None:
    connector = aiohttp.TCPConnector(limit=0)
    limits = aiohttp.ClientTimeout(total=None, connect=2)
    wire, got = Wire(connector), bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example\r\n")
        got.extend(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    plain = connector.connect

    async def late(*args: object) -> object:
        connection = await plain(*args)  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        return connection

    connector.connect = late  # type: ignore[method-assign,assignment]
    with pytest.raises(Unsent):
        await wire.post(url, {"Authorization": "Bearer key"}, b"{}", limits)
    await connector.close()
    server.close()
    assert bytes(got) == b""


@pytest.mark.parametrize("status", [b"200 OK", b"413 Too Large"])
async def test_u5_who_answers_and_reads_no_further_keeps_no_body_here(status: bytes) -> None:
    """What is left of the request would wait for such a provider for ever."""
    size, over = 20_000_000, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + status + b"\r\n" + KIND + SIZE + b"\r\n" + BODY)
        await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    limits = aiohttp.ClientTimeout(total=None, connect=2)
    connector = aiohttp.TCPConnector(limit=0)
    wire = Wire(connector)
    tracemalloc.start()
    for _ in range(4):
        answer = await wire.post(url, {}, b"x" * size, limits)
        assert await answer.content.read() == BODY
    await asyncio.sleep(0.05)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    over.set()
    await connector.close()
    server.close()
    assert held < size
