"""One POST on a kept connection: head and body out in one piece, the answer's head back.

Connections are aiohttp's own, with its pool, its name look-up, its TLS and its parser. Left
out is what its client does for every request and this lane never wants (cookies, redirects,
authentication from other places, a task to write the body with): that took half of the
time of a call. Proxies are the session's business still. It judges no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any, Protocol

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from freeloader.gateway.lanes.direct.limits import (
    HEAD_BYTES,
    INTERIM_MAX,
    LINE_BYTES,
    LINES_MAX,
    READ_BYTES,
)

#: Bodies up to this size go out joined to their head.
_JOINED = 32 * 1024
#: Addresses at one provider: chat and completions; more were a registry that changes.
_TARGETS_MAX = 64
#: Sets of headers that are remembered for one address: of its accounts.
_HEADS_MAX = 64
_SWITCHING = 101
#: Kept connections that are found to be spoilt, one after the other, before that is an error.
_TAKES_MAX = 8


class Unsent(aiohttp.ClientConnectionError):
    """There is no connection that could be used: nothing was sent."""


class BadHead(aiohttp.ClientError):
    """The answer's head is no HTTP, or beyond its bounds."""


class Response(Protocol):
    """An answer whose head is there: what this lane reads of one, whoever fetched it."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def content(self) -> aiohttp.StreamReader: ...

    @property
    def content_type(self) -> str: ...

    def close(self) -> None:
        """Gives the connection up, where the answer was not read to its end."""
        ...


class Connector(aiohttp.TCPConnector):
    """aiohttp's, whose connections are ``_Hearing``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        kind: type[ResponseHandler] = _Hearing
        self._factory = partial(kind, loop=self._loop)


class _Hearing(ResponseHandler):
    """One connection. aiohttp asks it to read on with each piece that is taken and at each end,
    and then parses nothing once more: where neither parser nor socket rest that is for nothing."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)


class Wire:
    """One set of kept connections, to be used by one event loop."""

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        self._connector = connector
        self._targets: dict[str, _Target] = {}

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, limits: aiohttp.ClientTimeout
    ) -> Response:
        """Sends it; the response once its head is there. ``limits``: for connecting alone.

        Raises aiohttp's errors, OSError, and ValueError for an address or a header that cannot
        be sent. Whatever it raises, the connection is closed.
        """
        target = self._targets.get(url) or self._target(url)
        head = target.head(headers, len(body))
        connection = await self._connection(target.request, limits)
        try:
            return await _exchange(connection, head, body)
        except BaseException:
            _give_up(connection)
            raise

    async def _connection(
        self, request: ClientRequest, limits: aiohttp.ClientTimeout
    ) -> Connection:
        """A connection on which nothing was said yet that nobody had asked for.

        What comes on a kept one meanwhile would be taken for the next request's answer.
        """
        for _ in range(_TAKES_MAX):
            try:
                connection = await self._connector.connect(request, [], limits)
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError("no connection in time") from error
            protocol = connection.protocol
            if protocol is not None and protocol.is_connected() and not protocol.should_close:
                return connection
            _give_up(connection)
        raise Unsent("the provider speaks before it is asked")

    def _target(self, url: str) -> _Target:
        if len(self._targets) >= _TARGETS_MAX:
            self._targets.clear()
        found = self._targets[url] = _Target(url)
        return found


class _Asked(ClientRequest):
    """What the connector is asked for a connection by: the same key each time."""

    @cached_property
    def connection_key(self) -> Any:
        return super().connection_key


class _Target:
    """One address: what the connector asks for it by, and the first lines of every request."""

    def __init__(self, url: str) -> None:
        self.request = _Asked("POST", URL(url))
        path, host = self.request.url.raw_path_qs, self.request.headers["Host"]
        self._first = f"POST {path} HTTP/1.1\r\nHost: {host}\r\n"
        self._known: dict[int, tuple[Mapping[str, str], bytes]] = {}

    def head(self, headers: Mapping[str, str], size: int) -> bytes:
        """The request's head. Raises ValueError for a header of more than one line."""
        known = self._known.get(id(headers))
        if known is None or known[0] is not headers:
            known = self._known_now(headers)
        return b"%bContent-Length: %d\r\n\r\n" % (known[1], size)

    def _known_now(self, headers: Mapping[str, str]) -> tuple[Mapping[str, str], bytes]:
        """The lines, kept with what they were made of: mostly it comes back, the same object."""
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
            raise ValueError("a header holds a line break")
        if len(self._known) >= _HEADS_MAX:
            self._known.clear()
        known = self._known[id(headers)] = (headers, f"{self._first}{lines}".encode("latin-1"))
        return known


async def _exchange(connection: Connection, head: bytes, body: bytes) -> Response:
    """Sends it, and waits for the head of what answers it. Raises BadHead, aiohttp's errors."""
    protocol = connection.protocol
    assert protocol is not None
    protocol.set_response_params(
        read_until_eof=True,
        auto_decompress=False,
        read_bufsize=READ_BYTES,
        max_line_size=LINE_BYTES,
        max_field_size=LINE_BYTES,
        max_headers=LINES_MAX,
    )
    transport = protocol.transport
    assert transport is not None
    if len(body) <= _JOINED:
        transport.write(head + body)
    else:
        transport.writelines((head, body))
    for _ in range(INTERIM_MAX + 1):
        try:
            message, payload = await protocol.read()
        except HttpProcessingError as error:
            raise BadHead("no HTTP, or more of it than is read") from error
        if 200 <= message.code < 600:
            if sum([len(name) + len(value) for name, value in message.raw_headers]) > HEAD_BYTES:
                raise BadHead("too much of it")
            return _Answer(connection, message, payload)
        if message.code == _SWITCHING or not 100 <= message.code < 200:
            raise BadHead("no status")
    raise BadHead("too many interim answers")


class _Answer:
    """Read to its end, its connection goes back to the others by itself."""

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(self, connection: Connection, message: Any, payload: aiohttp.StreamReader) -> None:
        self._connection: Connection | None = connection
        self.status: int = message.code
        self.headers: Mapping[str, str] = message.headers
        self.content = payload
        payload.on_eof(self._ended)

    @property
    def content_type(self) -> str:
        """Without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            _give_up(connection)

    def _ended(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        protocol, transport = connection.protocol, connection.transport
        if transport is not None and transport.get_write_buffer_size():
            _give_up(connection)  # it answered before it had heard all, and may never hear it
            return
        if protocol is not None:
            # What comes on it now has not been asked for: a few KB spoil it, more is not read.
            protocol._parser = None
        connection.release()


def _give_up(connection: Connection) -> None:
    """Closes it, and sends no more of a request that nobody waits for."""
    transport = connection.transport
    if transport is not None and transport.get_write_buffer_size():
        transport.abort()
    connection.close()
