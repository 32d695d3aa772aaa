"""What is spent and what is left: budgets and free windows, as the books see them."""

from __future__ import annotations

from aiohttp import web

from freeloader.gateway.keys import INFO, own_project
from freeloader.gateway.routes.table import (
    CALLER,
    Query,
    Route,
    json_response,
    known_query,
    text_query,
)
from freeloader.gateway.services import Services

_PROJECT = (Query("project", {"type": "string"}, "Only this project's budget"),)


def routes(services: Services) -> list[Route]:
    noun = Quota(services)
    return [
        Route("GET", "/v1/budget", noun.budget, INFO, "Budgets: spent, held, remaining", "quota",
              answer="#Budget", query=_PROJECT),
        Route("GET", "/v1/free-tiers", noun.windows, INFO, "Every free window", "quota",
              answer="#Windows"),
    ]  # fmt: skip


class Quota:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def budget(self, request: web.Request) -> web.Response:
        known_query(request, _PROJECT)
        project = own_project(request[CALLER], text_query(request, "project"))
        now = self._services.clock.now()
        return json_response(self._services.books.budget_view(project, now))

    async def windows(self, request: web.Request) -> web.Response:
        known_query(request, ())
        rows = self._services.books.windows_view(self._services.clock.now())
        return json_response({"windows": rows})
