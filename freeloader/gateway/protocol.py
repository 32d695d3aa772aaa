"""What is no HTTP request at all, or takes too long to become one.

aiohttp itself answers unreadable bytes with a copy of the offending line, which may
be the one with the key, and logs a traceback for each: here they get the contract's
error body, and no word of them is repeated. It also lets a head take as long as an idle
connection may live, and an answer as long as its reader likes: here both have a time limit.
Requests that were read are aiohttp's again; how long a body may take is ``guards.body``'s.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import sys
from contextlib import suppress
from pathlib import Path

from aiohttp import ClientConnectionResetError, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from freeloader.errors import InvalidRequest
from freeloader.gateway.errors_http import InternalError, dumps, error_object, error_response

log = logging.getLogger("freeloader.gateway")

#: For the head of a request, in seconds (CIS recommends at most 10).
HEAD_SECONDS = 10.0
#: Who takes nothing of an answer that waits for them for so long has left, whatever TCP says.
READER_SECONDS = 60.0
#: Bytes that may wait for a reader in the kernel, not yet sent, where it would take megabytes:
#: so it is seen whether anything is read.
_UNSENT_BYTES = 64 * 1024
#: The same for a stream, and what may wait here besides: then no more is read of its provider.
_STREAM_BYTES = 2048
#: So many chunks of a body in what is read at once, of less than some bytes each, are no chunks.
_MANY_PIECES, _CRUMB = 4096, 6
_LOWAT = "TCP_NOTSENT_LOWAT"  # Linux and macOS


class Protocol(RequestHandler):
    """One connection. The head of a request has ``head_seconds`` from its first byte, the first
    one from the connection; of an answer that waits something is read each ``reader_seconds``."""

    __slots__ = ("_head_timer", "_reader_timer", "_unread", "head_seconds", "reader_seconds")

    head_seconds: float
    reader_seconds: float
    _head_timer: asyncio.TimerHandle | None
    _reader_timer: asyncio.TimerHandle | None
    _unread: int

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._head_timer = self._reader_timer = None
        super().connection_made(transport)
        if isinstance(self._manager, Server):
            self._manager.make_room()
        _keep_unsent(transport, _UNSENT_BYTES)
        self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._head_came()
        self._reader_reads()
        if (serving := self._task_handler) is not None:
            serving.add_done_callback(_let_go)
        super().connection_lost(exc)

    @property
    def idle_until(self) -> float | None:
        """When it is closed for being idle, on the loop's clock; None where it is not idle."""
        busy = self._current_request is not None or self._messages or self._head_timer is not None
        return None if busy or self._keepalive_handle is None else self._next_keepalive_close_time

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    def resume_reading(self, resume_parser: bool = True) -> None:
        # aiohttp asks for it with each piece that is taken and at each end, and parses nothing
        # once more: where neither parser nor socket rest there is nothing to resume.
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)

    def resume_writing(self) -> None:
        self._reader_reads()
        super().resume_writing()

    def short(self) -> None:
        """Little may wait for the reader from now on: what follows is a stream.

        A thousand slow readers are then noticed within seconds, and cost neither the memory
        nor the work of all that their providers have to say.
        """
        if self.transport is not None:
            self.transport.set_write_buffer_limits(high=_STREAM_BYTES)
            _keep_unsent(self.transport, _STREAM_BYTES)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        in_a_body = self._in_a_body()  # asked first: what ends a body begins no head
        if in_a_body and len(data) > _MANY_PIECES and self._crumbles(data):
            log.debug("a body in chunks of a few bytes was cut off")
            if self.transport is not None:
                self.transport.abort()
            return
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

    def _crumbles(self, data: bytes) -> bool:
        """Whether it is a chunked body in pieces of a few bytes, which cost more than a microsecond
        each: what comes in one read would stop everybody for a tenth of a second."""
        request = self._current_request
        if request is None or "Transfer-Encoding" not in request.headers:
            return False
        ends = data.count(b"\r\n")
        return ends >= _MANY_PIECES and ends * _CRUMB >= len(data)

    def _await_head(self) -> None:
        self._head_timer = self._loop.call_later(self.head_seconds, self._head_is_late)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _await_reader(self) -> None:
        if self.transport is not None:
            self._unread = self.transport.get_write_buffer_size()
            self._reader_timer = self._loop.call_later(self.reader_seconds, self._reader_is_late)

    def _reader_reads(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def _reader_is_late(self) -> None:
        self._reader_timer = None
        transport = self.transport
        if transport is None:
            return
        if transport.get_write_buffer_size() < self._unread:
            self._await_reader()  # slow, but at it
            return
        transport.abort()

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
    """Serves connections with ``Protocol``. Of more connections than ``room`` the idlest is closed:
    without a descriptor left the next one would be reset, whatever it wants."""

    head_seconds: float = HEAD_SECONDS
    reader_seconds: float = READER_SECONDS
    room: int = sys.maxsize

    def make_room(self) -> None:
        """Where there are too many; where all of them are at work nothing is closed."""
        if len(self._connections) <= self.room:
            return
        found = ((one.idle_until, one) for one in self._connections if isinstance(one, Protocol))
        idle = [(until, one) for until, one in found if until is not None]
        if idle:
            min(idle, key=lambda pair: pair[0])[1].force_close()

    def __call__(self) -> RequestHandler:
        made = Protocol(self, loop=self._loop, **self._kwargs)
        made.head_seconds = self.head_seconds
        made.reader_seconds = self.reader_seconds
        return made


class Runner(web.AppRunner):
    """``web.AppRunner`` with our ``Server``."""

    head_seconds: float = HEAD_SECONDS
    reader_seconds: float = READER_SECONDS

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        answer = plain.request_handler

        async def expecting(request: web.BaseRequest) -> web.StreamResponse:
            # aiohttp itself answers others before any door, and repeats what they said.
            if request.headers.get("Expect", _CONTINUE).lower() != _CONTINUE:
                return error_response(_UNEXPECTED)
            try:
                return await answer(request)
            except ClientConnectionResetError:
                return error_response(_UNEXPECTED)  # to nobody: it left before it was asked on

        made = Server(
            expecting,
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            **plain._kwargs,
        )
        made.head_seconds = self.head_seconds
        made.reader_seconds = self.reader_seconds
        made.room = _room()
        return made


def _room() -> int:
    """Three quarters of the descriptors that are left when it begins: the rest is for providers,
    the child and files."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return sys.maxsize
    open_now = next(p for p in ("/proc/self/fd", "/dev/fd") if Path(p).is_dir())
    return max(1, (most - len(os.listdir(open_now))) * 3 // 4)


def _let_go(serving: asyncio.Task[None]) -> None:
    """Frees what served a connection that is gone.

    aiohttp's task waits a while for the rest of a body that nobody read; if it is cancelled
    there it ends in a circle (task, exception, frame, task) which holds the connection with its
    request until the collector comes: some 13 KB for each client that is thrown out and leaves.
    Asking for the exception takes it out of the task.
    """
    if serving.cancelled():
        with suppress(asyncio.CancelledError):
            serving.exception()


def _keep_unsent(transport: asyncio.BaseTransport, most: int) -> None:
    """Bounds what the kernel takes before it can be sent, where it knows how."""
    plain, option = transport.get_extra_info("socket"), getattr(socket, _LOWAT, None)
    if plain is not None and plain.family != socket.AF_UNIX and option is not None:
        plain.setsockopt(socket.IPPROTO_TCP, option, most)


def _unreadable(exc: BaseException | None) -> InvalidRequest:
    if isinstance(exc, LineTooLong):
        return InvalidRequest("A line of the request's head is too long.", code="headers_too_large")
    return InvalidRequest("These bytes are no HTTP request that can be read.")


_CONTINUE = "100-continue"
_UNEXPECTED = InvalidRequest(
    "Only `Expect: 100-continue` is understood; leave the header out.", code="expectation_unknown"
)


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
