"""Channels of notifications over HTTP. No answer holds an address: it may hold a password."""

from __future__ import annotations

from aiohttp import web

from freeloader.gateway.guards.body import read_json
from freeloader.gateway.keys import ADMIN
from freeloader.gateway.routes.table import CALLER, Route, json_response
from freeloader.gateway.services import Row, Services
from freeloader.manage.bodies import wanted
from freeloader.settings import read

_ADD = {"name": read.text, "address": read.text}
_TEST = {"name": read.text}


def routes(services: Services) -> list[Route]:
    noun = Channels(services)
    at = "/v1/notifications/channels"
    return [
        Route("GET", at, noun.all, ADMIN, "Channels of notifications", "notifications",
              answer="#Channels"),
        Route("POST", at, noun.add, ADMIN, "Add or change a channel", "notifications",
              body="#ChannelNew", answer="#Object", created=True),
        Route("DELETE", f"{at}/{{name}}", noun.remove, ADMIN, "Remove a channel",
              "notifications", answer="#Object"),
        Route("POST", "/v1/notifications/test", noun.test, ADMIN, "Send a test message",
              "notifications", body="#ChannelTest", answer="#ChannelTested"),
    ]  # fmt: skip


class Channels:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def all(self, request: web.Request) -> web.Response:
        return json_response({"channels": self._services.notifier.states()})

    async def add(self, request: web.Request) -> web.Response:
        found = wanted(await self._body(request), _ADD)
        name, address = str(found.get("name") or ""), str(found.get("address") or "")
        actor = request[CALLER].key_id
        return json_response(await self._services.channels.add(name, address, actor), 201)

    async def remove(self, request: web.Request) -> web.Response:
        name = request.match_info["name"][:128]
        actor = request[CALLER].key_id
        return json_response(await self._services.channels.remove(name, actor))

    async def test(self, request: web.Request) -> web.Response:
        found = wanted(await self._body(request), _TEST)
        return json_response({"channels": await self._services.notifier.test(found.get("name"))})

    async def _body(self, request: web.Request) -> Row:
        services = self._services
        return await read_json(request, services.settings().body_bytes_max, services.body_limits)
