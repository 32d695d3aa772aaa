"""Settings over HTTP: show, change, history, rollback, import. `manage` checks and keeps them."""

from __future__ import annotations

from aiohttp import web

from freeloader.errors import InvalidRequest
from freeloader.gateway.guards.body import read_json
from freeloader.gateway.keys import ADMIN
from freeloader.gateway.routes.table import (
    CALLER,
    Query,
    Route,
    json_response,
    known_query,
    number_query,
)
from freeloader.gateway.services import Services

_HISTORY = (
    Query("limit", {"type": "integer", "minimum": 1, "maximum": 500}, "How many; default 50"),
)


def routes(services: Services) -> list[Route]:
    noun = Config(services)
    return [
        Route("GET", "/v1/config", noun.show, ADMIN, "The settings in force", "config",
              answer="#Config"),
        Route("POST", "/v1/config", noun.change, ADMIN, "Change settings", "config",
              "#Object", "#ConfigChanged"),
        Route("GET", "/v1/config/history", noun.history, ADMIN, "Every accepted change", "config",
              answer="#Object", query=_HISTORY),
        Route("POST", "/v1/config/rollback", noun.rollback, ADMIN, "Back to a version", "config",
              "#Rollback", "#ConfigChanged"),
        Route("POST", "/v1/config/import", noun.bring, ADMIN, "Import the seed's JSON", "config",
              "#Object", "#Object"),
    ]  # fmt: skip


class Config:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: web.Request) -> web.Response:
        return json_response({"config": await self._services.config.show_config()})

    async def change(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        if not body:
            raise InvalidRequest("Name at least one setting to change.")
        actor = request[CALLER].key_id
        return json_response(await self._services.config.change_config(body, actor))

    async def history(self, request: web.Request) -> web.Response:
        known_query(request, _HISTORY)
        limit = int(number_query(request, "limit", 1, 500) or 50)
        return json_response({"history": await self._services.config.config_history(limit)})

    async def rollback(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        version = body.get("version")
        if set(body) - {"version"} or type(version) is not int or version < 0:
            raise InvalidRequest(
                'Name the version to go back to: {"version": N}; '
                "GET /v1/config/history lists them.",
                param="version",
            )
        actor = request[CALLER].key_id
        return json_response(await self._services.config.rollback_config(version, actor))

    async def bring(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        actor = request[CALLER].key_id
        return json_response(await self._services.config.import_config(body, actor))

    async def _body(self, request: web.Request) -> dict[str, object]:
        services = self._services
        return await read_json(request, services.settings().body_bytes_max, services.body_limits)
