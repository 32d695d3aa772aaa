"""A whole daemon in this process, in lane ``direct``, and fake providers that it talks to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from farm import model, provider

from freeloader import logs
from freeloader.app.daemon import Daemon
from freeloader.clock import Clock
from freeloader.settings import Home, load

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


class Fake:
    """One provider: ``handler`` may be changed at any time; what it was asked is kept."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.url = ""
        self.handler: Handler = answers
        self.calls: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "m"}, {"id": "n"}]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        self.calls.append(json.loads(await request.read()))
        return await self.handler(request)


async def answers(request: web.Request) -> web.StreamResponse:
    """A short good answer, whole or streamed."""
    body = json.loads(await request.read())
    if body.get("stream"):
        return await streams(b"hel", b"lo")(request)
    return web.json_response(whole("hello"))


def whole(text: str, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    choice["finish_reason"] = "stop"
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [choice], "usage": USAGE, **more}  # fmt: skip


def piece(text: str | None, finish: str | None = None) -> bytes:
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "x", "choices": [choice]}).encode() + b"\n\n"


def streams(*texts: bytes, end: bytes | None = None, pause: float = 0.0) -> Handler:
    """A handler that streams these texts, and then a proper end (or ``end``)."""
    last = b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\n"
    ending = piece(None, "stop") + last + b"data: [DONE]\n\n" if end is None else end

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        for text in texts:
            await answer.write(piece(text.decode()))
            await asyncio.sleep(pause)
        await answer.write(ending)
        return answer

    return handle


def raw(*parts: bytes, pause: float = 0.0, **headers: str) -> Handler:
    """A handler that writes these bytes as the body of a stream."""

    async def handle(request: web.Request) -> web.StreamResponse:
        head = {"content-type": "text/event-stream", **headers}
        answer = web.StreamResponse(headers=head)
        await answer.prepare(request)
        for part in parts:
            await answer.write(part)
            if pause:
                await asyncio.sleep(pause)
        return answer

    return handle


def refuses(status: int, body: Any = None, **headers: str) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        said = body or {"error": {"message": f"no {status}"}}
        return web.json_response(said, status=status, headers=headers)

    return handle


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def resets(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


class Live:
    """The running daemon, and how a client talks to it."""

    def __init__(self, daemon: Daemon, web: aiohttp.ClientSession, key: str, url: str) -> None:
        self.daemon, self._web, self._key, self.url = daemon, web, key, url

    async def post(
        self, body: Mapping[str, Any] | None = None, **more: Any
    ) -> tuple[int, dict[str, str], Any]:
        """One chat: status, headers (lower case), JSON or text."""
        headers = {"Authorization": f"Bearer {self._key}", **more.pop("headers", {})}
        asked = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], **(body or {})}
        asked |= more
        async with self._web.post(
            f"{self.url}/v1/chat/completions", json=asked, headers=headers
        ) as answer:
            text = await answer.text()
            lower = {name.lower(): value for name, value in answer.headers.items()}
        try:
            return answer.status, lower, json.loads(text)
        except ValueError:
            return answer.status, lower, text

    def calm(self) -> None:
        """Every pause and breaker is forgotten."""
        self.daemon.books.reset(None, None, self.daemon.clock.now())

    async def usage(self) -> list[Any]:
        return list(self.daemon.books.open_holds)


QUICK = {
    "XSWARM_SERVER__PORT": "0",
    "XSWARM_SECRETS__BACKEND": "file",
    "XSWARM_UPSTREAM__LANE": "direct",
    "XSWARM_UPSTREAM__CONNECT_SECONDS": "0.5",
    "XSWARM_UPSTREAM__FIRST_BYTE_SECONDS": "1",
    "XSWARM_UPSTREAM__IDLE_SECONDS": "0.6",
    "XSWARM_UPSTREAM__TOTAL_SECONDS": "8",
    "XSWARM_ROUTING__FALLBACK__RETRY_DELAY_MS": "10",
    "OLLAMA_HOST": "127.0.0.1:9",
    "LMSTUDIO_URL": "http://127.0.0.1:9",
}


def registry(fakes: Mapping[str, str]) -> dict[str, Any]:
    """Each provider with one model of the same family, the first the most wanted."""
    entries = {}
    for number, (name, url) in enumerate(fakes.items()):
        models = {"m": model("twins", speed=9.0 - number), "n": model("nines", speed=5.0)}
        entries[name] = provider(url, models)
    return {"version": "2026.11.20", "providers": entries}


@asynccontextmanager
async def living(
    place: Path,
    fakes: Mapping[str, str],
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Live]:
    """A daemon with one account at each of these addresses, until the end of the block."""
    home = Home(place).create()
    (home.registry / "fakes.json").write_text(json.dumps(registry(fakes)))
    given = {**QUICK, "HOME": str(place), **(environ or {})}
    daemon = Daemon(home, load(home, given), given, logs.Redactor(), clock)
    async with AsyncExitStack() as stack:
        for name in fakes:
            ledger = daemon.store.ledger
            if not any(a.provider == name for a in await ledger.accounts()):
                await daemon.owner.accounts.add_account(
                    {"provider": name, "key": f"key-{name}"}, "test"
                )
        banner = await daemon.start()
        stack.push_async_callback(daemon.stop)
        session = aiohttp.ClientSession()
        stack.push_async_callback(session.close)
        yield Live(daemon, session, home.client_key.read_text().strip(), banner.address)


@asynccontextmanager
async def street(
    place: Path, *names: str, clock: Clock | None = None, **environ: str
) -> AsyncIterator[tuple[Live, ...]]:
    """The daemon, and a fake provider per name."""
    fakes = [Fake(name) for name in names]
    async with AsyncExitStack() as stack:
        for fake in fakes:
            await fake.start()
            stack.push_async_callback(fake.stop)
        live = await stack.enter_async_context(
            living(place, {fake.name: fake.url for fake in fakes}, environ, clock)
        )
        yield (live, *fakes)  # type: ignore[misc]
