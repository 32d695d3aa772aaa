"""Keys for clients over HTTP. A new key is shown once, in the answer that made it."""

from __future__ import annotations

from aiohttp import web

from freeloader.gateway.guards.body import read_json
from freeloader.gateway.keys import ADMIN
from freeloader.gateway.routes.table import CALLER, Route, json_response
from freeloader.gateway.services import Services


def routes(services: Services) -> list[Route]:
    noun = Keys(services)
    return [
        Route("GET", "/v1/keys", noun.all, ADMIN, "Keys, without their secret", "keys",
              answer="#Keys"),
        Route("POST", "/v1/keys", noun.create, ADMIN, "Make a key; shown this once", "keys",
              "#KeyCreate", "#KeyCreated", created=True),
        Route("DELETE", "/v1/keys/{id}", noun.revoke, ADMIN, "Revoke a key", "keys",
              answer="#Object"),
    ]  # fmt: skip


class Keys:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def all(self, request: web.Request) -> web.Response:
        return json_response({"keys": await self._services.keys.list_keys()})

    async def create(self, request: web.Request) -> web.Response:
        services = self._services
        body = await read_json(request, services.settings().body_bytes_max, services.body_limits)
        return json_response(await services.keys.create_key(body, request[CALLER].key_id), 201)

    async def revoke(self, request: web.Request) -> web.Response:
        key_id = request.match_info["id"][:128]
        actor = request[CALLER].key_id
        return json_response(await self._services.keys.revoke_key(key_id, actor))
