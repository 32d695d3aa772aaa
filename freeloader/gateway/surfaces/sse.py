"""One run → one event stream. Frames bytes and keeps the client alive; decides nothing.

Before the first delta a failure is an ordinary HTTP error. If nothing comes
within the keep-alive interval, the head goes out and comments follow, and from
then on a failure can only be an error event. A broken stream never ends in
``[DONE]``. Reading too slowly ends the stream too: nothing is buffered for long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.http_writer import StreamWriter

from freeloader.core.events import Delta, Fault, Usage
from freeloader.errors import FreeloaderError, UpstreamFailed
from freeloader.gateway.errors_http import dumps, error_object
from freeloader.gateway.limits import within
from freeloader.gateway.once.recorder import RECORDER
from freeloader.gateway.protocol import READER_SECONDS, Protocol
from freeloader.gateway.surfaces.answer import Run, answer_headers, fault_error, too_long
from freeloader.money import Meters
from freeloader.records import record

_NO_METERS = Meters()
COMMENT = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Seconds: between comments while nothing comes; for the few KB that a slow reader has yet
    to take before more is given."""

    keepalive_seconds: float = 15.0
    write_seconds: float = READER_SECONDS


@record(frozen=True, slots=True)
class StreamShape:
    """How chunks of one API shape look. ``chunk`` gives None for what has nothing to say."""

    chunk: Callable[[Mapping[str, Any], bool], dict[str, Any] | None]
    usage: Callable[[Mapping[str, Any], Usage | None, Run], dict[str, Any]]
    include_usage: bool = False


def frame(value: Mapping[str, Any]) -> bytes:
    """One event."""
    return b"data: " + dumps(value) + b"\n\n"


class Stream:
    """The writing side of one streamed answer."""

    def __init__(
        self, request: web.Request, run: Run, dropped: tuple[str, ...], limits: StreamLimits
    ) -> None:
        self._request = request
        self._run = run
        self._dropped = dropped
        self._limits = limits
        self._recorder = request.get(RECORDER)
        self.response: web.StreamResponse | None = None

    async def open(self) -> web.StreamResponse:
        """Send the head, once."""
        if self.response is None:
            self.response = web.StreamResponse(
                headers={
                    "Content-Type": "text/event-stream; charset=utf-8",
                    "Cache-Control": "no-cache",
                    "X-Accel-Buffering": "no",
                    **answer_headers(self._run, self._dropped),
                }
            )
            if self._recorder is not None:
                self._recorder.head(200, self.response.headers)
            await self.response.prepare(self._request)
            if isinstance(protocol := self._request.protocol, Protocol):
                protocol.short()
        return self.response

    async def write(self, data: bytes) -> None:
        """Raises ConnectionResetError where the client is gone or reads too slowly.

        A stream that is written down goes on without its client.
        """
        recorder = self._recorder
        if recorder is None:
            await self._send(data)
            return
        if data != COMMENT:
            recorder.write(data)
        if recorder.gone:
            return
        try:
            await self._send(data)
        except ConnectionResetError:
            recorder.gone = True

    async def _send(self, data: bytes) -> None:
        if self.response is None:
            await self.open()
        protocol, writer = self._request.protocol, self._request.writer
        assert isinstance(writer, StreamWriter)
        await writer.write(data, drain=False)  # aiohttp itself would wait only once in 64 KB
        if protocol is None or not protocol.writing_paused:
            return
        try:
            with within(self._limits.write_seconds):
                await writer.drain()
        except TimeoutError:
            transport = self._request.transport
            if transport is not None:
                transport.abort()
            raise ConnectionResetError("the client does not read its stream") from None

    async def wait(self, longest_seconds: float) -> None:
        """Until the first delta; comments go out meanwhile. Raises what the run failed with."""
        waited = 0.0
        while not await self._run.first(self._limits.keepalive_seconds):
            waited += self._limits.keepalive_seconds
            if waited >= longest_seconds:
                self._run.abandon()
                raise too_long(longest_seconds)
            await self.write(COMMENT)


async def answer_stream(
    request: web.Request,
    run: Run,
    shape: StreamShape,
    dropped: tuple[str, ...],
    limits: StreamLimits,
    longest_seconds: float,
) -> web.StreamResponse:
    """Relay the run as events. Raises FreeloaderError only while no head has gone out."""
    stream = Stream(request, run, dropped, limits)
    finished = False
    try:
        try:
            await stream.wait(longest_seconds)
            await _relay(stream, run, shape)
        except FreeloaderError as error:
            if stream.response is None:
                raise
            said = frame({"error": error_object(error, run.decision_id)})
            error.with_traceback(None)  # (its frames, and all they hold, may go)
            await stream.write(said)
        finished = True
    except ConnectionResetError:
        pass  # the client went away: the run is abandoned below, and settled by the pipeline
    finally:
        if not finished:
            run.abandon()
    response = await stream.open() if finished else stream.response
    return response or web.StreamResponse()


async def _relay(stream: Stream, run: Run, shape: StreamShape) -> None:
    usage: Usage | None = None
    last: Mapping[str, Any] = {}
    routed = False
    async for event in run.events():
        if isinstance(event, Delta):
            last = event.data
            if usage is None and isinstance(last.get("usage"), dict):
                usage = Usage(_NO_METERS, raw=last["usage"])
            chunk = shape.chunk(last, not routed)
            if chunk is None:
                continue
            if not routed:
                chunk["routing"] = run.routing()
                routed = True
            await stream.write(frame(chunk))
        elif isinstance(event, Usage):
            usage = event
        elif isinstance(event, Fault):
            raise fault_error(event)
    if not routed:
        raise UpstreamFailed("The provider's answer was empty; send the request again.")
    if shape.include_usage:
        await stream.write(frame(shape.usage(last, usage, run)))
    await stream.write(DONE)
