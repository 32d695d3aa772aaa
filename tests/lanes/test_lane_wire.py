"""The wire: one piece out, the head back, and a connection that is kept only where it is clean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from freeloader.gateway.lanes.direct.wire import BadHead, Connector, Wire

LIMITS = aiohttp.ClientTimeout(total=None, connect=2)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; a=b\r\nContent-Length: 2\r\n\r\n{}"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Far:
    """A server that is told byte by byte what to do; how many connections it had."""

    def __init__(self) -> None:
        self.url, self.connections = "", 0
        self.heads: list[bytes] = []


@asynccontextmanager
async def far(answer: bytes, *, read_body: bool = True) -> AsyncIterator[tuple[Far, Wire]]:
    seen = Far()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                seen.heads.append(head)
                size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                if read_body:
                    await reader.readexactly(size)
                writer.write(answer)
                await writer.drain()
        except (
            ConnectionError,
            asyncio.IncompleteReadError,
            ValueError,
            asyncio.LimitOverrunError,
        ):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/chat?x=1"
    connector = Connector(limit=0)
    try:
        yield seen, Wire(connector)
    finally:
        await connector.close()
        server.close()


async def test_a_connection_is_kept_once_the_answer_was_read() -> None:
    async with far(OK) as (seen, wire):
        for _ in range(3):
            response = await wire.post(seen.url, {"A-Key": "v"}, b"{}", LIMITS)
            assert (response.status, response.content_type) == (200, "application/json")
            assert await response.content.read() == b"{}"
            response.close()  # a call that is over has nothing to give up
        assert seen.connections == 1
        first = seen.heads[0].decode().split("\r\n")
        assert first[0] == "POST /v1/chat?x=1 HTTP/1.1"
        assert first[1] == "Host: " + seen.url.split("/")[2]
        assert first[2:4] == ["A-Key: v", "Content-Length: 2"]


async def test_an_answer_that_is_given_up_takes_its_connection_along() -> None:
    async with far(OK[:-1]) as (seen, wire):
        for _ in range(2):
            response = await wire.post(seen.url, {}, b"{}", LIMITS)
            response.close()
        assert seen.connections == 2


async def test_early_hints_are_no_answer() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    async with far(b"HTTP/1.1 100 Continue\r\n\r\n" + hints + OK) as (seen, wire):
        response = await wire.post(seen.url, {}, b"{}", LIMITS)
        assert response.status == 200
        assert await response.content.read() == b"{}"


async def test_who_answers_before_it_has_heard_all_is_not_asked_on_that_connection() -> None:
    async with far(OK, read_body=False) as (seen, wire):
        response = await wire.post(seen.url, {}, b"x" * 30_000_000, LIMITS)
        assert await response.content.read() == b"{}"
        await wire.post(seen.url, {}, b"{}", LIMITS)
        assert seen.connections == 2


@pytest.mark.parametrize("value", ["a\r\nHost: evil", "a\nb", "a\rb"])
async def test_no_header_is_smuggled_in(value: str) -> None:
    async with far(OK) as (seen, wire):
        with pytest.raises(ValueError, match="line break"):
            await wire.post(seen.url, {"Authorization": value}, b"{}", LIMITS)
        assert seen.connections == 0


async def test_nobody_there_and_nonsense_are_errors() -> None:
    async with far(b"SMTP ready\r\n\r\n") as (seen, wire):
        with pytest.raises(BadHead):
            await wire.post(seen.url, {}, b"{}", LIMITS)
        with pytest.raises(aiohttp.ClientConnectorError):
            await wire.post("http://127.0.0.1:9/v1", {}, b"{}", LIMITS)


async def test_what_was_given_up_is_not_sent_on() -> None:
    """A provider that reads late gets no more of the body than was under way already."""
    size, got, go = 60_000_000, 0, asyncio.Event()
    there, over = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        there.set()
        await go.wait()
        try:
            while piece := await reader.read(1 << 20):
                got += len(piece)
        except OSError:
            pass
        writer.close()
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    connector = aiohttp.TCPConnector(limit=0)
    call = asyncio.create_task(Wire(connector).post(url, {}, b"x" * size, LIMITS))
    await there.wait()
    for _ in range(50):
        await asyncio.sleep(0)  # connected, and written as far as it goes
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    go.set()
    async with asyncio.timeout(10):
        await over.wait()
    assert got < size
    await connector.close()
    server.close()


async def test_an_answer_that_waited_for_its_reader_goes_on_and_is_read_to_its_end() -> None:
    body = b"x" * (4 << 20)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with far(head + body) as (seen, wire), asyncio.timeout(20):
        for _ in range(2):
            response = await wire.post(seen.url, {}, b"{}", LIMITS)
            while not response.content._protocol._reading_paused:
                await asyncio.sleep(0)
            assert await response.content.read() == body
        assert seen.connections == 1
