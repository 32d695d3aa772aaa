"""What can be asked for: OpenAI's list, and beside it the seed's with numbers.

Reads deployments and books; a model unknown in some respect is shown as null,
never as zero or unlimited. OpenAI's list ends with ``auto`` and the strategies, which a
client may name as a model too, where anybody is there to answer and no filter asks for
models of some kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web

from freeloader.catalog.names import AUTOMATIC
from freeloader.clock import Instant, iso
from freeloader.core.model import Deployment, Verdict
from freeloader.errors import ModelNotFound
from freeloader.gateway.keys import INFO
from freeloader.gateway.routes.table import (
    Query,
    Route,
    flag_query,
    json_response,
    known_query,
    number_query,
    text_query,
)
from freeloader.gateway.services import BooksView, Row, Services
from freeloader.money import MICRO_PER_USD, Meters

_ONE = Meters(requests=1, input=1, output=1)
_FILTERS = (
    Query("available", {"type": "boolean"}, "Only models that could answer now (or could not)"),
    Query("minIntelligence", {"type": "number"}, "At least this intelligence (1-10)"),
    Query("capability", {"type": "string"}, "Having all of these, separated by commas"),
    Query("provider", {"type": "string"}, "Of these providers, separated by commas"),
    Query("free", {"type": "boolean"}, "Local, or covered by what is free for now (or not)"),
    Query("local", {"type": "boolean"}, "On this machine (or not)"),
)


def routes(services: Services) -> list[Route]:
    noun = Models(services)
    return [
        Route("GET", "/v1/models", noun.all, INFO, "Models that accounts serve", "models",
              answer="#ModelList", query=_FILTERS),
        Route("GET", "/v1/models/{id:.+}", noun.one, INFO, "One model", "models",
              answer="#Model"),
    ]  # fmt: skip


class Models:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def all(self, request: web.Request) -> web.Response:
        known_query(request, _FILTERS)
        wanted = Filter(request)
        rows = [row for row in self._rows() if wanted.takes(row)]
        data = [self._listed(row) for row in rows]
        if rows and not request.query:
            data += [self._automatic(name) for name in AUTOMATIC]
        return json_response({"object": "list", "data": data, "models": rows})

    async def one(self, request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        for row in self._rows():
            if wanted in (_id(row), row["name"]):
                return json_response({**self._listed(row), **row})
        if wanted in AUTOMATIC:
            return json_response(self._automatic(wanted))
        raise ModelNotFound(
            f"No account serves a model named {wanted[:128]!r}; GET /v1/models lists all.",
            param="id",
        )

    def _rows(self) -> list[Row]:
        now = self._services.clock.now()
        books = self._services.books
        groups: dict[tuple[str, str], list[Deployment]] = {}
        for deployment in books.deployments.values():
            key = (deployment.provider.id, deployment.model.id)
            groups.setdefault(key, []).append(deployment)
        windows = _windows(books.windows_view(now))
        return [model_row(groups[key], books, windows, now) for key in sorted(groups)]

    def _listed(self, row: Mapping[str, Any]) -> Row:
        return self._entry(_id(row), row["provider"])

    def _automatic(self, name: str) -> Row:
        return self._entry(name, "xswarm")

    def _entry(self, name: str, owner: str) -> Row:
        created = int(self._services.started.wall)
        return {"id": name, "object": "model", "created": created, "owned_by": owner}


def model_row(
    deployments: list[Deployment],
    books: BooksView,
    windows: Windows,
    now: Instant,
) -> Row:
    """One line of ``models[]``: a model at a provider, over all accounts that serve it."""
    first = deployments[0]
    verdicts = [_refusal(one, books, now.wall) for one in deployments]
    verdict = None if None in verdicts else verdicts[0]
    remaining, resets = _quota(deployments, windows)
    if verdict is not None and verdict.until is not None and resets is None:
        resets = iso(verdict.until)
    price = first.model.price
    latencies = [ms for one in deployments if (ms := books.health(one.id).latency_ms) is not None]
    return {
        "provider": first.provider.id,
        "name": first.model.id,
        "family": first.model.family,
        "intelligence": first.model.intelligence,
        "speed": first.model.speed,
        "costPer1M": {
            "input": _usd(None if price is None else price.input, first),
            "output": _usd(None if price is None else price.output, first),
        },
        "context": first.model.context,
        "maxOutput": first.model.max_output,
        "capabilities": sorted(first.model.capabilities),
        "quotaRemaining": remaining,
        "quotaResets": resets,
        "available": verdict is None,
        "unavailableReason": None if verdict is None else verdict.reason,
        "estimatedLatency": min(latencies, default=None),
        "free": any(not one.billable or books.health(one.id).covered for one in deployments),
        "local": first.local,
        "accounts": [one.account.idx for one in deployments],
    }  # fmt: skip


def _usd(rate: int | None, deployment: Deployment) -> float | None:
    """Dollars per million tokens; local models cost nothing, an unknown price is null."""
    if rate is None:
        return 0.0 if deployment.local else None
    return rate / MICRO_PER_USD


class Filter:
    """The query's filters; raises InvalidRequest for values that are none."""

    def __init__(self, request: web.Request) -> None:
        self._available = flag_query(request, "available")
        self._free = flag_query(request, "free")
        self._local = flag_query(request, "local")
        self._floor = number_query(request, "minIntelligence", 0, 10)
        self._capabilities = _words(text_query(request, "capability"))
        self._providers = _words(text_query(request, "provider"))

    def takes(self, row: Mapping[str, Any]) -> bool:
        flags = (
            (self._available, row["available"]),
            (self._free, row["free"]),
            (self._local, row["local"]),
        )
        if any(wanted is not None and wanted != value for wanted, value in flags):
            return False
        if self._floor is not None and (
            row["intelligence"] is None or row["intelligence"] < self._floor
        ):
            return False
        if self._providers and row["provider"] not in self._providers:
            return False
        return self._capabilities <= frozenset(row["capabilities"])


def _refusal(deployment: Deployment, books: BooksView, wall: float) -> Verdict | None:
    return books.paused(deployment, wall) or books.quota(deployment, _ONE, wall)


Windows = dict[tuple[str, int], list[Row]]


def _windows(rows: Iterable[Row]) -> Windows:
    """Windows by the account that they count for."""
    out: Windows = {}
    for row in rows:
        out.setdefault((str(row.get("provider")), int(row.get("account") or 0)), []).append(row)
    return out


def _quota(deployments: list[Deployment], windows: Windows) -> tuple[Any, str | None]:
    """What is left of the tightest known request window of the roomiest account, and its reset."""
    best: tuple[float, str | None] | None = None
    for one in deployments:
        known = [
            row
            for row in windows.get((one.provider.id, one.account.idx), ())
            if row.get("metric") == "requests"
            and isinstance(row.get("remaining"), (int, float))
            and row.get("model") in (None, one.model.id)
            and _concerns(row, one.model.id)
        ]
        if not known:
            continue
        tight = min(known, key=lambda row: float(row["remaining"]))
        if best is None or tight["remaining"] > best[0]:
            best = (tight["remaining"], tight.get("resetsAt"))
    return best if best is not None else (None, None)


def _concerns(row: Row, model: str) -> bool:
    """A pool of some models says nothing of the others."""
    pool = row.get("appliesTo") or ()
    return not pool or any(fnmatchcase(model, pattern) for pattern in pool)


def _id(row: Mapping[str, Any]) -> str:
    return f"{row['provider']}/{row['name']}"


def _words(value: str | None) -> frozenset[str]:
    return frozenset(word.strip() for word in (value or "").split(",") if word.strip())
