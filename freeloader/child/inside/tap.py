"""A tap on the HTTP client that every LiteLLM adapter uses: what the provider really said.

LiteLLM maps, merges and loses statuses, headers, bodies and usage on the way
back, differently per provider. The wire itself does not, so it is read there:
one ``Wire`` per request, found through a context variable. The tap changes
nothing that passes ``bounds``; it only remembers a bounded part of it. Calls to the
warm-up host are answered here, so that a child can be warmed without network.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any

import httpx
import orjson

from freeloader.child.bodies import many_values
from freeloader.child.inside.bounds import bound
from freeloader.child.inside.usages import readable
from freeloader.child.inside.wire import Wire

_WARM_HOST = "freeloader-warm-up.invalid"
#: What the front sends for an account without a key: LiteLLM wants one, some providers want none.
_NO_KEY = "Bearer none"

_current: ContextVar[Wire | None] = ContextVar("freeloader_wire", default=None)


def current() -> Wire | None:
    """The wire of the request being served, if any."""
    return _current.get()


def attach(wire: Wire) -> None:
    """Make ``wire`` the current one for this task and the tasks it starts."""
    _current.set(wire)


def install() -> None:
    """Put the tap on httpx, async and sync. Once per process."""
    _install_async()
    _install_sync()


def _install_async() -> None:
    plain_send = httpx.AsyncClient.send

    async def send(
        self: httpx.AsyncClient, request: httpx.Request, *, stream: bool = False, **options: Any
    ) -> httpx.Response:
        if request.url.host == _WARM_HOST:
            return _canned(request)
        wire = _current.get()
        if wire is None or _beside(wire, request):
            return await plain_send(self, request, stream=stream, **options)
        _outgoing(wire, request)
        options["follow_redirects"] = False
        try:
            response = await plain_send(self, request, stream=True, **options)
            wire.begin(response.status_code, response.headers)
            bound(response)
            await _listen(wire, response, stream)
        except (httpx.HTTPError, OSError) as error:
            wire.broke(error)
            raise
        return response

    httpx.AsyncClient.send = send  # type: ignore[method-assign]


def _install_sync() -> None:
    """A few adapters run a blocking client in a thread; they do not stream there."""
    plain_send = httpx.Client.send

    def send(
        self: httpx.Client, request: httpx.Request, *, stream: bool = False, **options: Any
    ) -> httpx.Response:
        wire = _current.get()
        if wire is None or _beside(wire, request):
            return plain_send(self, request, stream=stream, **options)
        _outgoing(wire, request)
        options["follow_redirects"] = False
        try:
            response = plain_send(self, request, stream=stream, **options)
        except (httpx.HTTPError, OSError) as error:
            wire.broke(error)
            raise
        wire.begin(response.status_code, response.headers)
        if not stream or response.status_code >= 400:
            wire.feed(response.read())
        else:
            wire.opaque = True
        return response

    httpx.Client.send = send  # type: ignore[method-assign]


def _beside(wire: Wire, request: httpx.Request) -> bool:
    """True for what an adapter fetches before its call: an image, from an address of the client's.

    What that host answers (401, 429 …) must never be taken for the provider's word.
    """
    return request.method == "GET" and wire.calls == 0


def _outgoing(wire: Wire, request: httpx.Request) -> None:
    """Count the call, and give up connecting when the attempt says so, not when LiteLLM does.

    A key that stands for no key does not leave: Kilo and OVH serve anonymous calls
    only without the header. (Nor are redirects followed: a key is for one host.)
    """
    wire.calls += 1
    request.headers["accept-encoding"] = "identity"
    if request.headers.get("authorization") == _NO_KEY:
        del request.headers["authorization"]
    limits = request.extensions.get("timeout")
    if wire.connect_seconds is not None and isinstance(limits, dict):
        known = limits.get("connect")
        shorter = wire.connect_seconds if known is None else min(known, wire.connect_seconds)
        request.extensions["timeout"] = {**limits, "connect": shorter}


async def _listen(wire: Wire, response: httpx.Response, stream: bool) -> None:
    """Remember the body: now where it is there or an error, else as it is read."""
    if not stream or response.status_code >= 400:
        wire.feed(await response.aread())
        if many_values(response.content):
            raise httpx.DecodingError("an answer of more values than any answer has")
        if response.status_code < 400 and (mended := readable(response.content)) is not None:
            response._content, wire.usage = mended, False
        return
    plain = response.aiter_bytes

    async def aiter_bytes(chunk_size: int | None = None) -> AsyncIterator[bytes]:
        async with aclosing(plain(chunk_size)) as chunks:  # type: ignore[type-var]
            try:
                async for chunk in chunks:
                    wire.feed(chunk)
                    yield chunk
            except (httpx.HTTPError, OSError) as error:
                wire.broke(error)
                raise

    response.aiter_bytes = aiter_bytes  # type: ignore[method-assign]


def _canned(request: httpx.Request) -> httpx.Response:
    """A tiny answer in OpenAI's shape, for warming up."""
    wanted = orjson.loads(request.content or b"{}")
    chat = "messages" in wanted
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "logprobs": None}
    base = {"id": "warm", "created": 1, "model": "warm"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    if wanted.get("stream"):
        choice |= {"delta": {"role": "assistant", "content": "."}} if chat else {"text": "."}
        kind = "chat.completion.chunk" if chat else "text_completion"
        body = {**base, "object": kind, "choices": [choice], "usage": usage}
        content = b"data: " + orjson.dumps(body) + b"\n\ndata: [DONE]\n\n"
        head = {"content-type": "text/event-stream"}
        return httpx.Response(200, headers=head, content=content, request=request)
    choice |= {"message": {"role": "assistant", "content": "."}} if chat else {"text": "."}
    kind = "chat.completion" if chat else "text_completion"
    body = {**base, "object": kind, "choices": [choice], "usage": usage}
    return httpx.Response(200, json=body, request=request)
