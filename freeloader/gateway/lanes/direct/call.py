"""One call of the direct lane: from the request's body to the answer's last event.

Everything that comes back is bounded, in time by ``Waits`` and in size here; whatever
it is, it ends in exactly one ``End`` or ``Fault``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import lru_cache

import aiohttp

from freeloader.child.heads import bounded_headers
from freeloader.child.inflate import Inflate, Unreadable
from freeloader.clock import Clock
from freeloader.core.events import Answer, Event, Fault, Headers
from freeloader.core.model import Attempt
from freeloader.gateway.lanes.direct import answers
from freeloader.gateway.lanes.direct.address import HeadersOf
from freeloader.gateway.lanes.direct.body import STREAM_OPTIONS, body_of, fields_refused, told
from freeloader.gateway.lanes.direct.pool import Way
from freeloader.gateway.lanes.direct.telling import Telling
from freeloader.gateway.lanes.direct.wire import BadHead, Response, Unsent
from freeloader.gateway.lanes.leaving_out import Gaps
from freeloader.gateway.lanes.sse import TooLong
from freeloader.gateway.lanes.waits import Waits

#: The largest answer that is read, decoded; a model's longest are under 2 MB.
_BODY_BYTES = 32 * 1024 * 1024
#: Of a refusal no more is read than anybody looks at.
_REFUSAL_BYTES = 64 * 1024
#: A refusal's body is not waited for longer (seconds): its status says most.
_REFUSAL_S = 5.0
#: A stream's last bytes come with its end; they are not waited for longer (seconds).
_LAST_S = 0.05
#: Comments and empty events that are read without a word between them.
_VAIN_BYTES = 256 * 1024
#: Pieces of a whole answer that are unpacked at a time, before others have a turn.
_PIECES = 32
#: Fields that are left out one after another, at most.
_SHEDS_MAX = 4
#: What sending and reading may raise; every one of them becomes an event.
_FAILURES = (aiohttp.ClientError, OSError, ValueError)
#: Those that come before the request is on its way: provably nothing was consumed.
_UNSENT = (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, Unsent)

#: Of a body that is not encoded; it keeps nothing of it.
_PLAIN = Inflate()


@lru_cache(maxsize=64)
def connecting(seconds: float) -> aiohttp.ClientTimeout:
    """A limit for the connection alone: the others are ``Waits``'."""
    return aiohttp.ClientTimeout(total=None, connect=seconds)


class Call:
    """One request to a provider, from its body to its last event: ``open``, ``more`` …, ``close``.

    Events come in lists, as many at a time as there are: no generator stands between them
    and whoever reads.
    """

    def __init__(
        self, attempt: Attempt, base: str, gaps: Gaps, clock: Clock, headers: HeadersOf
    ) -> None:
        self._attempt, self._headers_of = attempt, headers
        self._payload = attempt.profile.payload
        self._stream = attempt.profile.stream
        path = "/completions" if "messages" not in self._payload else "/chat/completions"
        self._url = base + path
        self._gaps = gaps
        self._entry = attempt.deployment.entry
        self._left_out = gaps.of(self._entry, self._payload, STREAM_OPTIONS)
        self._headers: dict[str, str] = {}
        self._response: Response | None = None
        self._began = self._over = False
        self._inflate = _PLAIN
        self._unread: Iterator[bytes] = iter(())
        self._size = self._vain = 0
        self._telling = Telling(
            self._stream, f"chatcmpl-{attempt.id}", lambda: int(clock.now().wall)
        )
        self.waits = Waits(attempt.timeouts)

    async def open(self, way: Way) -> list[Event]:
        """Sends it; the first event. After anything but Headers there is no more."""
        try:
            response = await self._post(way)
            sheds = 0
            while response.status >= 300:
                body = await self._refused(response)
                response.close()
                sheds += 1
                if sheds > _SHEDS_MAX or not self._sheds(response.status, body):
                    return [Fault(answers.refusal(response.status, self._headers, body))]
                response = await self._post(way)
        except _FAILURES as error:
            return self._failed(error)
        self._began = True
        return [Headers(response.status, self._headers, told(self._left_out))]

    async def more(self) -> list[Event]:
        """What came next; nothing once it is over."""
        response = self._response
        if self._over or response is None or not self._began:
            return []
        found: list[Event] = []
        try:
            if not self._stream or response.content_type == "application/json":
                self._over = True
                return self._telling.whole(await self._whole(response))
            while not found and not self._over:
                await self._next(response, found)
        except (Unreadable, TooLong) as error:
            self._over = True
            found += self._telling.broken(type(error).__name__, str(error).encode())
        except _FAILURES as error:
            self._over = True
            found += self._failed(error)
        return found

    def close(self) -> None:
        """Gives the call up, where it is not over: the provider hears of it."""
        if self._response is not None:
            self._response.close()

    async def _post(self, way: Way) -> Response:
        """Send it; the response once its head is there. Raises TimeoutError, aiohttp's errors."""
        attempt = self._attempt
        with self.waits.head():
            response = await way.post(
                self._url,
                self._headers_of(attempt.deployment, attempt.credentials),
                body_of(attempt, self._left_out),
                connecting(attempt.timeouts.connect),
            )
        self._response = response
        self.waits.heard()
        self._headers = self._telling.headers = bounded_headers(response.headers)
        encoding = response.headers.get("Content-Encoding")
        self._inflate = _PLAIN if encoding is None else Inflate(encoding)
        self._size = 0
        return response

    async def _refused(self, response: Response) -> bytes:
        """The beginning of a refusal's body; what cannot be read of it is not there."""
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(_REFUSAL_S):
                while self._size < _REFUSAL_BYTES and (chunk := await self._chunk(response)):
                    parts.append(next(self._plain(chunk), b""))
        except (TimeoutError, aiohttp.ClientError, OSError, Unreadable, TooLong):
            pass  # the status says enough, and nothing was consumed
        return b"".join(parts)

    def _sheds(self, status: int, body: bytes) -> bool:
        """True if it was refused only for fields that can be left out: then they are."""
        names = fields_refused(status, answers.text_of(body), self._payload, self._stream)
        names -= self._left_out
        self._left_out |= names
        self._gaps.learn(self._entry, names)
        return bool(names)

    async def _next(self, response: Response, found: list[Event]) -> None:
        """Reads on in a stream; its events go to ``found``, also where it then breaks.

        A piece at a time: of what comes in a flood, the rest waits until others had a turn.
        """
        telling = self._telling
        piece = next(self._unread, None)
        if piece is not None:
            await asyncio.sleep(0)
        elif chunk := await self._chunk(response):
            self._unread = self._plain(chunk)
            piece = next(self._unread, b"")
        if piece:
            found += telling.feed(piece)
            self.waits.begun = telling.begun
            self._vain = 0 if found else self._vain + len(piece)
            if self._vain - telling.held > _VAIN_BYTES:
                raise TooLong(f"a stream of over {_VAIN_BYTES} bytes that say nothing")
        if telling.over or piece is None:
            self._over = True
            if telling.over:
                await self._last(response)
            found += telling.end()

    async def _chunk(self, response: Response) -> bytes:
        """What has come, within its limit; nothing at the end. Raises TimeoutError."""
        content = response.content
        if content.at_eof():
            return b""
        chunk = content.read_nowait()
        if not chunk:
            with self.waits.piece():
                chunk = await content.readany()
        self.waits.heard()
        return chunk

    def _plain(self, chunk: bytes) -> Iterator[bytes]:
        """Its decoded pieces. Raises Unreadable, TooLong."""
        for piece in self._inflate.feed(chunk):
            self._size += len(piece)
            if self._size > _BODY_BYTES:
                raise TooLong(f"an answer of over {_BODY_BYTES} bytes")
            yield piece

    async def _whole(self, response: Response) -> bytes:
        parts: list[bytes] = []
        self.waits.begun = True
        while chunk := await self._chunk(response):
            for piece in self._plain(chunk):
                parts.append(piece)
                if len(parts) % _PIECES == 0:
                    await asyncio.sleep(0)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _last(self, response: Response) -> None:
        """Reads the end of a stream that said it is done, so that its connection can be kept."""
        if response.content.at_eof():
            return
        try:
            async with asyncio.timeout(_LAST_S):
                while not response.content.at_eof():
                    if not await response.content.readany():
                        return
        except (TimeoutError, aiohttp.ClientError, OSError):
            pass  # then it is closed

    def _failed(self, error: Exception) -> list[Event]:
        """What one of ``_FAILURES`` comes to."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return [Fault(self._timed_out("connect"))]
        return self._late() if isinstance(error, TimeoutError) else self._lost(error)

    def _late(self) -> list[Event]:
        """A limit was reached."""
        if self.waits.slept:
            phase = "stream" if self._began else "head"
            message = "the machine slept, and the connection did not outlive it"
            return [Fault(answers.our_fault(message, "Slept", phase))]
        return [Fault(self._timed_out("stream" if self._began else "head"))]

    def _timed_out(self, phase: str) -> Answer:
        body = "no connection in time" if phase == "connect" else "no answer in time"
        return Answer(None, self._headers, body, error_class="Timeout", phase=phase, timeout=True)

    def _lost(self, error: Exception) -> list[Event]:
        """No connection, or it broke. The kind alone is told: no address, no key."""
        kind = type(error).__name__
        if isinstance(error, ValueError) and not isinstance(error, aiohttp.ClientError):
            return [Fault(answers.our_fault(f"the request cannot be sent: {kind}", kind))]
        if self._began:
            return self._telling.broken("CutStream")
        unsent = isinstance(error, _UNSENT)
        phase = "connect" if unsent else "head"
        if isinstance(error, BadHead):
            message = f"the answer's head cannot be read: {error}"
        else:
            message = f"no connection ({kind})" if unsent else f"the connection broke ({kind})"
        return [Fault(Answer(None, body=message, error_class=kind, phase=phase))]
