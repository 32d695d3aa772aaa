"""Builds the aiohttp application from its route table, and serves it on purpose.

Every time-out and size of the HTTP server is set here, because aiohttp's own
defaults keep idle connections for an hour and let handlers run on after the
client has left. Knows no route by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web

from freeloader.gateway import routes as nouns
from freeloader.gateway.middleware import Front
from freeloader.gateway.protocol import HEAD_SECONDS, READER_SECONDS, Runner
from freeloader.gateway.routes.table import Route
from freeloader.gateway.services import Services

TABLE = web.AppKey("routes", tuple)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Seconds and bytes of the HTTP server.

    ``keepalive_seconds`` is for idle connections: clients' own pools give up sooner (httpx
    after 5 s, aiohttp 15 s). ``head_seconds`` is for a request's head; ``reader_seconds`` is
    how long nothing of an answer may be read.
    """

    keepalive_seconds: float = 30.0
    head_seconds: float = HEAD_SECONDS
    reader_seconds: float = READER_SECONDS
    lingering_seconds: float = 2.0
    line_bytes: int = 8190
    field_bytes: int = 16_380
    headers: int = 128
    backlog: int = 1024
    drain_seconds: float = 30.0


HTTP_LIMITS = HttpLimits()


def build_app(services: Services) -> web.Application:
    """The application with all routes behind the one boundary."""
    table = nouns.build(services)
    found: dict[web.AbstractRoute, Route] = {}
    front = Front(
        found,
        services.keys,
        services.settings,
        services.state,
        services.clock,
        services.new_id,
        services.turned,
        services.pipeline.admit,
    )

    # aiohttp's own size check is for its own readers; ours counts while reading.
    app = web.Application(middlewares=[front.boundary], client_max_size=0)
    app.on_response_prepare.append(front.decorate)
    for row in table:
        found[app.router.add_route(row.method, row.path, row.handler)] = row
        if row.method == hdrs.METH_GET and not row.streams:
            found[app.router.add_route(hdrs.METH_HEAD, row.path, row.handler)] = row
    app[TABLE] = tuple(table)
    return app


class Running:
    """A served application: its address, and how to end it."""

    def __init__(self, runner: web.AppRunner, site: web.BaseSite, host: str, port: int) -> None:
        self._runner = runner
        self._site = site
        self.host = host
        self.port = port

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def routes(self) -> list[web.AbstractRoute]:
        """What is registered, for those who check it against the table."""
        return list(self._runner.app.router.routes())

    async def close_listener(self) -> None:
        """Take no new connections; what runs goes on."""
        await self._site.stop()

    async def stop(self) -> None:
        """End: running requests get the drain time, then they are cancelled."""
        await self._runner.cleanup()


async def serve(
    app: web.Application,
    host: str,
    port: int,
    limits: HttpLimits = HTTP_LIMITS,
    **options: Any,
) -> Running:
    """Serve ``app``. ``port`` 0 takes a free one. Raises OSError where it is taken."""
    runner = Runner(
        app,
        handle_signals=False,
        handler_cancellation=True,
        access_log=None,
        keepalive_timeout=limits.keepalive_seconds,
        lingering_time=limits.lingering_seconds,
        max_line_size=limits.line_bytes,
        max_field_size=limits.field_bytes,
        max_headers=limits.headers,
        shutdown_timeout=limits.drain_seconds,
        auto_decompress=False,
        **options,
    )
    runner.head_seconds = limits.head_seconds
    runner.reader_seconds = limits.reader_seconds
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=limits.backlog)
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    address = runner.addresses[0]
    return Running(runner, site, str(address[0]), int(address[1]))
