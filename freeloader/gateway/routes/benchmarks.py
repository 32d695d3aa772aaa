"""Benchmarks over HTTP: what was shown, what a run would ask, and a run."""

from __future__ import annotations

from aiohttp import web

from freeloader.gateway.guards.body import read_json
from freeloader.gateway.keys import ADMIN, INFO
from freeloader.gateway.routes.table import Route, json_response
from freeloader.gateway.services import Services
from freeloader.manage.bodies import wanted
from freeloader.settings import read

_RUN = {"models": read.names, "dry_run": read.flag}


def routes(services: Services) -> list[Route]:
    noun = Benchmarks(services)
    return [
        Route("GET", "/v1/benchmarks", noun.shown, INFO, "Benchmark results", "benchmarks",
              answer="#Benchmarks"),
        Route("POST", "/v1/benchmarks/run", noun.run, ADMIN,
              "Ask what is missing of this week's round, of all models or the named ones",
              "benchmarks", body="#BenchmarkRun", answer="#Object"),
    ]  # fmt: skip


class Benchmarks:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def shown(self, request: web.Request) -> web.Response:
        return json_response({"benchmarks": await self._services.benchmarks.shown()})

    async def run(self, request: web.Request) -> web.Response:
        services = self._services
        body = await read_json(request, services.settings().body_bytes_max, services.body_limits)
        found = wanted(body, _RUN)
        models = tuple(found.get("models") or ())
        if found.get("dry_run"):
            return json_response(await services.benchmarks.dry_run(models))
        return json_response({"result": await services.benchmarks.run_of(models)})
