"""A simulator on a free loopback port, without delays, and a client that speaks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest

from freeloader.simulator import Running, default_config, serve

HELLO = [{"role": "user", "content": "Hello you"}]


@dataclass
class Answer:
    status: int
    headers: Any
    raw: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.raw)

    @property
    def events(self) -> list[Any]:
        lines = [x[6:] for x in self.raw.decode().split("\n") if x.startswith("data: ")]
        return [x if x == "[DONE]" else orjson.loads(x) for x in lines]


@dataclass
class Client:
    running: Running
    session: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, body: Any = None, key: str | None = "key-one", **more: Any
    ) -> Answer:
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        url = self.running.url + path
        async with self.session.request(
            method, url, json=body, headers=headers, allow_redirects=False, **more
        ) as got:
            return Answer(got.status, got.headers, await got.read())

    async def chat(
        self, provider: str = "generic", model: str = "sim-generic", **body: Any
    ) -> Answer:
        key = body.pop("key", "key-one")
        body.setdefault("messages", HELLO)
        return await self.call(
            "POST", f"/{provider}/v1/chat/completions", {"model": model, **body}, key
        )

    async def chat_with_timeout(
        self, seconds: float, provider: str = "generic", model: str = "sim-generic", **body: Any
    ) -> Answer:
        body.setdefault("messages", HELLO)
        return await self.call(
            "POST",
            f"/{provider}/v1/chat/completions",
            {"model": model, **body},
            timeout=aiohttp.ClientTimeout(total=seconds),
        )


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    running = await serve(config=default_config(pace=0.0))
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield Client(running, session)
    await running.stop()
