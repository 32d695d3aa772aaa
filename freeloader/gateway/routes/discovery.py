"""What discovery proposes, and what the owner says to it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from freeloader.errors import NotFound
from freeloader.gateway.keys import ADMIN
from freeloader.gateway.routes.table import (
    CALLER,
    Query,
    Route,
    json_response,
    known_query,
    number_query,
    word_query,
)
from freeloader.gateway.services import ProposalsView, Services

_STATE = Query(
    "state",
    {"enum": ["pending", "applied", "noted", "rejected", "superseded", "undone", "all"]},
    "In which state; pending by default",
)
_LIMIT = Query(
    "limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "How many, newest first"
)


def routes(services: Services) -> list[Route]:
    noun = Proposals(services.proposals)
    at = "/v1/discovery/proposals"
    return [
        Route("GET", at, noun.all, ADMIN, "What discovery proposes", "discovery",
              answer="#Proposals", query=(_STATE, _LIMIT)),
        Route("GET", f"{at}/{{id}}", noun.one, ADMIN, "One proposal", "discovery",
              answer="#Object"),
        Route("POST", f"{at}/{{id}}/approve", noun.approve, ADMIN, "Apply a proposal",
              "discovery", answer="#Object"),
        Route("POST", f"{at}/{{id}}/reject", noun.reject, ADMIN, "Reject a proposal",
              "discovery", answer="#Object"),
        Route("POST", f"{at}/{{id}}/undo", noun.undo, ADMIN, "Take an applied proposal back",
              "discovery", answer="#Object"),
    ]  # fmt: skip


class Proposals:
    def __init__(self, proposals: ProposalsView) -> None:
        self._proposals = proposals

    async def all(self, request: web.Request) -> web.Response:
        known_query(request, (_STATE, _LIMIT))
        state = word_query(request, _STATE) or "pending"
        limit = int(number_query(request, "limit", 1, 1000) or 200)
        rows = await self._proposals.listing(None if state == "all" else state, limit)
        return json_response({"proposals": rows})

    async def one(self, request: web.Request) -> web.Response:
        return json_response(await self._proposals.show(_number(request)))

    async def approve(self, request: web.Request) -> web.Response:
        return json_response(await self._proposals.approve(_number(request), _actor(request)))

    async def reject(self, request: web.Request) -> web.Response:
        return json_response(await self._proposals.reject(_number(request), _actor(request)))

    async def undo(self, request: web.Request) -> web.Response:
        return json_response(await self._proposals.undo(_number(request), _actor(request)))


def _number(request: web.Request) -> int:
    text: Any = request.match_info["id"]
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise NotFound(f"There is no proposal {text[:40]!r}; GET /v1/discovery/proposals has them.")
    return int(text)


def _actor(request: web.Request) -> str:
    return f"key {request[CALLER].key_id}"
