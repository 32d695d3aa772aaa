"""Bounds on what a provider can make the child hold, unpack or work through.

One answer that never ends, swells or says nothing a hundred thousand times would stop
LiteLLM's event loop, and with it everybody's requests. So its bytes come through here:
unpacked by us, in small pieces with the loop's other work between them, and no more of
them than an answer has. What is within the bounds passes as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx

from freeloader.child.inflate import Inflate, Unreadable

#: The largest answer, unpacked; a model's longest are under 2 MB.
BODY_BYTES = 32 * 1024 * 1024
#: One line of a stream. Its readers join what comes of a line over and over.
LINE_BYTES = 4 * 1024 * 1024
#: Comments and empty events, without a word between them: LiteLLM takes a second for so many.
VAIN_BYTES = 256 * 1024
_ENDS = (b"\n", b"\r")


def bound(response: httpx.Response) -> None:
    """Puts the bounds on an answer that was not read yet."""
    inner = response.stream
    assert isinstance(inner, httpx.AsyncByteStream)
    headers = response.headers
    encoding = headers.pop("content-encoding", "")
    lines = headers.get("content-type", "").startswith("text/event-stream")
    response.stream = Bounded(inner, encoding, lines=lines)


class Bounded(httpx.AsyncByteStream):
    """``inner`` without its encoding. ``lines``: only whole lines are given on.

    Iterating raises httpx.ReadError where a bound is passed, DecodingError where it cannot be
    unpacked.
    """

    def __init__(self, inner: httpx.AsyncByteStream, encoding: str, *, lines: bool) -> None:
        self._inner = inner
        self._inflate = Inflate(encoding)
        self._lines = lines
        self._rest = bytearray()
        self._size = self._vain = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            for number, piece in enumerate(self._plain(chunk)):
                if number:
                    await asyncio.sleep(0)
                if whole := self._whole(piece) if self._lines else piece:
                    yield whole
        if self._rest:
            yield bytes(self._rest)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _plain(self, chunk: bytes) -> Iterator[bytes]:
        try:
            for piece in self._inflate.feed(chunk):
                self._size += len(piece)
                if self._size > BODY_BYTES:
                    raise httpx.ReadError(f"an answer of over {BODY_BYTES} bytes")
                yield piece
        except Unreadable as error:
            raise httpx.DecodingError(str(error)) from error

    def _whole(self, piece: bytes) -> bytes:
        """What is whole by now, up to the last end of a line."""
        cut = max(piece.rfind(end) for end in _ENDS) + 1
        if not cut:
            self._rest += piece
            if len(self._rest) > LINE_BYTES:
                raise httpx.ReadError(f"a line of over {LINE_BYTES} bytes")
            return b""
        whole = bytes(self._rest) + piece[:cut]
        self._rest[:] = piece[cut:]
        self._vain = 0 if b'"' in whole else self._vain + len(whole)
        if self._vain > VAIN_BYTES:
            raise httpx.ReadError(f"over {VAIN_BYTES} bytes that say nothing")
        return whole
