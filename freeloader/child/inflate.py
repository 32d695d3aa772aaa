"""A body's bytes without their content encoding, in bounded pieces.

Asked for nothing (``identity``), some providers compress all the same; some say so
and do not. Only gzip and deflate are undone. What a few bytes swell to is bounded by
whoever counts the pieces: none is larger than ``PIECE_BYTES``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

#: What is worked through at a time: between two of them the loop serves others.
PIECE_BYTES = 8 * 1024
#: zlib finds out by itself whether it is gzip or deflate.
_EITHER = 32 + zlib.MAX_WBITS
_PLAIN = frozenset({"", "identity", "none"})
_KNOWN = frozenset({"gzip", "x-gzip", "deflate"})


class Unreadable(ValueError):
    """The body is encoded in a way that nobody asked for, or its encoding is broken."""


class Inflate:
    """One body. ``feed`` gives plain bytes. Raises Unreadable."""

    def __init__(self, encoding: str = "") -> None:
        named = encoding.strip().lower()
        self._unknown = "" if named in _PLAIN or named in _KNOWN else named[:20]
        self._inflater = zlib.decompressobj(_EITHER) if named in _KNOWN else None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The plain bytes of ``chunk``, piece by piece: whoever stops asking stops the work."""
        if self._unknown:
            raise Unreadable(f"the body is encoded as {self._unknown!r}")
        return pieces(chunk) if self._inflater is None else _inflated(self._inflater, chunk)


def _inflated(inflater: zlib._Decompress, rest: bytes) -> Iterator[bytes]:
    while rest and not inflater.eof:  # what comes behind the end is nobody's business
        try:
            piece = inflater.decompress(rest, PIECE_BYTES)
        except zlib.error as error:
            raise Unreadable("the body's encoding is broken") from error
        rest = inflater.unconsumed_tail
        if piece:
            yield piece


def pieces(chunk: bytes) -> Iterator[bytes]:
    """``chunk`` in pieces; mostly it is one."""
    if len(chunk) <= PIECE_BYTES:
        return iter((chunk,))
    starts = range(0, len(chunk), PIECE_BYTES)
    return (chunk[start : start + PIECE_BYTES] for start in starts)
