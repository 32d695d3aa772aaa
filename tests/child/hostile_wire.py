"""A provider on loopback that answers every request with bytes as they are given, HTTP or not."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterable
from contextlib import suppress

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
JSON = HEAD.replace(b"text/event-stream", b"application/json")
DONE = b"data: [DONE]\n\n"
#: Of what does not end by itself no more is sent (bytes, seconds).
ENDLESS_BYTES = 48 * 1024 * 1024
ENDLESS_S = 8.0


def event(delta: dict[str, object], finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "x",
            "choices": [choice], **more}  # fmt: skip
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
BEGUN = event({"role": "assistant", "content": "hé "})
#: Comes to the text "hé 漢", an end and a usage.
GOOD = BEGUN + event({"content": "漢"}) + event({}, "stop", usage=USAGE)


def stream(body: bytes) -> bytes:
    return HEAD + b"\r\n" + body


def packed(body: bytes, head: bytes = HEAD) -> bytes:
    return head + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(body, 9)


def in_chunks(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body + end


def sized(size: int, body: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % size + body


class HostileWire:
    """``answer`` is sent in pieces of ``slice`` bytes (all at once where 0), then ``again`` over
    and over; the connection is closed at the end, or held for ``hold`` seconds."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = b""  # the body of the last request
        self.say(b"")
        self._server: asyncio.Server | None = None

    def say(self, answer: bytes, *, piece: int = 0, again: bytes = b"", hold: float = 0.0) -> None:
        self._answer, self._piece, self._again, self._hold = answer, piece, again, hold

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            head = await reader.readuntil(b"\r\n\r\n")
            size = next((int(line[15:]) for line in head.lower().split(b"\r\n")
                         if line.startswith(b"content-length:")), 0)  # fmt: skip
            self.asked = await reader.readexactly(size)
            for piece in self._pieces():
                writer.write(piece)
                await writer.drain()
            async with asyncio.timeout(ENDLESS_S):
                for _ in range(ENDLESS_BYTES // len(self._again) if self._again else 0):
                    writer.write(self._again)
                    await writer.drain()
                await asyncio.sleep(self._hold)
        writer.close()

    def _pieces(self) -> Iterable[bytes]:
        if not self._piece:
            return [self._answer]
        cuts = range(0, len(self._answer), self._piece)
        return (self._answer[at : at + self._piece] for at in cuts)
