"""Server-sent events as bytes, well formed or spoilt in one of the known ways.

Pure: given the payloads of a stream, says which bytes go out in which writes.
Sends nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

DONE = b"data: [DONE]\n\n"
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>\n\n"


def event(payload: Any, name: str | None = None) -> bytes:
    """One event, as OpenAI (no name) or Anthropic (with its name) writes it."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + orjson.dumps(payload) + b"\n\n"


class Spoiler:
    """Turns well-formed events into what a careless server sends.

    ``bad_json``: the third event breaks off inside its JSON; ``split_utf8``: every
    write ends inside a character of several bytes where there is one; ``one_byte``:
    a write per byte; ``crlf``: lines end as on Windows; ``no_done`` / ``double_done``;
    ``huge_line``: one event of ``size`` bytes more; ``comments``: comment lines, event
    names, ids and blank lines between; ``no_space``: nothing after ``data:``;
    ``html``: a gateway's error page in the middle.
    """

    def __init__(self, mode: str, size: int = 262_144) -> None:
        self._mode = mode
        self._size = size
        self._seen = 0

    def spoil(self, data: bytes) -> Iterator[bytes]:
        """The writes for one well-formed event."""
        self._seen += 1
        third = self._seen == 3
        match self._mode:
            case "bad_json" if third:
                yield data[: max(8, len(data) * 2 // 3)] + b"\n\n"
            case "html" if third:
                yield _HTML + data
            case "crlf":
                yield data.replace(b"\n", b"\r\n")
            case "no_space":
                yield data.replace(b"data: ", b"data:", 1)
            case "comments":
                yield b": keep-alive\n\n\n\nid: 7\nretry: 1000\n" + data
            case "huge_line" if third and data.rstrip().endswith(b"}"):
                pad = b',"padding":"' + b"x" * self._size + b'"}\n\n'
                yield data.rstrip()[:-1] + pad
            case "one_byte":
                yield from (data[at : at + 1] for at in range(len(data)))
            case "split_utf8":
                yield from _inside_characters(data)
            case _:
                yield data

    def done(self, data: bytes) -> Iterator[bytes]:
        """The writes for the end of the stream."""
        if self._mode == "no_done":
            return
        yield from self.spoil(data)
        if self._mode == "double_done":
            yield data


def _inside_characters(data: bytes) -> Iterator[bytes]:
    start = 0
    for at, byte in enumerate(data):
        if byte & 0xC0 == 0x80 and at > start:
            yield data[start:at]
            start = at
    yield data[start:]
