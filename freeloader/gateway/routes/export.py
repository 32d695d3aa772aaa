"""Requests of a stretch of time as a stream of lines: JSON or CSV, in pieces of bounded size."""

from __future__ import annotations

from aiohttp import hdrs, web

from freeloader.errors import InvalidRequest
from freeloader.gateway.keys import INFO, own_project
from freeloader.gateway.routes.table import (
    CALLER,
    Query,
    Route,
    known_query,
    text_query,
    word_query,
)
from freeloader.gateway.services import Services
from freeloader.manage.reports import rows

_TEXT = {"type": "string"}
_FORMAT = Query("format", {"enum": ["jsonl", "csv"]}, "Default jsonl")
_QUERY = (
    Query("from", _TEXT, "From this date or time on; default the beginning"),
    Query("to", _TEXT, "Before this time, or to the end of this date; default now"),
    _FORMAT,
    Query("project", _TEXT, "Only this project's"),
)
_KINDS = {"jsonl": "application/x-ndjson", "csv": "text/csv"}


def routes(services: Services) -> list[Route]:
    noun = Export(services)
    return [
        Route("GET", "/v1/export", noun.all, INFO, "Requests with their decisions, as lines",
              "analytics", query=_QUERY, media=("application/x-ndjson", "text/csv")),
    ]  # fmt: skip


class Export:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def all(self, request: web.Request) -> web.StreamResponse:
        """The number of rows to expect is in ``X-Freeloader-Rows``. A stream that fails
        breaks off without its end, so that half a file is never taken for a whole one."""
        known_query(request, _QUERY)
        caller = request[CALLER]
        project = own_project(caller, text_query(request, "project"))
        since, until = text_query(request, "from"), text_query(request, "to")
        shape = (word_query(request, _FORMAT) or "jsonl").lower()
        if shape not in _KINDS:
            raise InvalidRequest("format must be jsonl or csv.", param="format")
        found = await self._services.desk.export(since, until, project)
        response = web.StreamResponse(
            headers={
                "Content-Type": f"{_KINDS[shape]}; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Freeloader-Rows": str(found.count),
            }
        )
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:  # its body would be taken for the next answer
            return response
        finished = False
        try:
            head = shape == "csv"
            if head:
                await response.write(rows.as_csv((), head=True))
            async for piece in found.pieces:
                shown = rows.as_csv(piece, head=False) if head else rows.as_jsonl(piece)
                await response.write(shown)
            finished = True
        finally:
            if not finished and request.transport is not None:
                request.transport.abort()
        return response
