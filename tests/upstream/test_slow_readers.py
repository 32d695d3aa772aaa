"""H1: who reads too slowly holds no provider's place for ever, and is settled when thrown out."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from house_kit import Live, answers, piece, street

from freeloader.app import wiring
from freeloader.app.daemon import Daemon
from freeloader.gateway.surfaces.sse import StreamLimits

PLACES = 2
#: Whether the machine is busy is not the matter here.
PATIENT = {f"XSWARM_UPSTREAM__{name}_SECONDS": "30"
           for name in ("CONNECT", "FIRST_BYTE", "IDLE", "TOTAL")}  # fmt: skip


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader has a moment, and a provider two places."""
    services = wiring.services

    def quick(daemon: Daemon) -> Any:
        daemon.upstream._direct._pools._calls_max = PLACES
        return replace(services(daemon), stream_limits=StreamLimits(write_seconds=2.0))

    monkeypatch.setattr(wiring, "services", quick)


@asynccontextmanager
async def asking(live: Live, **fields: Any) -> AsyncIterator[socket.socket]:
    """A stream that is asked for over a bare socket with little room."""
    body = {"model": "alpha/m", "stream": True, "max_tokens": 4000,
            "messages": [{"role": "user", "content": "hi"}], **fields}  # fmt: skip
    raw = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
        f"\r\nAuthorization: Bearer {live._key}\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    with socket.socket() as there:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        there.setblocking(False)
        await loop.sock_connect(there, ("127.0.0.1", int(live.url.rsplit(":", 1)[1])))
        await loop.sock_sendall(there, head.encode() + raw)
        yield there


class Talks:
    """A provider that talks for as long as anybody takes it, and counts what it could say."""

    def __init__(self, words: int = 100_000) -> None:
        self.said = self.ended = 0
        self._words = words

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if not json.loads(await request.read()).get("stream"):
            return await answers(request)
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        try:
            await answer.prepare(request)
            for _ in range(self._words):
                await answer.write(piece("x" * 1000))
                self.said += 1
            await answer.write(piece(None, "stop") + b"data: [DONE]\n\n")
        finally:
            self.ended += 1
        return answer


async def settled(live: Live) -> None:
    async with asyncio.timeout(30):
        while live.daemon.books.open_holds or len(live.daemon.tasks):
            await asyncio.sleep(0.01)


async def test_h1_readers_who_take_nothing_give_their_places_back_and_are_settled(
    tmp_path: Path,
) -> None:
    async with street(tmp_path, "alpha", **PATIENT) as (live, alpha):
        talks = alpha.handler = Talks()
        async with asking(live), asking(live):
            async with asyncio.timeout(20):
                while len(alpha.calls) < PLACES:
                    await asyncio.sleep(0.01)
            status, _, _ = await live.post({"model": "alpha/m"})
            assert status == 200  # it waited for a place, and one came free
            await settled(live)
    assert talks.ended == PLACES


async def test_h1_a_provider_is_read_no_faster_than_its_stream(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha", **PATIENT) as (live, alpha):
        talks = alpha.handler = Talks()
        loop = asyncio.get_running_loop()
        async with asking(live) as there:
            for _ in range(20):  # slow, but at it: nobody throws it out
                await asyncio.sleep(0.05)
                assert await asyncio.wait_for(loop.sock_recv(there, 16_384), 20)
            said, ended = talks.said, talks.ended
        await settled(live)
    assert ended == 0
    # The rest waits in the kernels' buffers between provider and daemon, not in the daemon.
    assert said < 20_000
    assert talks.ended == 1


async def test_h1_a_slow_reader_gets_the_whole_of_what_it_reads(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha", **PATIENT) as (live, alpha):
        alpha.handler = Talks(words=60)
        loop = asyncio.get_running_loop()
        got = b""
        async with asking(live) as there:
            while b"[DONE]" not in got:
                got += (part := await asyncio.wait_for(loop.sock_recv(there, 4096), 20))
                assert part
                await asyncio.sleep(0.01)
        await settled(live)
    assert got.count(b"x" * 1000) == 60
