"""What is no HTTP request at all: the contract's error body, and no word of it repeated.

aiohttp itself answers such bytes with a copy of the offending line, which may
be the one with the key, and logs a traceback for each. This replaces that one
answer and nothing else; requests that can be read never come here.
"""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from freeloader.errors import InvalidRequest
from freeloader.gateway.errors_http import InternalError, error_response

log = logging.getLogger("freeloader.gateway")


class Protocol(RequestHandler):
    """One connection."""

    __slots__ = ()

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

    def __call__(self) -> RequestHandler:
        return Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """``web.AppRunner`` with our ``Server``."""

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        return Server(
            plain.request_handler,
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            **plain._kwargs,
        )


def _unreadable(exc: BaseException | None) -> InvalidRequest:
    if isinstance(exc, LineTooLong):
        return InvalidRequest("A line of the request's head is too long.", code="headers_too_large")
    return InvalidRequest("These bytes are no HTTP request that can be read.")
