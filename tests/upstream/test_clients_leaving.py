"""H1: what a client was told, or left, is freed at once, not when the collector comes.

A thousand clients that are thrown out and come again would otherwise hold megabytes: an
exception knows its frames, a frame its request, and that, by some way, the exception.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from house_kit import Live, street
from test_slow_readers import PATIENT, Talks, asking, settled

from freeloader.gateway.protocol import Protocol
from freeloader.gateway.run import Run

CLIENTS = 5


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Nothing is freed but what nobody holds."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive(kind: type) -> int:
    return sum(type(one) is kind for one in gc.get_objects())


async def left(kind: type, before: int = 0) -> int:
    """How many more than ``before`` are alive, once none is or 15 s are over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(15):
            while alive(kind) > before:
                await asyncio.sleep(0.05)
    return max(0, alive(kind) - before)


async def _half(live: Live) -> None:
    """A request whose key is wrong, half its body, its answer; then the client leaves."""
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\n"
        "Content-Type: application/json\r\nContent-Length: 2000\r\n\r\n{"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", live_port(live))
    writer.write(head.encode())
    assert b" 401 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


def live_port(live: Live) -> int:
    return int(live.url.rsplit(":", 1)[1])


@pytest.mark.usefixtures("uncollected")
async def test_h1_a_connection_whose_body_nobody_wants_is_freed(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha", **PATIENT) as (live, _):
        before = alive(Protocol)
        for _client in range(CLIENTS):
            await _half(live)
        assert await left(Protocol, before) == 0


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("stream", [False, True])
async def test_h9_a_request_that_failed_is_freed(tmp_path: Path, stream: bool) -> None:
    async def fails(request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "no"}}, status=500)

    async with street(tmp_path, "alpha", **PATIENT) as (live, alpha):
        alpha.handler = fails
        for _client in range(CLIENTS):
            status, _, _ = await live.post({"model": "alpha/m", "stream": stream})
            assert status >= 500
        await settled(live)
        assert await left(Run) == 0


@pytest.mark.usefixtures("uncollected")
async def test_h1_a_stream_whose_reader_left_is_freed(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha", **PATIENT) as (live, alpha):
        talks: Any = Talks()
        alpha.handler = talks
        for client in range(1, CLIENTS + 1):
            async with asking(live) as there:
                while talks.said < 100 * client:
                    await asyncio.sleep(0.01)
                there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            await settled(live)
        assert await left(Run) == 0
