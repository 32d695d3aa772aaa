"""What was consumed, spent and saved, and who changed what; a key with a project sees its own."""

from __future__ import annotations

from aiohttp import web

from freeloader.errors import InvalidRequest
from freeloader.gateway.keys import ADMIN, INFO, own_project
from freeloader.gateway.routes.table import (
    CALLER,
    Query,
    Route,
    json_response,
    known_query,
    number_query,
    text_query,
    word_query,
)
from freeloader.gateway.services import Services

_TEXT = {"type": "string"}
_PROJECT = Query("project", _TEXT, "Only this project's")
_PERIOD = (
    Query("period", _TEXT, "24h, 7d, 30d, 12w, today, day, week, month, year, all; default 30d"),
    _PROJECT,
)
_GROUP = Query(
    "group",
    {
        "enum": ["day", "hour", "provider", "account", "model", "project", "key", "task",
                 "outcome", "none"]
    },
    "By what; default day",
)  # fmt: skip
_USAGE = (
    Query("from", _TEXT, "From this date or time on; default 30 days before `to`"),
    Query("to", _TEXT, "Before this time, or to the end of this date; default now"),
    _GROUP,
    _PROJECT,
)
_KINDS = ("all", "changes", "requests")
_KIND = Query("kind", {"enum": list(_KINDS)}, "What; default all")
_AUDIT = (
    Query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "How many; default 100"),
    Query("before", _TEXT, "Only older than this moment (`before` of a page)"),
    _KIND,
    Query("what", _TEXT, "Only acts whose name begins so: config, account.add, key, request …"),
)


def routes(services: Services) -> list[Route]:
    noun = Analytics(services)
    return [
        Route("GET", "/v1/analytics", noun.analytics, INFO, "Costs and savings over time",
              "analytics", answer="#Analytics", query=_PERIOD),
        Route("GET", "/v1/usage", noun.usage, INFO, "Usage by time, model, project …",
              "analytics", answer="#UsageReport", query=_USAGE),
        Route("GET", "/v1/audit", noun.audit, ADMIN, "Who changed what; where requests went",
              "analytics", answer="#Audit", query=_AUDIT),
    ]  # fmt: skip


class Analytics:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def analytics(self, request: web.Request) -> web.Response:
        known_query(request, _PERIOD)
        project = own_project(request[CALLER], text_query(request, "project"))
        period = text_query(request, "period") or "30d"
        return json_response(await self._services.desk.analytics(period, project))

    async def usage(self, request: web.Request) -> web.Response:
        known_query(request, _USAGE)
        project = own_project(request[CALLER], text_query(request, "project"))
        since, until = text_query(request, "from"), text_query(request, "to")
        group = word_query(request, _GROUP)
        return json_response(await self._services.desk.usage(since, until, group, project))

    async def audit(self, request: web.Request) -> web.Response:
        known_query(request, _AUDIT)
        limit = int(number_query(request, "limit", 1, 1000) or 100)
        kind = word_query(request, _KIND) or "all"
        if kind not in _KINDS:
            raise InvalidRequest(f"kind must be one of: {', '.join(_KINDS)}.", param="kind")
        before, what = text_query(request, "before"), text_query(request, "what")
        return json_response(await self._services.desk.audit(limit, before, kind, what))
