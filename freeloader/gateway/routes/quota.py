"""What is spent and what is left: free windows, as the books see them; their reset."""

from __future__ import annotations

from aiohttp import web

from freeloader.errors import InvalidRequest, NotFound
from freeloader.gateway.guards.body import read_json
from freeloader.gateway.keys import ADMIN, INFO
from freeloader.gateway.routes.table import (
    CALLER,
    Query,
    Route,
    json_response,
    known_query,
    text_query,
)
from freeloader.gateway.services import Services

_PROVIDER = (Query("provider", {"type": "string"}, "Only this provider's windows"),)


def routes(services: Services) -> list[Route]:
    noun = Quota(services)
    return [
        Route("GET", "/v1/free-tiers", noun.windows, INFO, "Every free window", "quota",
              answer="#Windows", query=_PROVIDER),
        Route("POST", "/v1/free-tiers/reset", noun.reset, ADMIN,
              "Forget counts and pauses: all, a provider's or an account's; with learnt, also "
              "the limits that were learnt", "quota",
              "#WindowsReset", "#Object"),
    ]  # fmt: skip


class Quota:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def windows(self, request: web.Request) -> web.Response:
        """Every window; what is nearly used or used elsewhere; several accounts at a provider."""
        known_query(request, _PROVIDER)
        services, now = self._services, self._services.clock.now()
        wanted = text_query(request, "provider")
        rows = services.books.windows_view(now)
        return json_response(
            {
                "windows": [row for row in rows if wanted in (None, row["provider"])],
                "alerts": services.books.quota_alerts(now),
                "warnings": await services.accounts.warnings(),
            }
        )

    async def reset(self, request: web.Request) -> web.Response:
        """For an owner who knows better than our counts and, with ``learnt``, than what
        refusals and headers taught us of the limits."""
        services = self._services
        limits, size = services.body_limits, services.settings().body_bytes_max
        body = await read_json(request, size, limits)
        unknown = sorted(set(body) - {"provider", "idx", "learnt"})
        if unknown:
            known = "provider, idx and learnt"
            raise InvalidRequest(f"Unknown key {unknown[0]!r}: {known}.", param=unknown[0])
        provider, idx, learnt = body.get("provider"), body.get("idx"), body.get("learnt", False)
        if not isinstance(learnt, bool):
            raise InvalidRequest("learnt must be true or false.", param="learnt")
        if provider is not None and not isinstance(provider, str):
            raise InvalidRequest("provider must be a name.", param="provider")
        if idx is not None and (type(idx) is not int or provider is None):
            raise InvalidRequest("idx is a number beside a provider.", param="idx")
        if provider is not None:
            await self._require_account(provider, idx)
        subject = "all" if provider is None else provider if idx is None else f"{provider}@{idx}"
        # Noted first: what cannot be written down is not done.
        await services.desk.note(request[CALLER].key_id, "free-tiers.reset", subject)
        books, now = services.books, services.clock.now()
        forgotten = books.unlearn(provider, idx, now) if learnt else 0
        count = books.reset(provider, idx, now)
        services.forgive()
        answer = {"reset": True, "windows": count, "learntForgotten": forgotten}
        return json_response(answer | {"learntKept": books.learnt(provider, idx)})

    async def _require_account(self, provider: str, idx: int | None) -> None:
        """A name that nobody has would reset nothing, and look as if it had."""
        rows = await self._services.accounts.list_accounts()
        if not any(r["provider"] == provider and idx in (None, r["idx"]) for r in rows):
            raise NotFound("There is no such account; GET /v1/accounts lists them.")
