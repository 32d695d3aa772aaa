"""Sends one answer: at the model's pace, whole or in a stream, spoilt where a fault says so.

Counts what was generated as it goes (``Progress``), so that an answer that breaks
off can be billed for its part. Decides nothing about quota or money.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from aiohttp import web

from freeloader.simulator.config import Latency
from freeloader.simulator.faults import Fault
from freeloader.simulator.service.record import Record
from freeloader.simulator.wire.base import Context, Wire
from freeloader.simulator.wire.content import Reply
from freeloader.simulator.wire.sse import Spoiler

HOUR = 3600.0
_BREAKS = frozenset({"cut", "cut_reset", "stall", "sse_error"})


@dataclass(slots=True)
class Progress:
    """Output tokens: ``produced`` so far, of ``total``; ``done`` once all were generated."""

    produced: int = 0
    total: int = 0
    done: bool = False


def drop(request: web.BaseRequest, *, reset: bool) -> web.Response:
    """Ends the connection with no (more) answer: politely (FIN), or with a RST."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        if reset and raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
    return web.Response()


class Delivery:
    """One answer on its way. ``pace`` multiplies every delay; 0 means none."""

    def __init__(
        self,
        request: web.BaseRequest,
        record: Record,
        progress: Progress,
        fault: Fault | None,
        latency: Latency,
        pace: float,
    ) -> None:
        self._request = request
        self._record = record
        self._progress = progress
        self._fault = fault
        self._kind = fault.kind if fault is not None else ""
        self._latency = latency
        self._pace = pace

    async def think(self, tokens: int, jitter: float) -> None:
        """Waits for the first token and for ``tokens`` more, counted if it is cut short."""
        latency = self._latency
        first = latency.first_ms / 1000 * jitter * self._pace
        each = self._per_token()
        if not first and not each:
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await asyncio.sleep(first + tokens * each)
        except asyncio.CancelledError:
            spent = loop.time() - began - first
            self._progress.produced = min(tokens, max(0, int(spent / each))) if each else 0
            raise

    async def whole(
        self, wire: Wire, context: Context, replies: Sequence[Reply], headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """The answer as one JSON body; ``garbage`` and ``cut`` end it half way."""
        self._record.status = 200
        data = orjson.dumps(wire.whole(context, replies))
        self._progress.produced, self._progress.done = self._progress.total, True
        if self._kind == "garbage":
            data = data[: len(data) // 2]
        if self._kind not in ("cut", "cut_reset", "stall"):
            return web.Response(body=data, headers=headers, content_type="application/json")
        response = web.StreamResponse(headers=headers)
        response.content_type = "application/json"
        response.content_length = len(data)
        await response.prepare(self._request)
        await response.write(data[: len(data) // 2])
        return await self._break(wire, context, response)

    async def stream(
        self, wire: Wire, context: Context, replies: Sequence[Reply], headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """The answer event by event, at the model's speed."""
        spoiler = Spoiler(self._fault.mode if self._fault and self._kind == "garbage" else "",
                          self._padding())  # fmt: skip
        response = web.StreamResponse(headers={**headers, "cache-control": "no-cache"})
        response.content_type = wire.stream_type
        self._record.status = 200
        await response.prepare(self._request)
        each, loop = self._per_token(), asyncio.get_running_loop()
        due, after = loop.time(), self._after()
        for frame in wire.frames(context, replies):
            if self._kind in _BREAKS and self._record.chunks_sent >= after:
                return await self._break(wire, context, response)
            if each and frame.tokens:
                due += frame.tokens * each
                await asyncio.sleep(max(0.0, due - loop.time()))
            if frame.content:
                await self._drip()
            self._progress.produced += frame.tokens
            writes = spoiler.done(frame.data) if frame.done else spoiler.spoil(frame.data)
            for data in writes:
                await response.write(data)
            self._record.chunks_sent += 1 if frame.content else 0
        self._progress.done = True
        await response.write_eof()
        return response

    async def _break(
        self, wire: Wire, context: Context, response: web.StreamResponse
    ) -> web.StreamResponse:
        """Ends a begun answer as the fault says."""
        fault = self._fault
        if self._kind == "stall" and fault is not None:
            await asyncio.sleep(HOUR if fault.seconds is None else fault.seconds)
        if self._kind == "sse_error" and fault is not None:
            status = int(fault.extra.get("status") or 502)
            await response.write(wire.error_frame(context, status))
            await response.write_eof()
            return response
        drop(self._request, reset=self._kind == "cut_reset")
        return response

    async def _drip(self) -> None:
        if self._kind == "slow" and self._fault is not None and self._fault.mode == "drip":
            await asyncio.sleep(1.0 if self._fault.seconds is None else self._fault.seconds)

    def _per_token(self) -> float:
        rate = self._latency.tokens_per_second
        return self._pace / rate if rate else 0.0

    def _after(self) -> int:
        """Content chunks before a break: two, or none before an error event."""
        if self._fault is None or self._fault.after_chunks is None:
            return 0 if self._kind == "sse_error" else 2
        return self._fault.after_chunks

    def _padding(self) -> int:
        wanted = self._fault.extra.get("bytes") if self._fault is not None else None
        return max(1, min(8 * 1024 * 1024, int(wanted or 262_144)))
