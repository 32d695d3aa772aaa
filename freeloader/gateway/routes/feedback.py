"""How good an answer was, said by those who got it; what came of it, and how to forget it."""

from __future__ import annotations

from aiohttp import web

from freeloader.gateway.guards.body import read_json
from freeloader.gateway.keys import ADMIN, INFERENCE, INFO
from freeloader.gateway.routes.table import (
    CALLER,
    Query,
    Route,
    json_response,
    known_query,
    text_query,
)
from freeloader.gateway.services import Services

_RESET = (
    Query("model", {"type": "string"}, "Only of this model (provider/model)"),
    Query("task", {"type": "string"}, "Only of this task type"),
)


def routes(services: Services) -> list[Route]:
    noun = Feedback(services)
    return [
        Route("POST", "/v1/feedback", noun.give, INFERENCE, "Score an answer from 0 to 1",
              "feedback", body="#Feedback", answer="#FeedbackTaken"),
        Route("GET", "/v1/feedback", noun.all, INFO, "Scores by model and task", "feedback",
              answer="#Object"),
        Route("DELETE", "/v1/feedback", noun.reset, ADMIN, "Forget scores", "feedback",
              answer="#Object", query=_RESET),
    ]  # fmt: skip


class Feedback:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def give(self, request: web.Request) -> web.Response:
        services = self._services
        limit = services.settings().body_bytes_max
        body = await read_json(request, limit, services.body_limits)
        return json_response(await services.feedback.give(body, request[CALLER]))

    async def all(self, request: web.Request) -> web.Response:
        return json_response({"feedback": self._services.feedback.listing()})

    async def reset(self, request: web.Request) -> web.Response:
        known_query(request, _RESET)
        model, task = text_query(request, "model"), text_query(request, "task")
        actor = request[CALLER].key_id
        return json_response(await self._services.feedback.reset(model, task, actor))
