"""The control API, ``/_sim/…``: faults, state, bill, requests, providers, clock, reset.

For this machine only: it shows keys and can break every answer. Refuses callers
that are not on loopback, foreign ``Host`` and ``Origin`` headers (a web page must
not reach it), and a wrong ``X-Sim-Token`` where a token is set.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from aiohttp import web

from freeloader.simulator.profiles import FIRST_RUN, registry_document
from freeloader.simulator.service.engine import Engine
from freeloader.simulator.wire.refusals import captured_cases

_TOKEN = "X-Sim-Token"  # noqa: S105  (a header's name)
Answer = tuple[int, Any]


class Control:
    """Answers ``/_sim`` requests for one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._routes: dict[tuple[str, str], Callable[[Mapping[str, str], Any], Answer]] = {
            ("GET", "state"): lambda query, body: (200, engine.state()),
            ("GET", "bill"): lambda query, body: (200, engine.bill.as_dict(query.get("provider"))),
            ("GET", "requests"): self._requests,
            ("GET", "faults"): lambda query, body: (200, {"faults": engine.faults.as_list()}),
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "cases"): lambda query, body: (200, captured_cases()),
            ("GET", "registry"): self._registry,
            ("POST", "clock"): self._clock,
            ("POST", "reset"): self._reset,
        }

    async def answer(self, request: web.BaseRequest, tail: str) -> web.Response:
        """One control request. ``tail`` is the path after ``/_sim/``."""
        refused = self._refuse(request)
        if refused is not None:
            return _json(403, {"error": refused})
        try:
            raw = await request.read()
            body = orjson.loads(raw) if raw else {}
            status, payload = self._route(request, tail.strip("/"), body)
        except (ValueError, TypeError, KeyError) as error:
            return _json(400, {"error": str(error) or type(error).__name__})
        return _json(status, payload)

    def _route(self, request: web.BaseRequest, tail: str, body: Any) -> Answer:
        if tail == "redirected":
            return 200, {"redirected": True}
        head, _, name = tail.partition("/")
        if head == "providers" and name:
            return self._provider(request.method, name, body)
        handler = self._routes.get((request.method, tail))
        if not isinstance(body, dict) and (request.method, tail) != ("POST", "faults"):
            raise ValueError("the body must be a JSON object")
        if handler is None:
            known = sorted(f"{method} /_sim/{path}" for method, path in self._routes)
            return 404, {"error": f"no {request.method} /_sim/{tail}", "known": known}
        query = dict(request.query)
        query.setdefault("_base", f"{request.scheme}://{request.host}")
        return handler(query, body)

    def _refuse(self, request: web.BaseRequest) -> str | None:
        if not _loopback(request.remote or ""):
            return "the control API answers this machine only"
        origin = request.headers.get("Origin")
        for name in (request.host, urlsplit(origin).netloc if origin is not None else None):
            if name is not None and not _loopback(_host(name)):
                return "the control API answers loopback names only"
        token = self._engine.config.control_token
        given = request.headers.get(_TOKEN, "")
        if token is not None and not hmac.compare_digest(token.encode(), given.encode()):
            return f"{_TOKEN} is missing or wrong"
        return None

    def _requests(self, query: Mapping[str, str], body: Any) -> Answer:
        limit = int(query.get("limit", "1000"))
        return 200, {"requests": self._engine.requests(query.get("provider"), limit)}

    def _add_faults(self, query: Mapping[str, str], body: Any) -> Answer:
        listed = body if isinstance(body, list) else [body]
        if not all(isinstance(entry, Mapping) for entry in listed):
            raise ValueError("a fault is an object, or an array of them")
        return 201, {"faults": [self._engine.add_fault(entry) for entry in listed]}

    def _clear_faults(self, query: Mapping[str, str], body: Any) -> Answer:
        number = int(query["id"]) if "id" in query else None
        return 200, {"cleared": self._engine.faults.clear(query.get("provider"), number)}

    def _registry(self, query: Mapping[str, str], body: Any) -> Answer:
        names = query["providers"].split(",") if query.get("providers") else FIRST_RUN
        return 200, registry_document(query["_base"], names, self._engine.specs)

    def _clock(self, query: Mapping[str, str], body: Any) -> Answer:
        offset = self._engine.advance(float(body.get("advanceSeconds", 0)))
        return 200, {"now": self._engine.now(), "clockOffsetSeconds": offset}

    def _reset(self, query: Mapping[str, str], body: Any) -> Answer:
        self._engine.reset()
        return 200, {"reset": True}

    def _provider(self, method: str, name: str, body: Any) -> Answer:
        if method == "PUT":
            spec = self._engine.put_provider(name, body)
            return 200, {"provider": spec.name, "style": spec.style, "models": list(spec.models)}
        if method == "DELETE" and self._engine.drop_provider(name):
            return 200, {"deleted": name}
        if method == "GET" and name in self._engine.specs:
            document = registry_document("", [name], self._engine.specs)
            return 200, document["providers"][name]
        return 404, {"error": f"no provider {name!r}"}


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(netloc: str) -> str:
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0]
    return netloc.rpartition(":")[0] if ":" in netloc else netloc


def _json(status: int, payload: Any) -> web.Response:
    data = orjson.dumps(payload)
    return web.Response(status=status, body=data, content_type="application/json")
