"""What is no HTTP request at all, or takes too long to become one.

aiohttp itself answers unreadable bytes with a copy of the offending line, which may
be the one with the key, and logs a traceback for each: here they get the contract's
error body, and no word of them is repeated. It also lets a head take as long as an idle
connection may live: here it has a time limit of its own. Requests that were read are
aiohttp's again; how long a body may take is ``guards.body``'s.
"""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from freeloader.errors import InvalidRequest
from freeloader.gateway.errors_http import InternalError, dumps, error_object, error_response

log = logging.getLogger("freeloader.gateway")

#: For the head of a request, in seconds (CIS recommends at most 10).
HEAD_SECONDS = 10.0


class Protocol(RequestHandler):
    """One connection. The head of a request has ``head_seconds`` from its first byte, the first
    one from the connection."""

    __slots__ = ("_head_timer", "head_seconds")

    head_seconds: float
    _head_timer: asyncio.TimerHandle | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._head_timer = None
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        in_a_body = self._in_a_body()  # asked first: what ends a body begins no head
        super().data_received(data)
        if self._request_count > before:
            self._head_came()
        elif data and self._head_timer is None and not in_a_body:
            self._await_head()  # (aiohttp itself calls with nothing, when it reads on)

    def _in_a_body(self) -> bool:
        """Whether what arrives belongs to a request whose head was read."""
        if self._messages:
            return True
        request = self._current_request
        return request is not None and not request.content.is_eof()

    def _await_head(self) -> None:
        self._head_timer = self._loop.call_later(self.head_seconds, self._head_is_late)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._current_request is not None:
            self._await_head()  # the answer before comes first
            return
        transport.write(_LATE)
        self.force_close()
        transport.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to bytes that cannot be read. Raises ConnectionError if one has begun."""
        if status >= 500:
            log.error("a connection failed inside", exc_info=exc)
        else:
            log.debug("bytes from %s are no request: %s", request.remote, type(exc).__name__)
        if request.writer is not None and request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        response = error_response(InternalError() if status >= 500 else _unreadable(exc))
        response.force_close()
        return response


class Server(web.Server):
    """Serves connections with ``Protocol``."""

    head_seconds: float = HEAD_SECONDS

    def __call__(self) -> RequestHandler:
        made = Protocol(self, loop=self._loop, **self._kwargs)
        made.head_seconds = self.head_seconds
        return made


class Runner(web.AppRunner):
    """``web.AppRunner`` with our ``Server``."""

    head_seconds: float = HEAD_SECONDS

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        made = Server(
            plain.request_handler,
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            **plain._kwargs,
        )
        made.head_seconds = self.head_seconds
        return made


def _unreadable(exc: BaseException | None) -> InvalidRequest:
    if isinstance(exc, LineTooLong):
        return InvalidRequest("A line of the request's head is too long.", code="headers_too_large")
    return InvalidRequest("These bytes are no HTTP request that can be read.")


def _late() -> bytes:
    """The whole answer to a head that did not arrive in time."""
    problem = InvalidRequest(
        "The head of the request did not arrive in time; send it at once.", code="request_timeout"
    )
    body = dumps({"error": error_object(problem, None)})
    head = (
        "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\nX-Should-Retry: false\r\n\r\n"
    )
    return head.encode() + body


_LATE = _late()
