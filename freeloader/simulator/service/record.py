"""What arrived, and what became of it: one record per request, for tests and rehearsals.

Keeps the Authorization header on purpose (tests ask which key was used), which is
why the control API that shows it is for this machine only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

_KEPT_BODY = 8192


@dataclass(slots=True)
class Record:
    """One request. ``body`` is kept up to 8 KB; beyond, only its digest and fields."""

    id: str
    at: float
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    key: str = field(repr=False, default="")
    provider: str | None = None
    model: str | None = None
    body: bytes = field(repr=False, default=b"")
    body_bytes: int = 0
    body_sha256: str = ""
    fields: tuple[str, ...] = ()
    status: int | None = None
    fault: str | None = None
    stream: bool = False
    chunks_sent: int = 0
    disconnected_early: bool = False
    ended_at: float | None = None

    def keep(self, body: bytes) -> None:
        """Remembers a body."""
        self.body_bytes = len(body)
        self.body_sha256 = hashlib.sha256(body).hexdigest() if body else ""
        self.body = body if len(body) <= _KEPT_BODY else b""

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "at": self.at,
            "endedAt": self.ended_at,
            "method": self.method,
            "path": self.path,
            "provider": self.provider,
            "model": self.model,
            "key": self.key,
            "headers": dict(self.headers),
            "bodyBytes": self.body_bytes,
            "bodySha256": self.body_sha256,
            "fields": list(self.fields),
            "body": _json(self.body),
            "status": self.status,
            "fault": self.fault,
            "stream": self.stream,
            "chunksSent": self.chunks_sent,
            "disconnectedEarly": self.disconnected_early,
        }


def _json(body: bytes) -> Any:
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
