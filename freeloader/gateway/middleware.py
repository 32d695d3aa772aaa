"""The one way in and the one error boundary: every request passes here, once.

Order: request id, raw target, Host, Origin, preflight, key and role, then the
route. Whatever goes wrong becomes the contract's error body; once an answer has
begun, nothing can be mended and the connection is cut instead. It parses no bodies.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import hdrs, web

from freeloader.clock import Clock
from freeloader.core.model import Caller
from freeloader.errors import (
    BodyTooLarge,
    Forbidden,
    FreeloaderError,
    InvalidRequest,
    NotFound,
    RateLimited,
    Unavailable,
)
from freeloader.gateway import keys
from freeloader.gateway.errors_http import InternalError, error_response
from freeloader.gateway.guards.body import CLAIM, check_content
from freeloader.gateway.guards.hosts import (
    HostPort,
    cross_site,
    host_allowed,
    is_listed,
    origin_allowed,
    parse_host,
)
from freeloader.gateway.guards.memory import BodyRoom, memory_left
from freeloader.gateway.guards.rates import Rates
from freeloader.gateway.guards.turned_away import TurnedAway
from freeloader.gateway.guards.turnstile import Turnstile
from freeloader.gateway.routes.table import CALLER, DECISION_ID, ERROR_HEADERS, REQUEST_ID, Route
from freeloader.gateway.services import KeysManager, ServerSettings
from freeloader.logs import bind

log = logging.getLogger("freeloader.gateway")

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_EXPOSED = (
    "X-Request-Id, Retry-After, X-Freeloader-Decision-Id, X-Freeloader-Provider, "
    "X-Freeloader-Model, X-Freeloader-Strategy, X-Freeloader-Reason, X-Freeloader-Attempts, "
    "X-Freeloader-Cost-Usd, X-Freeloader-Dropped, X-Freeloader-Privacy, "
    "X-Freeloader-Substituted, X-Freeloader-Max-Tokens, X-Freeloader-Budget-Action"
)
#: What a web page can send anywhere without asking.
_FORMS = frozenset({"text/plain", "application/x-www-form-urlencoded", "multipart/form-data"})
_HOSTS_MAX = 64
ORIGIN = web.RequestKey("allowed_origin", str)
STARTED = web.RequestKey("started_response", web.StreamResponse)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Front:
    """Admits requests and turns failures into answers."""

    def __init__(
        self,
        routes: Mapping[web.AbstractRoute, Route],
        keyring: KeysManager,
        settings: Callable[[], ServerSettings],
        state: Callable[[], str],
        clock: Clock,
        new_id: Callable[[], str],
        turned: TurnedAway,
        admit: Callable[[int], None],
    ) -> None:
        self._routes = routes
        self._keyring = keyring
        self._settings = settings
        self._state = state
        self._clock = clock
        self._new_id = new_id
        self._turned = turned
        self._admit = admit
        self._rates = Rates()
        self._hosts = _Hosts()
        self._bodies = BodyRoom(memory_left())
        self._turnstile = Turnstile()

    @web.middleware
    async def boundary(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer one request, whatever happens."""
        started = self._clock.now().mono
        request[REQUEST_ID] = ident = self._request_id(request)
        try:
            with bind(request_id=ident):  # also for the tasks begun in there
                response = await self._admitted(request, handler)
        except FreeloaderError as error:
            self._turned.note(error.code, self._clock.now(), _called(request, error.code))
            response = self._failed(request, error)
        except web.HTTPException as error:
            response = self._failed(request, _from_aiohttp(request, error), _allow(error))
        except ConnectionResetError:
            response = self._cut(request)  # the client left in the middle of an answer
        except MemoryError:
            response = self._failed(request, _no_memory())
        except Exception as error:
            log.error("request %s failed inside", request[REQUEST_ID], exc_info=error)
            response = self._failed(request, InternalError())
        finally:
            if (claim := request.get(CLAIM)) is not None:
                claim.end()
        self._note(request, response, started)
        return response

    async def decorate(self, request: web.Request, response: web.StreamResponse) -> None:
        """Headers of every answer; runs as the head is about to go out."""
        request[STARTED] = response
        headers = response.headers
        headers["X-Request-Id"] = request.get(REQUEST_ID, "")
        headers["X-Content-Type-Options"] = "nosniff"
        headers.setdefault("Cache-Control", "no-store")
        origin = request.get(ORIGIN) if hdrs.ORIGIN in request.headers else None
        headers.add("Vary", "Origin")
        if origin is not None:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _EXPOSED

    async def _admitted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.raw_path.startswith("/") or request.raw_path.startswith("//"):
            raise InvalidRequest("The request target must be a path that begins with one slash.")
        self._check_source(request)
        if _is_preflight(request):
            return _preflight(request)
        route = self._routes.get(request.match_info.route)
        if route is None or route.access != keys.PUBLIC:
            caller = keys.authenticate(request.headers, self._keyring.authenticate)
            request[CALLER] = caller
            if route is not None:
                keys.authorize(caller, route.access)
                self._check_rate(caller, route)
                may_wait = route.access == keys.INFERENCE
                if route.begins:  # who will be refused is told so before standing in line
                    self._admit(len(self._turnstile))
                if may_wait:
                    await self._turnstile.enter()
                request[CLAIM] = self._bodies.claim(may_wait=may_wait)
        if request.body_exists or request.content_type in _FORMS:
            check_content(request)  # also where no route reads it: a form may change nothing
        return await handler(request)

    def _check_rate(self, caller: Caller, route: Route) -> None:
        """Raises RateLimited where the owner limits this key; only inference counts."""
        limit = self._keyring.rate_limit(caller.key_id)
        if limit is None or route.access != keys.INFERENCE:
            return
        wait = self._rates.take(caller.key_id, limit, self._clock.now().mono)
        if wait is not None:
            raise RateLimited(
                f"This key may make {limit} requests a minute; wait {wait:.1f} seconds.",
                retry_after=wait,
                details={"requestsPerMinute": limit},
            )

    def _check_source(self, request: web.Request) -> None:
        """Raises Forbidden for a Host or Origin that is not ours."""
        settings = self._settings()
        raw = request.headers.getall(hdrs.HOST, [])
        bound = _bound(request, settings.host)
        host = self._hosts.allowed(raw[0], bound, settings) if len(raw) == 1 else None
        if host is None:
            raise Forbidden(
                "This Host is not one of the daemon's names; "
                "add it to server.allowed_hosts in the settings if it should be.",
                code="host_not_allowed",
            )
        self._check_origin(request, host, bound, settings)

    def _check_origin(
        self, request: web.Request, host: HostPort, bound: tuple[str, ...], settings: ServerSettings
    ) -> None:
        origins = request.headers.getall(hdrs.ORIGIN, [])
        if not origins and "Sec-Fetch-Site" not in request.headers:
            return
        allowed = len(origins) == 1 and origin_allowed(
            origins[0],
            host,
            request.scheme,
            bound,
            settings.allowed_hosts,
            settings.cors_origins,
        )
        # A browser calls even our own other names cross-site: only what is listed may do that.
        listed = allowed and is_listed(origins[0], settings.cors_origins)
        strange = cross_site(request.headers.getall("Sec-Fetch-Site", [])) and not listed
        if strange or (origins and not allowed):
            raise Forbidden(
                "A web page of another origin may not call the daemon; "
                "add it to server.cors_origins in the settings if it should.",
                code="origin_not_allowed",
            )
        if allowed:
            request[ORIGIN] = origins[0]

    def _request_id(self, request: web.Request) -> str:
        given = request.headers.get("X-Request-Id", "")
        return given if _REQUEST_ID.fullmatch(given) else self._new_id()

    def _failed(
        self,
        request: web.Request,
        error: FreeloaderError,
        headers: Mapping[str, str] | None = None,
    ) -> web.StreamResponse:
        if STARTED in request:
            log.warning("request %s broke after its answer began: %s",
                        request[REQUEST_ID], error.code)  # fmt: skip
            return self._cut(request)
        extra = {**request.get(ERROR_HEADERS, {}), **(headers or {})}
        response = error_response(error, request.get(DECISION_ID), extra)
        error.with_traceback(None)  # what was answered holds no frames, nor what is in them
        return response

    def _cut(self, request: web.Request) -> web.StreamResponse:
        """End the connection, so that half an answer never looks like a whole one."""
        if request.transport is not None:
            request.transport.abort()
        return request.get(STARTED) or web.Response(status=499)

    def _note(self, request: web.Request, response: web.StreamResponse, started: float) -> None:
        route = self._routes.get(request.match_info.route)
        # A probe's 503 is its answer, not a failure: the keeper says how the child is.
        probe = route is not None and route.path == "/ready"
        level = logging.WARNING if response.status >= 500 and not probe else logging.DEBUG
        if not log.isEnabledFor(level):
            return
        caller = request.get(CALLER)
        log.log(
            level,
            "%s %s %d in %.0f ms, key %s, request %s",
            request.method,
            route.path if route is not None else "(no route)",
            response.status,
            (self._clock.now().mono - started) * 1000,
            caller.key_id if caller is not None else "none",
            request[REQUEST_ID],
        )


def _called(request: web.Request, code: str) -> str:
    """The name that was refused, where a name was."""
    names = {"host_not_allowed": hdrs.HOST, "origin_not_allowed": hdrs.ORIGIN}
    return ", ".join(request.headers.getall(names[code], [])) if code in names else ""


def _no_memory() -> Unavailable:
    return Unavailable("There is no memory for this request; try again in a moment.",
                       code="overloaded", retry_after=2.0)  # fmt: skip


class _Hosts:
    """Hosts that were found to be ours: a program calls by the same name each time."""

    def __init__(self) -> None:
        self._of: ServerSettings | None = None
        self._known: dict[tuple[str, tuple[str, ...]], HostPort] = {}

    def allowed(
        self, raw: str, bound: tuple[str, ...], settings: ServerSettings
    ) -> HostPort | None:
        """The parsed ``Host``; None for one that may not be used."""
        if self._of is not settings or len(self._known) >= _HOSTS_MAX:
            self._of, self._known = settings, {}
        known = self._known.get((raw, bound))
        if known is not None:
            return known
        host = parse_host(raw)
        if host is None or not host_allowed(host, bound, settings.allowed_hosts):
            return None
        self._known[raw, bound] = host
        return host


def _bound(request: web.Request, configured: str) -> tuple[str, ...]:
    """The configured address, and the one that this connection arrived at."""
    transport = request.transport
    name = transport.get_extra_info("sockname") if transport is not None else None
    arrived = name[0] if isinstance(name, tuple) and name else None
    return (configured,) if arrived is None else (configured, str(arrived))


def _is_preflight(request: web.Request) -> bool:
    return (
        request.method == hdrs.METH_OPTIONS
        and hdrs.ORIGIN in request.headers
        and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    )


def _preflight(request: web.Request) -> web.Response:
    asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
    names = [name.strip() for name in asked.split(",")[:64]]
    headers = {
        "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
        "Access-Control-Allow-Headers": ", ".join(n for n in names if _HEADER_NAME.fullmatch(n))
        or "authorization, content-type",
        "Access-Control-Max-Age": "600",
    }
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        headers["Access-Control-Allow-Private-Network"] = "true"
    return web.Response(status=204, headers=headers)


def _from_aiohttp(request: web.Request, error: web.HTTPException) -> FreeloaderError:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return InvalidRequest(
            f"{request.method} is not offered here; use {allowed}.", code="method_not_allowed"
        )
    if isinstance(error, web.HTTPNotFound):
        return NotFound("There is no such route; GET /openapi.json lists what there is.")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return BodyTooLarge("The body is too large.")
    if error.status < 500:
        return InvalidRequest(f"The request cannot be read: {error.reason}.")
    return InternalError()


def _allow(error: web.HTTPException) -> dict[str, str]:
    if isinstance(error, web.HTTPMethodNotAllowed):
        return {"Allow": ", ".join(sorted(error.allowed_methods))}
    return {}
