"""Bytes that are no request: the contract's error, and nothing of them is repeated or logged."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import replace

import orjson
import pytest
from front_fakes import CLIENT, House
from front_scripts import Script, answer

from freeloader.core.events import Delta
from freeloader.gateway.protocol import Server
from freeloader.gateway.server import HTTP_LIMITS, Running, build_app, serve

KEY = b"Authorization: Bearer " + CLIENT.encode() + b"\r\n"
GOOD = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n" + KEY


@pytest.mark.parametrize(
    "raw",
    [
        GOOD.replace(b"\r\n", b"\n") + b"\n",
        GOOD + b"Authorization : Bearer " + CLIENT.encode() + b"\r\n\r\n",
        GOOD + b"X-A: b\r\n folded " + CLIENT.encode() + b"\r\n\r\n",
        GOOD + b"Host: evil.example\r\n\r\n",
        GOOD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET \\" + CLIENT.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\n" + KEY + b"\r\n",
    ],
)
async def test_h3_what_cannot_be_read_is_not_repeated(
    house: House, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    head, _, body = (await house.raw(raw)).partition(b"\r\n\r\n")
    assert b" 400 " in head.split(b"\r\n")[0]
    assert orjson.loads(body)["error"]["code"] == "invalid_request"
    assert CLIENT.encode() not in head + body
    assert CLIENT not in caplog.text
    assert "Traceback" not in caplog.text


async def test_h3_a_head_that_is_too_long_is_called_so(house: House) -> None:
    answer = await house.raw(GOOD + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n")
    assert b" 431 " in answer.split(b"\r\n")[0]
    assert b"aaaa" not in answer


async def test_h3_an_expectation_that_nobody_knows_is_not_repeated(house: House) -> None:
    for path in (b"/v1/models", b"/nowhere"):
        raw = GOOD.replace(b"/v1/models", path) + b"Connection: close\r\nExpect: the-moon\r\n\r\n"
        head, _, body = (await house.raw(raw)).partition(b"\r\n\r\n")
        assert b" 400 " in head.split(b"\r\n")[0]
        assert orjson.loads(body)["error"]["code"] == "expectation_unknown"
        assert b"the-moon" not in head + body
    polite = GOOD + b"Connection: close\r\nExpect: 100-Continue\r\n\r\n"
    assert b" 200 " in await house.raw(polite)


async def test_h3_who_leaves_before_it_is_asked_to_go_on_is_no_error(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    assert house.running is not None
    for _ in range(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(GOOD + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        await writer.drain()
        writer.transport.abort()
        del reader
    assert (await house.get("/v1/models", CLIENT))[0] == 200
    assert "failed inside" not in caplog.text


@pytest.fixture
async def hasty(house: House):
    """The front with a fifth of a second for a head, and little more for who reads nothing."""
    assert house.running is not None
    limits = replace(HTTP_LIMITS, head_seconds=0.2, reader_seconds=0.3)
    running = await serve(build_app(house.services()), "127.0.0.1", 0, limits)
    yield running
    await running.stop()


async def talk(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Sends the pieces one after the other, then reads until the front closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            if reader._eof:  # it has closed: nobody reads there any more
                break
            writer.write(piece)
            await asyncio.sleep(pause)
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


@pytest.mark.parametrize(
    "pieces",
    [(), (b"GET /heal",), (GOOD,), tuple(bytes([byte]) for byte in GOOD)],
    ids=["silent", "a line", "no end", "dripping"],
)
async def test_h1_a_head_that_dawdles_is_ended(hasty: Running, pieces: tuple[bytes, ...]) -> None:
    answer = await talk(hasty.port, *pieces, pause=0.02 if len(pieces) > 1 else 0.0)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 408 " in head.split(b"\r\n")[0]
    assert orjson.loads(body)["error"]["code"] == "request_timeout"
    assert CLIENT.encode() not in answer


async def test_h1_a_second_head_has_its_time_too(hasty: Running) -> None:
    answer = await talk(hasty.port, GOOD + b"\r\n", GOOD, pause=0.05)
    first, _, rest = answer.partition(b"\r\n\r\n")
    assert b" 200 " in first.split(b"\r\n")[0]
    assert b"HTTP/1.1 408 " in rest


async def test_h1_whoever_waits_for_an_answer_or_is_idle_is_left_alone(
    hasty: Running, house: House
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.port)
    writer.write(GOOD + b"\r\n")
    first = await asyncio.wait_for(reader.readuntil(b"}]}"), 10)
    await asyncio.sleep(0.5)  # longer than a head may take
    writer.write(GOOD + b"\r\n")
    second = await asyncio.wait_for(reader.readuntil(b"}]}"), 10)
    writer.close()
    assert b" 200 " in first
    assert b" 200 " in second


async def test_h1_a_body_that_came_by_itself_begins_no_head(hasty: Running) -> None:
    body = b'{"model": "auto", "messages": [{"role": "user", "content": "x"}]}'
    post = GOOD.replace(b"GET /v1/models", b"POST /v1/chat/completions")
    post += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.port)
    writer.write(post)
    await asyncio.sleep(0.05)
    writer.write(body)
    first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    length = int(first.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    await asyncio.wait_for(reader.readexactly(length), 10)
    await asyncio.sleep(0.5)  # idle for longer than a head may take
    writer.write(GOOD + b"\r\n")
    second = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert b" 200 " in first.split(b"\r\n")[0]
    assert b" 200 " in second


LONG = 1_000_000


@pytest.fixture
async def reading(hasty: Running, house: House):
    """A connection with little room, on which a whole answer of a megabyte was asked for."""
    house.pipeline.script = Script(events=(Delta(answer("x" * LONG), True),))
    body = b'{"model": "auto", "messages": [{"role": "user", "content": "x"}]}'
    post = GOOD.replace(b"GET /v1/models", b"POST /v1/chat/completions")
    post += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    loop = asyncio.get_running_loop()
    with socket.socket() as there:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        there.setblocking(False)
        await loop.sock_connect(there, ("127.0.0.1", hasty.port))
        await loop.sock_sendall(there, post + body)
        yield there


async def read_on(there: socket.socket, pause: float = 0.0) -> int:
    """How many bytes come until the front ends it, or the answer is there."""
    loop, got = asyncio.get_running_loop(), 0
    try:
        while got < LONG and (part := await asyncio.wait_for(loop.sock_recv(there, 262_144), 10)):
            got += len(part)
            if pause and got < 100_000:
                await asyncio.sleep(pause)
    except ConnectionResetError:
        pass
    return got


async def test_h1_a_whole_answer_that_nobody_reads_is_not_kept(reading: socket.socket) -> None:
    await asyncio.sleep(1.0)
    assert 0 < await read_on(reading) < LONG


async def test_h1_a_whole_answer_that_is_read_slowly_is_given(reading: socket.socket) -> None:
    assert await read_on(reading, pause=0.02) >= LONG


CHUNKED = GOOD.replace(b"GET /v1/models", b"POST /v1/chat/completions") + (
    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize("key", [CLIENT, "wrong"])
async def test_h2_a_body_in_crumbs_is_cut_off(hasty: Running, key: str) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", hasty.port)
    writer.write(CHUNKED.replace(CLIENT.encode(), key.encode()))
    await asyncio.sleep(0.05)
    sent = 0
    try:
        while sent < 200:  # of which each would be a tenth of a second of everybody's time
            writer.write(b"1\r\nx\r\n" * 50_000)
            await asyncio.wait_for(writer.drain(), 10)
            sent += 1
    except ConnectionError:
        pass
    finally:
        writer.close()
    assert sent < 100


async def test_h2_small_chunks_of_a_whole_request_are_taken(hasty: Running) -> None:
    body = b'{"model": "auto", "messages": [{"role": "user", "content": "%s"}]}' % (b"x" * 50_000)
    pieces = [body[at : at + 40] for at in range(0, len(body), 40)]
    raw = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    close = CHUNKED.replace(b"Host:", b"Connection: close\r\nHost:")
    assert b" 200 " in (await talk(hasty.port, close, raw, pause=0.05)).split(b"\r\n")[0]


async def _asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The status line of one request on a connection that is kept; nothing where it is closed."""
    writer.write(GOOD + b"\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line[15:])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    await reader.readexactly(length)
    return head.split(b"\r\n")[0]


async def test_h2_of_idle_connections_the_idlest_gives_way(house: House) -> None:
    """Without a descriptor left a new one was reset: 60 idle clients kept everybody else out."""
    server = house.running._runner.server
    assert isinstance(server, Server)
    assert server.room > 50, "nothing is closed where there is room"
    server.room = 4
    there: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    for _ in range(4):
        there.append(await asyncio.open_connection(house.running.host, house.running.port))
        assert b" 200 " in await _asked(*there[-1])
    assert b" 200 " in await _asked(*there[0]), "now the second is the idlest"
    for gone in (1, 2):
        there.append(await asyncio.open_connection(house.running.host, house.running.port))
        assert b" 200 " in await _asked(*there[-1])
        assert await there[gone][0].read() == b"", "it is closed, not reset"
    for kept in (0, 3, 4, 5):
        assert b" 200 " in await _asked(*there[kept])
    for _, writer in there:
        writer.close()
