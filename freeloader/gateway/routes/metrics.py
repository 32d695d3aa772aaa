"""``GET /metrics`` in Prometheus' text format: what was counted, and how things are now.

Few labels: providers, accounts and windows, outcomes; no key, project or model. Numbers
are taken when asked for; only ``gateway.counting`` works between scrapes. The library
that writes the format is imported at the first scrape.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from freeloader.errors import Forbidden
from freeloader.gateway.counting import Counts, cumulative
from freeloader.gateway.keys import INFO
from freeloader.gateway.routes.table import CALLER, Route
from freeloader.gateway.services import Services
from freeloader.money import usd_from_pico

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

_CHILD = ("stopped", "starting", "warming", "ready", "draining", "backoff", "fatal")


def routes(services: Services) -> list[Route]:
    noun = Metrics(services)
    return [
        Route("GET", "/metrics", noun.scrape, INFO, "Prometheus metrics", "health",
              media=("text/plain",)),
    ]  # fmt: skip


class Metrics:
    """One scrape at a time; a scrape is a few milliseconds."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def scrape(self, request: web.Request) -> web.Response:
        if request[CALLER].role == "client":
            # They speak of all projects and of the whole budget.
            raise Forbidden("Metrics need a viewer's or an admin's key: xswarm key create.")
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        registry = CollectorRegistry()
        registry.register(self)
        body = generate_latest(registry)
        response = web.Response(body=body)
        response.headers["Content-Type"] = CONTENT_TYPE_LATEST
        return response

    def collect(self) -> Iterator[Metric]:
        """All metrics, as the library asks for them."""
        yield from _counted(self._services.counts)
        yield from self._quota()
        yield from self._budget()
        yield from self._child()
        yield from self._house()

    def _quota(self) -> Iterator[Metric]:
        """Per account, metric and window the share that is left; the lowest over its models."""
        lowest: dict[tuple[str, ...], float] = {}
        for row in self._services.books.windows_view(self._services.clock.now()):
            limit, left = row.get("limit"), row.get("remaining")
            if not limit or left is None:
                continue
            account = f"{row.get('provider')}@{row.get('account')}"
            key = (account, str(row.get("metric")), str(row.get("window")))
            lowest[key] = min(lowest.get(key, 1.0), max(0.0, float(left) / float(limit)))
        yield _gauge(
            "quota_remaining_ratio",
            "Share of a free window that is left; the lowest of the account's models.",
            ("account", "metric", "window"),
            lowest,
        )

    def _budget(self) -> Iterator[Metric]:
        view = self._services.books.budget_view(None, self._services.clock.now())
        values: dict[tuple[str, ...], float] = {}
        for period in ("daily", "monthly"):
            for what in ("limit", "softLimit", "spent", "held"):
                amount = (view.get(period) or {}).get(what)
                if amount is not None:
                    values[period, what] = float(amount)
        yield _gauge("budget_usd", "Global budgets in dollars.", ("period", "what"), values)

    def _child(self) -> Iterator[Metric]:
        status = self._services.child.status()
        state = str(status.get("state"))
        yield _gauge(
            "child_state",
            "1 for the state that the LiteLLM child is in.",
            ("state",),
            {(name,): float(name == state) for name in _CHILD},
        )
        yield _gauge(
            "child_resident_bytes",
            "Resident memory of the LiteLLM child.",
            (),
            {(): float(status.get("rssBytes") or 0)},
        )
        yield _sum(
            "child_restarts",
            "Restarts of the LiteLLM child.",
            (),
            {(): float(status.get("restarts") or 0)},
        )

    def _house(self) -> Iterator[Metric]:
        services = self._services
        load: Mapping[str, Any] = services.load()
        now = services.clock.now()
        yield _gauge(
            "uptime_seconds", "Since the start.", (), {(): now.mono - services.started.mono}
        )
        yield _gauge("in_flight", "Requests under way.", (), {(): float(load.get("queue") or 0)})
        yield _gauge(
            "waiting",
            "Requests that wait for quota or money.",
            (),
            {(): float(services.waiting())},
        )
        yield _gauge("tasks", "The daemon's asyncio tasks.", (), {(): float(_tasks())})
        yield _gauge(
            "load_level",
            "The load monitor: 0 normal, 1 warning, 2 critical.",
            (),
            {(): float(load.get("level") or 0)},
        )
        yield _gauge(
            "job_failures",
            "Failures in a row of each job.",
            ("job",),
            {(str(j["name"]),): float(j.get("failures") or 0) for j in services.jobs.list_jobs()},
        )
        yield _sum(
            "refused",
            "Requests refused before any model was chosen, by the error's code.",
            ("code",),
            {(code,): float(one.count) for code, one in services.turned.kinds.items()},
        )
        yield _gauge("build_info", "Always 1.", ("version",), {(services.version,): 1.0})


def _tasks() -> int:
    return len(asyncio.all_tasks())


def _counted(counts: Counts) -> Iterator[Metric]:
    yield _sum("requests", "Requests, by outcome.", ("outcome", "strategy"), counts.requests)
    yield _sum("attempts", "Tries at providers.", ("provider", "outcome"), counts.attempts)
    yield _sum("tokens", "Tokens, as settled.", ("provider", "kind"), counts.tokens)
    cost = {labels: usd_from_pico(pico) for labels, pico in counts.cost_pico.items()}
    yield _sum("cost_usd", "Dollars charged, by list price.", ("provider",), cost)
    yield _sum("saved_usd", "Dollars saved against the premium model.", (), {(): counts.saved_usd})
    yield _histogram(counts)


def _histogram(counts: Counts) -> Metric:
    from prometheus_client.metrics_core import HistogramMetricFamily

    return HistogramMetricFamily(
        "freeloader_request_seconds",
        "Time from a request to the end of its answer.",
        buckets=cumulative(counts.buckets),
        sum_value=counts.seconds,
    )


def _gauge(
    name: str, about: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> Metric:
    from prometheus_client.metrics_core import GaugeMetricFamily

    family = GaugeMetricFamily(f"freeloader_{name}", about, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _sum(
    name: str, about: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> Metric:
    from prometheus_client.metrics_core import CounterMetricFamily

    family = CounterMetricFamily(f"freeloader_{name}", about, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family
