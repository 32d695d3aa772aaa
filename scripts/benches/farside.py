"""Servers that the lanes bench measures against: a provider, and a bare relay before it.

``python farside.py provider`` answers every chat at once with a fixed body;
``python farside.py relay URL`` parses the body, puts in another model's name, passes it on,
and does the same with the answer: the least that any gateway has to do. Each says its
address on standard output, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import aiohttp
import orjson
import uvloop
from aiohttp import web

ANSWER = orjson.dumps(
    {
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 1, "model": "echo",
        "choices": [{"index": 0, "finish_reason": "stop",
                     "message": {"role": "assistant", "content": "word " * 40}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 40, "total_tokens": 50},
    }
)  # fmt: skip
BODY_MAX = 64 * 1024 * 1024


async def provide(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=ANSWER, content_type="application/json")


async def models(request: web.Request) -> web.Response:
    return web.json_response({"data": [{"id": "echo"}]})


class Relay:
    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def __call__(self, request: web.Request) -> web.Response:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector)
        body: dict[str, Any] = orjson.loads(await request.read())
        body["model"] = "echo"
        headers = {"Content-Type": "application/json", "Authorization": "Bearer key"}
        async with self._session.post(
            self._url, data=orjson.dumps(body), headers=headers
        ) as answer:
            told = orjson.loads(await answer.read())
        told["model"] = "relay/echo"
        return web.Response(body=orjson.dumps(told), content_type="application/json")


async def serve(argv: list[str]) -> None:
    app = web.Application(client_max_size=BODY_MAX)
    handler = provide if argv[0] == "provider" else Relay(argv[1])
    app.router.add_post("/v1/chat/completions", handler)
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}/v1\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    if isinstance(handler, Relay):
        await handler.close()
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1:]))
