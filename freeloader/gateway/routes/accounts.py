"""Accounts over HTTP. A key comes in here, goes to `manage`, and never comes out again."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from freeloader.errors import InvalidRequest, NotFound
from freeloader.gateway.guards.body import read_json
from freeloader.gateway.keys import ADMIN
from freeloader.gateway.routes.table import CALLER, Route, json_response
from freeloader.gateway.services import Services

_ONE = "/v1/accounts/{provider}/{idx}"


def routes(services: Services) -> list[Route]:
    noun = Accounts(services)
    return [
        Route("GET", "/v1/accounts", noun.all, ADMIN, "Accounts, without keys", "accounts",
              answer="#Accounts"),
        Route("POST", "/v1/accounts", noun.add, ADMIN, "Add an account", "accounts",
              "#AccountAdd", "#AccountAdded", created=True),
        Route("PATCH", _ONE, noun.change, ADMIN, "Enable, disable, tier, priority, limits",
              "accounts", "#AccountChange", "#Object"),
        Route("DELETE", _ONE, noun.remove, ADMIN, "Remove an account and its key", "accounts",
              answer="#Object"),
        Route("POST", _ONE + "/test", noun.test, ADMIN, "Try an account's key", "accounts",
              answer="#Object"),
    ]  # fmt: skip


class Accounts:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def all(self, request: web.Request) -> web.Response:
        accounts = self._services.accounts
        listed, warnings = await accounts.list_accounts(), await accounts.warnings()
        return json_response({"accounts": listed, "warnings": warnings})

    async def add(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        actor = request[CALLER].key_id
        return json_response(await self._services.accounts.add_account(body, actor), 201)

    async def change(self, request: web.Request) -> web.Response:
        provider, idx = _named(request)
        body = await self._body(request)
        if not body:
            raise InvalidRequest("Name at least one thing to change: enabled, tier, priority …")
        actor = request[CALLER].key_id
        accounts = self._services.accounts
        return json_response(await accounts.change_account(provider, idx, body, actor))

    async def remove(self, request: web.Request) -> web.Response:
        provider, idx = _named(request)
        actor = request[CALLER].key_id
        return json_response(await self._services.accounts.remove_account(provider, idx, actor))

    async def test(self, request: web.Request) -> web.Response:
        provider, idx = _named(request)
        actor = request[CALLER].key_id
        return json_response(await self._services.accounts.test_account(provider, idx, actor))

    async def _body(self, request: web.Request) -> dict[str, Any]:
        services = self._services
        return await read_json(request, services.settings().body_bytes_max, services.body_limits)


def _named(request: web.Request) -> tuple[str, int]:
    provider, idx = request.match_info["provider"], request.match_info["idx"]
    if not (idx.isascii() and idx.isdigit() and len(idx) <= 6):
        raise NotFound("There is no such account; GET /v1/accounts lists them.")
    return provider[:128], int(idx)
