"""The lane through the LiteLLM child: one POST over its socket, its answer as events.

It chooses nothing, retries nothing and counts no money. Credentials ride in
the body of the one request; what the provider really answered comes back
beside LiteLLM's version of it (see ``upstream``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Protocol

import aiohttp
import orjson

from freeloader.child.bodies import parsed
from freeloader.child.config import wire_name
from freeloader.child.crew import Lease
from freeloader.child.inflate import pieces
from freeloader.core.events import Answer, Delta, End, Event, Fault, Headers
from freeloader.core.model import Attempt
from freeloader.errors import Unavailable
from freeloader.gateway.lanes.leaving_out import MINOR, Gaps, refused_fields, without
from freeloader.gateway.lanes.reading import Reading
from freeloader.gateway.lanes.sse import ServerEvent, SseParser, TooLong
from freeloader.gateway.lanes.upstream import (
    BODY_HEADER,
    TRAILER_EVENT,
    broken_stream,
    meta_of,
    provider_headers,
    refusal,
    trailer_of,
)
from freeloader.gateway.lanes.waits import Waits

#: The largest JSON answer that is read; a model's longest answers are under 2 MB.
_BODY_BYTES = 64 * 1024 * 1024
#: How long a request whose child died before it was sent waits for the next one, in seconds.
NEXT_CHILD_S = 45.0
_CONNECT_HEADER = "x-freeloader-connect"
#: Non-secret account parameters that LiteLLM takes with a request.
_ACCOUNT_PARAMS = frozenset(
    {"api_version", "aws_region_name", "organization", "vertex_location", "vertex_project"}
)


class KeeperPort(Protocol):
    """What the lane asks of ``child.keeper.Keeper``."""

    def lease(self) -> Lease: ...

    def serves(self, entry: str) -> bool: ...

    async def wait_ready(self, timeout: float) -> None: ...


class LiteLLMLane:
    """See ``gateway.lanes.base.Lane``."""

    def __init__(self, keeper: KeeperPort) -> None:
        self._keeper = keeper
        self._gaps = Gaps()
        self._running: set[_Call] = set()

    def woke(self) -> None:
        """The machine slept: what is under way must say something soon."""
        for call in self._running:
            call.waits.woke()

    async def send(self, attempt: Attempt) -> AsyncGenerator[Event, None]:
        """The attempt's events. Raises nothing but cancellation; closing it gives the call up."""
        try:
            lease = await self._leased()
        except Unavailable as error:
            yield Fault(_our_fault(error.message, "ChildUnavailable", "connect"))
            return
        entry = attempt.deployment.entry
        if not self._keeper.serves(entry):
            message = f"the child does not know {entry} yet"
            yield Fault(_our_fault(message, "UnknownEntry", "connect"))
            return
        call = _Call(attempt, self._gaps)
        self._running.add(call)
        with lease:
            try:
                response = await call.post(lease)
                while call.sheds(response):
                    response.close()
                    response = await call.post(lease)
                try:
                    async for event in call.events(response):
                        yield event
                finally:
                    response.close()  # unread: the child hears of it and cancels the provider
            except TimeoutError:
                yield Fault(call.timed_out())
            except (aiohttp.ClientError, OSError) as error:
                yield Fault(call.lost(error))
            finally:
                self._running.discard(call)

    async def _leased(self) -> Lease:
        """A lease; where the child died a moment ago, one on the next. Raises Unavailable."""
        try:
            return self._keeper.lease()
        except Unavailable:
            # It was there when the request was decided, and nothing is sent yet.
            await self._keeper.wait_ready(NEXT_CHILD_S)
            return self._keeper.lease()


class _Call:
    """One request to the child, from its body to its last event."""

    def __init__(self, attempt: Attempt, gaps: Gaps) -> None:
        self._attempt = attempt
        self._gaps = gaps
        self._left_out = gaps.of(attempt.deployment.entry, attempt.profile.payload)
        self._limits = attempt.timeouts
        self._stream = attempt.profile.stream
        self._headers: dict[str, str] = {}
        self._began = False
        self._lease: Lease | None = None
        self.waits = Waits(attempt.timeouts)

    async def post(self, lease: Lease) -> aiohttp.ClientResponse:
        """Send it; the response once its head is there. Raises TimeoutError, aiohttp's errors."""
        payload = self._attempt.profile.payload
        path = "/v1/completions" if "messages" not in payload else "/v1/chat/completions"
        body = orjson.dumps(request_body(self._attempt, self._left_out))
        headers = {
            "Content-Type": "application/json",
            _CONNECT_HEADER: f"{self._limits.connect:g}",
        }
        with self.waits.head():
            response = await lease.session.post(path, data=body, headers=headers)
        self._lease = lease
        lease.heard()
        self.waits.heard()
        return response

    def sheds(self, response: aiohttp.ClientResponse) -> bool:
        """True if the child refused only for fields that can be left out: then they are."""
        if response.status < 400:
            return False
        payload = self._attempt.profile.payload
        names = refused_fields(meta_of(response.headers), payload) - self._left_out
        self._left_out |= names
        self._gaps.learn(self._attempt.deployment.entry, names)
        return bool(names)

    async def events(self, response: aiohttp.ClientResponse) -> AsyncGenerator[Event, None]:
        if response.status >= 400:
            body = await self._whole(response)
            yield Fault(refusal(response.status, response.headers, body))
            return
        meta = meta_of(response.headers)
        self._headers = provider_headers(meta, response.headers)
        self._began = True
        told = meta.get("status")
        yield Headers(
            told if isinstance(told, int) else response.status,
            self._headers,
            tuple(sorted(self._left_out & MINOR)),
        )
        if self._stream and response.content_type == "text/event-stream":
            async for event in self._streamed(response):
                yield event
        else:
            meta["body"] = response.headers.get(BODY_HEADER, "")
            for event in self._answered(await self._whole(response), meta):
                yield event

    def _answered(self, body: bytes, meta: dict[str, Any]) -> list[Event]:
        """The events of a JSON answer."""
        reading = Reading(stream=False)
        data = parsed(body)
        if data is None or not reading.take(data):
            return [Fault(self._unusable(meta, "EmptyAnswer"))]
        usage = reading.usage(meta)
        if not reading.content and (meta.get("said") or not meta.get("finish")):
            return [usage, Fault(self._unusable(meta, "EmptyAnswer"))]
        return [Delta(data, reading.content), usage, End(reading.finish_reason)]

    async def _streamed(self, response: aiohttp.ClientResponse) -> AsyncGenerator[Event, None]:
        """The events of a stream, up to its trailer."""
        reading, parser = Reading(stream=True), SseParser()
        trailer: dict[str, Any] = {}
        failure: dict[str, Any] = {}
        try:
            async for piece in self._pieces(response):
                for event in parser.feed(piece):
                    if event.name == TRAILER_EVENT:
                        trailer = trailer_of(event.data)
                        continue
                    data = _data(event)
                    if data is None:
                        continue
                    self.waits.begun = True
                    if "error" in data:
                        failure = data
                    elif reading.take(data) and not reading.bare:
                        yield Delta(data, reading.says)
        except TooLong as error:
            failure = {"error": {"message": str(error)}}
        for last in self._ended(reading, trailer, failure):
            yield last

    def _ended(
        self, reading: Reading, trailer: dict[str, Any], failure: dict[str, Any]
    ) -> list[Event]:
        """What a finished stream comes to: usage where there is any, then the verdict."""
        if not trailer and not failure:
            return [Fault(_our_fault("the child's answer broke off", "ChildGone", "stream"))]
        usage: list[Event] = [reading.usage(trailer)] if reading.any or trailer.get("usage") else []
        whole = trailer.get("finish") or (trailer.get("done") and reading.content)
        lost = trailer.get("said") and not reading.content  # on its way through LiteLLM
        if failure or trailer.get("class") or lost or not whole:
            why = "CutStream" if reading.content else "EmptyAnswer"
            return [*usage, Fault(broken_stream(trailer, failure, self._headers, why))]
        return [*usage, End(reading.finish_reason)]

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        """Pieces of the body as they come, each within the idle limit. Raises TimeoutError."""
        while True:
            with self.waits.piece():
                chunk = await response.content.readany()
            if not chunk:
                return
            self.waits.heard()
            if self._lease is not None:
                self._lease.heard()
            yield chunk

    async def _pieces(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        """The same in smaller ones: of what comes in a flood, the rest waits for others' turns."""
        async for chunk in self._chunks(response):
            for number, piece in enumerate(pieces(chunk)):
                if number:
                    await asyncio.sleep(0)
                yield piece

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        """The whole body, bounded in size and by the idle limit. Raises TimeoutError."""
        parts: list[bytes] = []
        size = 0
        self.waits.begun = True
        async for chunk in self._chunks(response):
            size += len(chunk)
            if size > _BODY_BYTES:
                return b""
            parts.append(chunk)
        return b"".join(parts)

    def _unusable(self, meta: dict[str, Any], why: str) -> Answer:
        return broken_stream(meta, {}, self._headers, why)

    def timed_out(self) -> Answer:
        phase = "stream" if self._began else "head"
        if self.waits.slept:
            return _our_fault("the machine slept, and the call did not outlive it", "Slept", phase)
        body = "no answer within the attempt's limits"
        return Answer(None, self._headers, body, error_class="Timeout", phase=phase, timeout=True)

    def lost(self, error: BaseException) -> Answer:
        """The child's connection broke: the provider is not to blame."""
        unsent = isinstance(error, aiohttp.ClientConnectorError)
        phase = "stream" if self._began else "connect" if unsent else "head"
        return _our_fault(f"the child is gone ({type(error).__name__})", "ChildGone", phase)


def request_body(attempt: Attempt, left_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The body for the child: the whitelisted payload, the entry's name, the credentials."""
    deployment = attempt.deployment
    body = without(attempt.profile.payload, left_out | {"stream_options"})
    body["model"] = wire_name(deployment.entry)
    body["stream"] = attempt.profile.stream
    if attempt.profile.stream:
        body["stream_options"] = {"include_usage": True}
    body["api_key"] = "none"  # LiteLLM wants one, also where the provider does not
    params = deployment.account.params
    body |= {name: params[name] for name in params if name in _ACCOUNT_PARAMS}
    body |= {name: value for name, value in attempt.credentials.items() if value}
    return body


def _data(event: ServerEvent) -> dict[str, Any] | None:
    """A chunk's JSON; None for ``[DONE]`` and for what is no JSON object."""
    if event.data == b"[DONE]":
        return None
    return parsed(event.data)


def _our_fault(message: str, error_class: str, phase: str) -> Answer:
    return Answer(None, body=message, error_class=error_class, phase=phase, lane_fault=True)
