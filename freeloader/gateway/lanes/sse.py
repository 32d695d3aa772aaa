"""An incremental parser of server-sent events: bytes in, events out, memory bounded.

Takes any slicing of the bytes, all three line ends, comments and a byte-order
mark. It parses no JSON and knows no ``[DONE]``. Source: the WHATWG standard,
"Server-sent events", parsing an event stream.
"""

from __future__ import annotations

from dataclasses import dataclass

LINE_BYTES = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class TooLong(ValueError):
    """A line or an event is larger than the parser may hold."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its name (``""`` where none was given) and its data, lines joined by LF."""

    name: str
    data: bytes


class SseParser:
    """Feed it bytes as they come; at the end, ``close`` gives an unfinished last event."""

    def __init__(self, limit: int = LINE_BYTES) -> None:
        self._limit = limit
        self._rest = b""
        self._after_cr = False
        self._fresh = True
        self._name = ""
        self._data: list[bytes] = []
        self._held = 0

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that ``chunk`` completes. Raises TooLong."""
        if not chunk:
            return []
        if self._after_cr and chunk.startswith(b"\n"):  # the second half of a CRLF
            chunk = chunk[1:]
        self._after_cr = False
        text = self._rest + chunk if self._rest else chunk
        if self._fresh:
            if len(text) < len(_BOM) and _BOM.startswith(text):
                self._rest = text
                return []
            text, self._fresh = text.removeprefix(_BOM), False
        if b"\r" in chunk:
            self._after_cr = text.endswith(b"\r")
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = text.split(b"\n")
        if len(self._rest) > self._limit:
            raise TooLong(f"a line of over {self._limit} bytes")
        return [event for line in lines if (event := self._line(line)) is not None]

    def close(self) -> list[ServerEvent]:
        """The last event, where the stream ended without its empty line."""
        line, self._rest = self._rest, b""
        event = self._line(line) if line else None
        return [found for found in (event, self._line(b"")) if found is not None]

    def _line(self, line: bytes) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._held += len(value)
            if self._held > self._limit:
                raise TooLong(f"an event of over {self._limit} bytes")
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        return None

    def _dispatch(self) -> ServerEvent | None:
        data, name = self._data, self._name
        self._data, self._name, self._held = [], "", 0
        return ServerEvent(name, b"\n".join(data)) if data else None
