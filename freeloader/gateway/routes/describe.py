"""``GET /openapi.json``: written from the same table that the server routes by."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from freeloader.gateway.keys import INFO
from freeloader.gateway.openapi import document
from freeloader.gateway.routes.table import Route, json_response


def route(version: str, others: Sequence[Route]) -> Route:
    """The route that describes all ``others`` and itself."""
    rows: list[Route] = list(others)

    async def describe(request: web.Request) -> web.Response:
        return json_response(document(version, rows))

    own = Route("GET", "/openapi.json", describe, INFO, "This document", "health",
                answer="#Object")  # fmt: skip
    rows.append(own)
    return own
