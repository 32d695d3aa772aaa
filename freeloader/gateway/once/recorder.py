"""An answer on its way to its client, written down beside. Bounded; stores nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

#: A larger answer is given, but not kept.
ANSWER_BYTES_MAX = 4 * 1024 * 1024
#: Headers of the first answer that belong to it; the rest is made anew.
_KEPT = ("content-type", "retry-after", "x-should-retry")
_OURS = "x-freeloader-"


class Recorder:
    """``gone`` once the client left: what was begun goes on, because it will be asked for."""

    def __init__(self) -> None:
        self.gone = False
        self._status = 200
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._size = 0

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """The answer's head, as the client gets it."""
        self._status = status
        self._headers = {
            str(name): value
            for name, value in headers.items()
            if name.lower() in _KEPT or name.lower().startswith(_OURS)
        }

    def write(self, data: bytes) -> None:
        """A piece of the body. Of one that is too large nothing is held."""
        self._size += len(data)
        if self._size > ANSWER_BYTES_MAX:
            self._parts.clear()
        else:
            self._parts.append(data)

    def whole(self, response: web.StreamResponse) -> None:
        """A whole answer; a stream has been written down already."""
        if isinstance(response, web.Response) and not self._parts and not self._size:
            self.head(response.status, response.headers)
            body = response.body
            self.write(body if isinstance(body, bytes) else b"")

    def packed(self) -> bytes | None:
        """Everything in one piece; None where it is too large to be kept."""
        if self._size > ANSWER_BYTES_MAX:
            return None
        head = orjson.dumps({"status": self._status, "headers": self._headers})
        return len(head).to_bytes(4, "big") + head + b"".join(self._parts)


#: Where the writing side of a stream finds the recorder of its request.
RECORDER = web.RequestKey("recorder", Recorder)


def unpacked(data: bytes) -> web.Response:
    """The answer again, streams in one burst. Raises ValueError for what is none."""
    size = int.from_bytes(data[:4], "big")
    found: dict[str, Any] = orjson.loads(data[4 : 4 + size])
    headers = {str(name): str(value) for name, value in found["headers"].items()}
    headers["Idempotent-Replayed"] = "true"
    return web.Response(status=int(found["status"]), headers=headers, body=data[4 + size :])
