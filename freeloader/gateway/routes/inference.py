"""Chat, completions and the router's explanation: HTTP around surfaces and pipeline.

A body is read, parsed into a Profile, begun, and its run answered as JSON or as
a stream. Nothing here knows what a message is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from freeloader.core.events import Usage
from freeloader.core.model import Caller, Profile
from freeloader.errors import FreeloaderError, Unavailable
from freeloader.gateway.guards.body import read_json
from freeloader.gateway.keys import INFERENCE
from freeloader.gateway.routes.table import (
    CALLER,
    DECISION_ID,
    ERROR_HEADERS,
    REQUEST_ID,
    Route,
    json_response,
)
from freeloader.gateway.services import Services
from freeloader.gateway.surfaces import shapes
from freeloader.gateway.surfaces.answer import (
    Run,
    Shape,
    Whole,
    answer_headers,
    answer_json,
    dropped_header,
)
from freeloader.gateway.surfaces.chat import parse_chat
from freeloader.gateway.surfaces.completions import parse_completion
from freeloader.gateway.surfaces.sse import StreamShape, answer_stream

#: While the daemon starts or stops, clients are asked to come back after this many seconds.
RETRY_SECONDS = 2.0


def routes(services: Services) -> list[Route]:
    """The inference routes that are built."""
    noun = Inference(services)
    return [
        Route("POST", "/v1/chat/completions", noun.chat, INFERENCE,
              "A chat answer, JSON or SSE", "inference", "#ChatRequest", "#ChatAnswer",
              begins=True),
        Route("POST", "/v1/completions", noun.complete, INFERENCE,
              "A completion of one prompt, JSON or SSE", "inference",
              "#CompletionRequest", "#CompletionAnswer", begins=True),
        Route("POST", "/v1/router/debug", noun.debug, INFERENCE,
              "The decision a body would get; sends and spends nothing", "inference",
              "#AnyRequest", "#Object"),
    ]  # fmt: skip


class Inference:
    """The handlers; they differ in parsing and in the shape of answers."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        caller = request[CALLER]
        profile = parse_chat(body, request.headers, caller)
        stream = _CHAT_STREAMS[profile.include_usage]
        work = partial(self._answer, request, caller, profile, _chat_body, stream)
        return await self._services.once(request, caller, body, work)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        caller = request[CALLER]
        asked = parse_completion(body, request.headers, caller)

        def whole(done: Whole, run: Run) -> Mapping[str, Any]:
            usage = shapes.usage_object(done.usage, run.accounting())
            return shapes.completion_body(done.data, usage, run.routing(), run.budget(), asked.echo)

        def chunk(data: Mapping[str, Any], first: bool) -> dict[str, Any] | None:
            return shapes.completion_chunk(data, asked.echo if first else "")

        stream = StreamShape(chunk, _usage_of("text_completion"), asked.profile.include_usage)

        work = partial(self._answer, request, caller, asked.profile, whole, stream)
        return await self._services.once(request, caller, body, work)

    async def debug(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        if "prompt" in body and "messages" not in body:
            profile = parse_completion(body, request.headers, request[CALLER]).profile
        else:
            profile = parse_chat(body, request.headers, request[CALLER])
        caller = request[CALLER]
        profile = await self._services.pipeline.prepare(profile, caller, spend=False)
        explained = self._services.pipeline.explain(profile, request[CALLER])
        response = json_response(explained)
        response.headers.update(dropped_header(profile.dropped))
        return response

    async def _body(self, request: web.Request) -> dict[str, Any]:
        limits = self._services.body_limits
        return await read_json(request, self._services.settings().body_bytes_max, limits)

    async def _answer(
        self,
        request: web.Request,
        caller: Caller,
        profile: Profile,
        whole: Shape,
        stream: StreamShape,
    ) -> web.StreamResponse:
        self._refuse_unless_ready()
        services = self._services
        profile = await services.pipeline.prepare(profile, caller)
        run = services.pipeline.begin(profile, caller, request[REQUEST_ID])
        request[DECISION_ID] = run.decision_id
        longest = services.settings().request_seconds_max
        try:
            if profile.stream:
                return await answer_stream(
                    request, run, stream, profile.dropped, services.stream_limits, longest
                )
            return await answer_json(run, whole, profile.dropped, longest)
        except FreeloaderError:
            request[ERROR_HEADERS] = answer_headers(run, profile.dropped)
            raise

    def _refuse_unless_ready(self) -> None:
        state = self._services.state()
        child = self._services.child.status() if state == "starting" else {}
        if child.get("state") == "fatal":
            raise Unavailable(
                f"The LiteLLM child cannot run: {child.get('problem')}. `xswarm status` shows its "
                "last words; correct that, then: xswarm restart",
                code="overloaded",
                retry_after=30.0,
            )
        if state == "starting":
            raise Unavailable(
                "The daemon is still starting; try again in a moment.",
                code="starting",
                retry_after=RETRY_SECONDS,
            )
        if state == "stopping":
            raise Unavailable(
                "The daemon is stopping; try again when it is back.", retry_after=RETRY_SECONDS
            )


def _chat_body(done: Whole, run: Run) -> Mapping[str, Any]:
    usage = shapes.usage_object(done.usage, run.accounting())
    return shapes.chat_body(done.data, usage, run.routing())


def _chat_chunk(data: Mapping[str, Any], first: bool) -> dict[str, Any] | None:
    return shapes.chat_chunk(data)


def _usage_of(kind: str) -> Callable[[Mapping[str, Any], Usage | None, Run], dict[str, Any]]:
    """How the usage chunk of one API shape is made."""

    def chunk(last: Mapping[str, Any], usage: Usage | None, run: Run) -> dict[str, Any]:
        return shapes.usage_chunk(last, kind, shapes.usage_object(usage, run.accounting()))

    return chunk


#: By whether the client asked for usage.
_CHAT_STREAMS = tuple(
    StreamShape(_chat_chunk, _usage_of("chat.completion.chunk"), wanted) for wanted in (False, True)
)
