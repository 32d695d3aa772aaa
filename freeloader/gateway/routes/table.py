"""What a route is: one row that the server, the key check and the OpenAPI document share.

A route without a row does not exist, and a row without access cannot be made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from freeloader.core.model import Caller
from freeloader.errors import InvalidRequest
from freeloader.gateway.errors_http import dumps
from freeloader.settings.spelling import nearest, snake

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CALLER = web.RequestKey("caller", Caller)
REQUEST_ID = web.RequestKey("request_id", str)
DECISION_ID = web.RequestKey("decision_id", str)
ERROR_HEADERS = web.RequestKey("error_headers", dict)


@dataclass(frozen=True, slots=True)
class Query:
    """One query parameter, as documented and as accepted."""

    name: str
    schema: Mapping[str, Any]
    about: str


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. ``access`` is ``keys.PUBLIC|INFO|INFERENCE|ADMIN``.

    ``body`` and ``answer`` are JSON schemas, or names of shared ones (``#Name``); ``media``
    are the types of an answer that is text. ``begins``: what it asks for is sent to a model, and
    is in flight meanwhile.
    """

    method: str
    path: str
    handler: Handler
    access: str
    summary: str
    tag: str
    body: Mapping[str, Any] | str | None = None
    answer: Mapping[str, Any] | str | None = None
    query: tuple[Query, ...] = ()
    built: bool = True
    streams: bool = False
    begins: bool = False
    created: bool = False
    media: tuple[str, ...] = ()


def json_response(value: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(status=status, body=dumps(value), content_type="application/json")


def flag_query(request: web.Request, name: str) -> bool | None:
    """A yes/no query parameter; None where absent. Raises InvalidRequest."""
    value = _single(request, name)
    if value is None:
        return None
    lowered = value.lower()
    if lowered in ("true", "1", "yes"):
        return True
    if lowered in ("false", "0", "no"):
        return False
    raise InvalidRequest(f"{name} must be true or false.", param=name)


def number_query(request: web.Request, name: str, low: float, high: float) -> float | None:
    """A number within bounds; None where absent. Raises InvalidRequest."""
    value = _single(request, name)
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise InvalidRequest(f"{name} must be a number from {low:g} to {high:g}.", param=name)
    return number


def text_query(request: web.Request, name: str, longest: int = 256) -> str | None:
    """Text of a bounded length; None where absent or empty. Raises InvalidRequest."""
    value = _single(request, name)
    if value is not None and (len(value) > longest or not value.isprintable()):
        raise InvalidRequest(f"{name} must be at most {longest} printable characters.", param=name)
    return value or None


def word_query(request: web.Request, query: Query) -> str | None:
    """A word of those that the query's schema lists; None where absent. Raises InvalidRequest.

    Only that there is a word is seen to here: whoever reads it knows its other spellings, and
    the nearest of an unknown one.
    """
    value = text_query(request, query.name)
    if value is None and _single(request, query.name) is not None:
        words = ", ".join(query.schema["enum"])
        raise InvalidRequest(f"{query.name} is empty; it is one of: {words}.", param=query.name)
    return value


def known_query(request: web.Request, known: tuple[Query, ...]) -> None:
    """Raises InvalidRequest for a query parameter that the route does not have."""
    names = {snake(one.name): one.name for one in known}
    for name in request.query:
        if snake(name) not in names:
            close = nearest(name, names.values())
            listed = ", ".join(sorted(names.values())) or "none"
            hint = f"did you mean {close!r}?" if close else f"known are: {listed}."
            raise InvalidRequest(f"Unknown query parameter {name[:64]!r}; {hint}", param=name[:64])


def _single(request: web.Request, name: str) -> str | None:
    values = [value for key, value in request.query.items() if snake(key) == snake(name)]
    if len(values) > 1:
        raise InvalidRequest(f"{name} is given more than once.", param=name)
    return values[0] if values else None
