"""A tiny OpenAI-compatible upstream on loopback that behaves as the model's name says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web
from hostile_wire import HostileWire

USAGE = {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 530}
#: What ``usage`` is, by the model's name, where it is not ``USAGE``.
OTHER: dict[str, Any] = {"totalusage": {"total_tokens": 30}, "listusage": [7], "wordusage": "x"}
#: Counts that are no whole numbers.
ODD = {"prompt_tokens": 30.5, "completion_tokens": "many", "total_tokens": [7]}
RAW_429 = {"error": {"message": "Rate limit reached on tokens per day", "code": "tpd"}}


class FakeUpstream:
    """``seen`` holds (model, authorization) of every call, ``closed`` models whose client left."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.closed: list[str] = []
        self.url = ""
        #: Beside it, what speaks no proper HTTP.
        self.wire = HostileWire()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._completion)
        app.router.add_post("/v1/elsewhere", self._elsewhere)
        app.router.add_post("/v1/models/{model}:generateContent", self._gemini)
        self._runner = web.AppRunner(app, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/v1"
        await self.wire.start()

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        await self.wire.stop()

    async def _completion(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        choice = {"index": 0, "text": "hi", "finish_reason": "stop"}
        return web.json_response(_base(body["model"], "text_completion", choice) | {"usage": USAGE})

    async def _gemini(self, request: web.Request) -> web.Response:
        """A whole answer in Gemini's shape; its model's name says what its usage is."""
        content = {"role": "model", "parts": [{"text": "hello"}]}
        answer: dict[str, Any] = {"candidates": [{"content": content, "finishReason": "STOP"}]}
        if request.match_info["model"] == "oddusage":
            answer["usageMetadata"] = {"promptTokenCount": "many", "candidatesTokenCount": None}
        return web.json_response(answer)

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.seen.append(("elsewhere", request.headers.get("Authorization", "")))
        return web.json_response({})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        model = body["model"]
        self.seen.append((model, request.headers.get("Authorization", "")))
        if model.isdigit():
            return self._refuse(int(model))
        if model == "redirect":
            raise web.HTTPTemporaryRedirect(f"{self.url}/elsewhere")
        if model == "hang":
            return await self._hang(model)
        if model == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if model == "badjson":
            return web.Response(body=b"<html>oops</html>", content_type="application/json")
        if model == "tools":
            return await self._call_tools(request, bool(body.get("stream")))
        if model == "echo":
            return web.json_response(_echoed(body))
        if model == "choice-error":
            return await self._fail_in_choice(request, bool(body.get("stream")))
        if body.get("stream"):
            return await self._stream(request, model)
        if model == "slow":
            await asyncio.sleep(1.0)
        message = {"role": "assistant", "content": "" if model == "empty" else "hello"}
        finish = None if model == "empty" else "stop"
        choice = {"index": 0, "message": message, "finish_reason": finish}
        answer = _base(model, "chat.completion", choice)
        if model == "badusage":
            answer["usage"] = {"prompt_tokens": -5, "completion_tokens": 10**12}
        elif model != "nousage":
            answer["usage"] = OTHER.get(model, ODD if model == "oddusage" else USAGE)
        return web.json_response(answer, headers={"x-ratelimit-remaining-requests": "9"})

    async def _call_tools(self, request: web.Request, stream: bool) -> web.StreamResponse:
        """One call, whole or in three pieces."""
        function = {"name": "look", "arguments": '{"at": "x"}'}
        call = {"id": "call_1", "type": "function", "function": function}
        if not stream:
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
            choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
            return web.json_response(_base("tools", "chat.completion", choice) | {"usage": USAGE})
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        first = {**call, "index": 0, "function": {"name": "look", "arguments": ""}}
        pieces = [{"tool_calls": [first]}]
        texts = ('{"at": ', '"x"}')
        pieces += [{"tool_calls": [{"index": 0, "function": {"arguments": t}}]} for t in texts]
        for piece in pieces:
            choice = {"index": 0, "delta": piece, "finish_reason": None}
            await _write(answer, _base("tools", "chat.completion.chunk", choice))
        choice = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
        await _write(answer, _base("tools", "chat.completion.chunk", choice) | {"usage": USAGE})
        await answer.write(b"data: [DONE]\n\n")
        return answer

    async def _fail_in_choice(self, request: web.Request, stream: bool) -> web.StreamResponse:
        """A success by its status, with an error in the choice: OpenRouter's way."""
        error = {"code": 429, "message": "Rate limit exceeded: free-models-per-day"}
        part = {"role": "assistant", "content": ""}
        choice = {"index": 0, "finish_reason": "error", "error": error}
        if not stream:
            return web.json_response(
                _base("choice-error", "chat.completion", {**choice, "message": part})
            )
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        chunk = _base("choice-error", "chat.completion.chunk", {**choice, "delta": part})
        await _write(answer, chunk)
        await answer.write(b"data: [DONE]\n\n")
        return answer

    async def _hang(self, model: str) -> web.Response:
        try:
            await asyncio.sleep(60)
        finally:
            self.closed.append(model)
        return web.Response()

    def _refuse(self, status: int) -> web.Response:
        if status == 429:
            headers = {"retry-after": "17", "x-ratelimit-remaining-requests": "0"}
            return web.json_response(RAW_429, status=429, headers=headers)
        error = {"error": {"message": f"no {status}", "code": f"c{status}", "type": "t"}}
        return web.json_response(error, status=status, headers={"x-seen": "yes"})

    async def _stream(self, request: web.Request, model: str) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "text/event-stream", "x-seen": "yes"})
        await answer.prepare(request)
        assert request.transport is not None
        if model == "garbage":
            await answer.write(b"data: <<<\n\ndata: [DONE]\n\n")
            return answer

        async def send(delta: dict[str, Any], finish: str | None = None) -> None:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            await _write(answer, _base(model, "chat.completion.chunk", choice))

        await send({"role": "assistant", "content": ""})
        try:
            for number in range(4):
                await send({"content": f"word{number} "})
                await asyncio.sleep(0.02)
                if number == 1 and model == "cut":
                    request.transport.abort()
                    return answer
                if number == 1 and model == "cleancut":
                    return answer
                if number == 1 and model == "midstream":
                    await _write(answer, {"error": {"message": "boom", "code": "overloaded"}})
                    return answer
                if model in ("long", "slow"):
                    await asyncio.sleep(60 if model == "long" else 0.25)
        except (asyncio.CancelledError, ConnectionResetError):
            self.closed.append(model)
            raise
        await send({}, "stop")
        if model != "nousage":
            choice: dict[str, Any] = _base(model, "chat.completion.chunk", None)
            told = OTHER.get(model, ODD if model == "oddusage" else USAGE)
            await _write(answer, choice | {"usage": told})
        await answer.write(b"data: [DONE]\n\n")
        return answer


def _echoed(body: dict[str, Any]) -> dict[str, Any]:
    """An answer whose text is what arrived."""
    text = json.dumps({k: v for k, v in body.items() if k != "model"}, sort_keys=True)
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    choice["finish_reason"] = "stop"
    return _base("echo", "chat.completion", choice) | {"usage": USAGE}


def _base(model: str, kind: str, choice: dict[str, Any] | None) -> dict[str, Any]:
    choices = [] if choice is None else [choice]
    return {"id": "x", "object": kind, "created": 1, "model": model, "choices": choices}


async def _write(answer: web.StreamResponse, data: dict[str, Any]) -> None:
    await answer.write(b"data: " + json.dumps(data).encode() + b"\n\n")
