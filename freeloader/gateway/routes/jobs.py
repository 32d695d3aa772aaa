"""The cron loop's jobs over HTTP: list them, run one now."""

from __future__ import annotations

from aiohttp import web

from freeloader.gateway.keys import ADMIN
from freeloader.gateway.routes.table import Route, json_response
from freeloader.gateway.services import Services


def routes(services: Services) -> list[Route]:
    noun = Jobs(services)
    return [
        Route("GET", "/v1/jobs", noun.all, ADMIN, "Jobs, last and next run", "jobs",
              answer="#Jobs"),
        Route("POST", "/v1/jobs/{name}/run", noun.run, ADMIN, "Run a job now", "jobs",
              answer="#Object"),
    ]  # fmt: skip


class Jobs:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def all(self, request: web.Request) -> web.Response:
        return json_response({"jobs": self._services.jobs.list_jobs()})

    async def run(self, request: web.Request) -> web.Response:
        name = request.match_info["name"][:128]
        return json_response(await self._services.jobs.run_now(name))
