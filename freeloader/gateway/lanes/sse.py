"""An incremental parser of server-sent events: bytes in, events out, memory bounded.

Takes any slicing of the bytes, all three line ends, comments and a byte-order
mark. It parses no JSON and knows no ``[DONE]``. Source: the WHATWG standard,
"Server-sent events", parsing an event stream.
"""

from __future__ import annotations

from freeloader.records import record

LINE_BYTES = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class TooLong(ValueError):
    """A line or an event is larger than the parser may hold."""


@record(frozen=True, slots=True)
class ServerEvent:
    """One event: its name (``""`` where none was given) and its data, lines joined by LF."""

    name: str
    data: bytes


class SseParser:
    """Feed it bytes as they come; at the end, ``close`` gives an unfinished last event.

    The time taken is linear in the bytes, however they are sliced.
    """

    def __init__(self, limit: int = LINE_BYTES) -> None:
        self._limit = limit
        self._head: bytes | None = b""  # until it is known whether it begins with a mark
        self._after_cr = False
        self._rest = bytearray()
        self._name = ""
        self._data: list[bytes] = []
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes of an event that has not come to its end."""
        return len(self._rest) + self._held

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that ``chunk`` completes. Raises TooLong."""
        if self._head is not None:
            chunk = self._begun(chunk)
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")  # the second half of a CRLF
            self._after_cr = False
        if not chunk:
            return []
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, last = chunk.split(b"\n")
        found: list[ServerEvent] = []
        for line in lines:
            if self._rest:
                self._keep(line)
                line = self._taken()
            event = self._line(line)
            if event is not None:
                found.append(event)
        self._keep(last)
        return found

    def close(self) -> list[ServerEvent]:
        """The last event, where the stream ended without its empty line."""
        if self._head:
            self._keep(self._head)
            self._head = None
        line = self._taken()
        event = self._line(line) if line else None
        return [found for found in (event, self._line(b"")) if found is not None]

    def _begun(self, chunk: bytes) -> bytes:
        """The first bytes without a byte-order mark; nothing while it may still become one."""
        head = (self._head or b"") + chunk
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)

    def _keep(self, piece: bytes) -> None:
        """The beginning of a line whose end has not come yet."""
        if len(self._rest) + len(piece) > self._limit:
            raise TooLong(f"a line of over {self._limit} bytes")
        self._rest += piece

    def _taken(self) -> bytes:
        """The line gathered so far, which is over."""
        line = bytes(self._rest)
        self._rest.clear()
        return line

    def _line(self, line: bytes) -> ServerEvent | None:
        if not line:
            return self._dispatch() if self._data or self._name else None
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._held += len(value) + 1  # empty ones count too: they are kept as well
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
