"""Routes of the contract that later releases build: they answer 501 and nothing else.

The key and the role are checked first, as for any other route. A route that gets
built moves out of this table; nothing else has to change.
"""

from __future__ import annotations

from aiohttp import web

from freeloader.errors import NotImplementedYet
from freeloader.gateway.keys import ADMIN, INFERENCE, INFO
from freeloader.gateway.routes.table import Route

#: (method, path, access, what it will be)
LATER: tuple[tuple[str, str, str, str], ...] = (
    ("POST", "/v1/responses", INFERENCE, "OpenAI Responses"),
    ("POST", "/v1/messages", INFERENCE, "Anthropic Messages"),
    ("POST", "/v1/messages/count_tokens", INFERENCE, "Anthropic token counts"),
    ("POST", "/v1/embeddings", INFERENCE, "Embeddings"),
    ("POST", "/v1/chat", INFERENCE, "The second seed's chat"),
    ("POST", "/v1/agent-step", INFERENCE, "One step of an agent"),
    ("GET", "/v1/events", INFO, "Live events"),
    ("POST", "/admin/overflow_provider", ADMIN, "The second seed's overflow provider"),
    ("GET", "/admin/status", ADMIN, "The second seed's status"),
)


def routes() -> list[Route]:
    return [
        Route(method, path, not_built, access, summary, "later", built=False)
        for method, path, access, summary in LATER
    ]


async def not_built(request: web.Request) -> web.StreamResponse:
    """Raises NotImplementedYet, always."""
    raise NotImplementedYet(
        f"{request.method} {request.path} is not built yet; a later release brings it."
    )
