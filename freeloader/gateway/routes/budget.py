"""What may be spent and what was; and the owner's word after a spike."""

from __future__ import annotations

from aiohttp import web

from freeloader.errors import InvalidRequest, Unavailable
from freeloader.gateway.guards.body import read_json
from freeloader.gateway.keys import ADMIN, INFO, own_project
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
    noun = Budget(services)
    return [
        Route("GET", "/v1/budget", noun.show, INFO, "Budgets: spent, held, remaining", "budget",
              answer="#Budget", query=_PROJECT),
        Route("POST", "/v1/budget/confirm", noun.confirm, ADMIN,
              "Let paid calls go on that a spike has stopped", "budget", answer="#Confirmed"),
    ]  # fmt: skip


class Budget:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: web.Request) -> web.Response:
        known_query(request, _PROJECT)
        project = own_project(request[CALLER], text_query(request, "project"))
        if not self._services.books.spent_known:
            raise Unavailable(
                "What was spent is not known: the ledger cannot be read. `xswarm doctor` says why.",
                code="ledger_unavailable",
                retry_after=2.0,
            )
        now = self._services.clock.now()
        return json_response(self._services.books.budget_view(project, now))

    async def confirm(self, request: web.Request) -> web.Response:
        """Idempotent: where nothing is stopped it says so."""
        services = self._services
        if request.can_read_body:
            body = await read_json(
                request, services.settings().body_bytes_max, services.body_limits
            )
            if body:
                raise InvalidRequest("Nothing is to be said here: send {}.", param=next(iter(body)))
        confirmed = await services.books.confirm_spike(services.clock.now())
        if confirmed:
            await services.desk.note(request[CALLER].key_id, "budget.confirm", "spike")
        return json_response({"confirmed": confirmed})
