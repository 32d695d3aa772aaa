"""A provider on loopback that answers as the test says, and attempts that go to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from freeloader.clock import SystemClock
from freeloader.core.events import Answer, Event, Fault
from freeloader.core.model import Account, Attempt, Deployment, Model, Profile, Provider, Timeouts
from freeloader.gateway.lanes.direct.lane import DirectLane
from freeloader.gateway.lanes.direct.pool import Pools
from freeloader.money import Meters

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LIMITS = Timeouts(connect=2, first_byte=5, idle=5, total=10)


class Served:
    """Where it answers, and every request that it was sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.peers: set[object] = set()


@asynccontextmanager
async def provider(handler: Handler) -> AsyncIterator[Served]:
    """An HTTP server under ``/v1``; handlers are cancelled when their client leaves."""
    served = Served("")

    async def handle(request: web.Request) -> web.StreamResponse:
        served.paths.append(request.path)
        served.headers.append(dict(request.headers))
        assert request.transport is not None
        served.peers.add(request.transport.get_extra_info("peername"))
        served.bodies.append(orjson.loads(await request.read()))
        return await handler(request)

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/{tail:.*}", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield served
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_provider(answer: bytes | list[bytes], hold: float = 0.0) -> AsyncIterator[str]:
    """Answers each connection with these bytes after the request's head; its address."""
    pieces = [answer] if isinstance(answer, bytes) else answer

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            await asyncio.sleep(hold)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


def deployment(url: str | None, **fields: Any) -> Deployment:
    """A deployment at ``url``."""
    account = fields.pop("account", Account("p", 1))
    made = Provider("p", "P", "cloud", "active", "openai", fields.pop("wire", "openai"), url)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    model = Model("vendor/model", "p", "m")
    return Deployment("p@1/vendor/model", made, account, model, "p/vendor/model", url)


def attempt(url: str, *, stream: bool = False, **more: Any) -> Attempt:
    payload = more.pop("payload", {"messages": [{"role": "user", "content": "hi"}]})
    limits = more.pop("limits", LIMITS)
    target = more.pop("deployment", None) or deployment(url)
    profile = Profile("chat", "m", frozenset(), Meters(), Meters(), stream=stream, payload=payload)
    return Attempt("a", "r", 1, target, profile, limits, more or {"api_key": "key-1"})


async def collect(sent: Attempt, lane: DirectLane | None = None) -> list[Event]:
    """Everything that the lane says to one attempt."""
    used = lane or DirectLane(Pools(), SystemClock())
    try:
        return [event async for event in used.send(sent)]
    finally:
        if lane is None:
            await used.close()


def answer_of(events: list[Event]) -> Answer:
    """The one fault that the events end in."""
    last = events[-1]
    assert isinstance(last, Fault), events
    return last.answer


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + orjson.dumps({**body, "choices": [choice], **more}) + b"\n\n"


def whole(content: str = "hello", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {
        "id": "x", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [choice], "usage": usage, **more,
    }  # fmt: skip


def json_handler(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return handle


def stream_handler(*parts: bytes) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        for part in parts:
            await answer.write(part)
        return answer

    return handle
