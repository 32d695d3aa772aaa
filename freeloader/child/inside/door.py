"""The child's only door: an ASGI wrapper that lets few routes in and tells the truth going out.

Of LiteLLM's several hundred routes only those the front uses can be reached.
Its dozens of response headers are replaced by two of ours that say what the
provider really answered (see ``inside.wire``); a stream gets the same as a last
event, because what goes wrong in a stream is known only at its end.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from secrets import compare_digest
from typing import Any

import orjson

from freeloader.child.inside.tap import attach
from freeloader.child.inside.wire import Wire

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

META_HEADER = b"x-freeloader-upstream"
BODY_HEADER = b"x-freeloader-body"
CONNECT_HEADER = b"x-freeloader-connect"
#: The name of the last event of a stream.
TRAILER_EVENT = b"freeloader"

_CALLS = frozenset(
    {"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/messages", "/v1/responses"}
)
_LOOKS = frozenset({"/health/liveliness", "/health/backlog"})
#: Where the daemon says that its warm-up calls are over. Ours: LiteLLM does not hear of it.
_WARM = "/health/warm"
_LINE = 8000


class Door:
    """Wraps LiteLLM's app; see the module's docstring. ``key``: this start's own, which only the
    daemon knows; LiteLLM itself, without a database, answers a wrong one with a 500.
    ``warmed``: called when the warm-up is over."""

    def __init__(self, app: App, key: str, warmed: Callable[[], None]) -> None:
        self._app = app
        self._warmed = warmed
        self._authorized = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        method, path = scope.get("method"), scope.get("path")
        looks = method == "GET" and (path in _LOOKS or path == _WARM)
        calls = method == "POST" and path in _CALLS
        if scope["type"] != "http" or not (looks or calls):
            await _refuse(scope, send, 404, "no such route")
        elif not self._knows(scope):
            await _refuse(scope, send, 401, "the daemon's key is wanted")
        elif path == _WARM:
            self._warmed()
            await _say(send, 200, {"warm": True})
        elif looks:
            await self._app(scope, receive, send)
        else:
            wire = Wire(_connect_seconds(scope))
            attach(wire)
            answer = _Answer(send, wire)
            try:
                await self._app(scope, receive, answer.send)
            except Exception as error:  # told, then raised: uvicorn logs it
                await answer.failed(error)
                raise

    def _knows(self, scope: Scope) -> bool:
        given = [v for name, v in scope.get("headers", ()) if name.lower() == b"authorization"]
        return len(given) == 1 and compare_digest(bytes(given[0]), self._authorized)


def _connect_seconds(scope: Scope) -> float | None:
    """The attempt's own limit for connecting to the provider, from the lane's header."""
    for name, value in scope.get("headers", ()):
        if name == CONNECT_HEADER:
            try:
                return max(0.001, float(value))
            except ValueError:
                return None
    return None


async def _refuse(scope: Scope, send: Send, status: int, why: str) -> None:
    if scope["type"] != "http":
        await send({"type": "websocket.close", "code": 1008})
        return
    error = {"message": why, "type": "invalid_request_error", "code": str(status)}
    await _say(send, status, {"error": error})


async def _say(send: Send, status: int, said: Mapping[str, Any]) -> None:
    body = orjson.dumps(said)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Answer:
    """One response on its way out."""

    def __init__(self, send: Send, wire: Wire) -> None:
        self._send = send
        self._wire = wire
        self._stream = False
        self._started = False

    async def failed(self, error: Exception) -> None:
        """LiteLLM broke on its own answer: what the provider did is told all the same.

        Without it the front could only guess whether anything was sent, and so billed.
        """
        if self._started:
            return
        self._wire.failed = True
        self._wire.error_class = self._wire.error_class or type(error).__name__
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": b"{}"})

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            message["headers"] = self._headers(message)
        elif self._stream and not message.get("more_body"):
            body = message.get("body", b"") + trailer(self._wire)
            message = {"type": "http.response.body", "body": body}
        await self._send(message)

    def _headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        kept = [
            (name, value)
            for name, value in message.get("headers", ())
            if name.lower() in (b"content-type", b"content-length")
        ]
        self._stream = any(
            b"text/event-stream" in v for n, v in kept if n.lower() != b"content-length"
        )
        failed = message["status"] >= 400
        kept.append((META_HEADER, _encoded(meta(self._wire, failed and not self._wire.failed))))
        refused = failed and (self._wire.status or 600) >= 300
        if refused and self._wire.body:
            kept.append((BODY_HEADER, b64encode(self._wire.body)))
        elif failed or not (self._stream or self._wire.finished):
            # An answer that LiteLLM fell over, or an error that was called a success.
            kept.append((BODY_HEADER, b64encode(self._wire.last_words())))
        return kept


def meta(wire: Wire, unexplained: bool = False) -> dict[str, Any]:
    """What is known of the call so far, JSON-ready. Only what says something is in it."""
    found: dict[str, Any] = {"calls": wire.calls, "status": wire.status, "headers": wire.headers}
    if wire.failed or unexplained:
        found |= {
            "class": wire.error_class or "LaneError",
            "code": wire.code,
            "message": wire.message,
        }
    if wire.transport is not None:
        found |= {"transport": wire.transport, "connected": wire.connected}
    told = wire.told() if wire.usage else None
    # What it told before it had said everything is not the whole of it.
    believed = wire.usage and not wire.spoke and not (told is not None and told.contrary)
    found |= {"usage": believed, "finish": wire.finished, "done": wire.whole, "said": wire.said}
    if told is not None:
        found["rawUsage"] = told.best
    return found


def trailer(wire: Wire) -> bytes:
    """The last event of a stream: the same again, with the raw body's end if it failed."""
    found = meta(wire)
    found.pop("headers")
    if wire.failed or not wire.finished:
        found["body"] = b64encode(wire.last_words()).decode("ascii")
    return b"event: " + TRAILER_EVENT + b"\ndata: " + orjson.dumps(found) + b"\n\n"


def _encoded(found: dict[str, Any]) -> bytes:
    """Base64 of the JSON, under the limit of a header line: texts give way first."""
    for drop in ((), ("message",), ("message", "rawUsage"), ("message", "rawUsage", "headers")):
        line = b64encode(orjson.dumps({k: v for k, v in found.items() if k not in drop}))
        if len(line) <= _LINE:
            return line
    return b64encode(b"{}")
