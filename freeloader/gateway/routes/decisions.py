"""What was decided and why, from the journal; a key with a project sees its own only."""

from __future__ import annotations

from aiohttp import web

from freeloader.errors import NotFound
from freeloader.gateway.keys import INFO, own_project
from freeloader.gateway.routes.table import (
    CALLER,
    Query,
    Route,
    json_response,
    known_query,
    number_query,
    text_query,
)
from freeloader.gateway.services import Services
from freeloader.manage.reports.periods import moment

_LIST = (
    Query("limit", {"type": "integer", "minimum": 1, "maximum": 500}, "How many; default 50"),
    Query("project", {"type": "string"}, "Only this project's"),
    Query("before", {"type": "string"}, "Only older than this decision id (`before` of a page)"),
    Query("from", {"type": "string"}, "Only from this date or time on"),
    Query("to", {"type": "string"}, "Only before this time, or to the end of this date"),
    Query("outcome", {"type": "string"}, "Only these: answered, abandoned, or an error's code"),
    Query("provider", {"type": "string"}, "Only answered by this provider"),
    Query("model", {"type": "string"}, "Only answered by this model"),
    Query("key", {"type": "string"}, "Only asked with this key's id"),
    Query("task", {"type": "string"}, "Only of this task type"),
    Query("strategy", {"type": "string"}, "Only decided by this strategy"),
)
_ONLY = ("outcome", "provider", "model", "task", "strategy")


def routes(services: Services) -> list[Route]:
    noun = Decisions(services)
    return [
        Route("GET", "/v1/decisions", noun.all, INFO, "Decisions, newest first", "decisions",
              answer="#Decisions", query=_LIST),
        Route("GET", "/v1/decisions/{id}", noun.one, INFO, "One decision with its attempts",
              "decisions", answer="#Object"),
    ]  # fmt: skip


class Decisions:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def all(self, request: web.Request) -> web.Response:
        known_query(request, _LIST)
        limit = int(number_query(request, "limit", 1, 500) or 50)
        since, until = text_query(request, "from"), text_query(request, "to")
        rows = await self._services.journal.list_decisions(
            project=own_project(request[CALLER], text_query(request, "project")),
            limit=limit,
            before=text_query(request, "before"),
            since=None if since is None else moment(since, "from"),
            until=None if until is None else moment(until, "to", end=True),
            key_id=text_query(request, "key"),
            **{name: text_query(request, name) for name in _ONLY},
        )
        more = rows[-1]["id"] if len(rows) == limit else None
        return json_response({"decisions": rows, "before": more})

    async def one(self, request: web.Request) -> web.Response:
        row = await self._services.journal.get_decision(request.match_info["id"][:128])
        caller = request[CALLER]
        hidden = caller.role != "admin" and caller.project is not None
        if row is None or (hidden and row.get("project") != caller.project):
            raise NotFound("No such decision: `xswarm decisions` lists the latest.")
        return json_response(row)
