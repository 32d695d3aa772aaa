"""Typed errors → status, body and headers of the wire. Knows HTTP, raises nothing itself.

One table from error class (and a few codes) to status; the body is the same on
every route: ``{"error": {message, type, code, param, decisionId, details}}``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from freeloader import errors

#: Official clients ignore a ``Retry-After`` over two minutes and retry at once.
LONGEST_RETRY_SECONDS = 120

_BY_CODE: Mapping[str, int] = {
    "request_timeout": 408,
    "unsupported_media_type": 415,
    "method_not_allowed": 405,
    "headers_too_large": 431,
    "uri_too_long": 414,
}

#: Messages name what a client sent, which may be megabytes long: characters that are enough.
_MESSAGE_MAX, _PARAM_MAX = 4_000, 256

#: Nearest class first: the first that fits wins.
_BY_CLASS: tuple[tuple[type[errors.FreeloaderError], int], ...] = (
    (errors.ModelNotFound, 404),
    (errors.BodyTooLarge, 413),
    (errors.InvalidRequest, 400),
    (errors.Unauthorized, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.NoModelPassesGates, 422),
    (errors.BudgetExceeded, 402),
    (errors.PriceUnknown, 402),
    (errors.QuotaExhausted, 429),
    (errors.RateLimited, 429),
    (errors.BudgetBusy, 429),
    (errors.UpstreamTimeout, 504),
    (errors.UpstreamError, 502),
    (errors.NotImplementedYet, 501),
    (errors.ConfigError, 400),
    (errors.SecretStoreError, 503),
    (errors.Unavailable, 503),
)

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    501: "not_implemented_error",
    502: "upstream_error",
    503: "server_error",
    504: "upstream_error",
}

#: What the owner is told of a bug; the details are in the log, by request id.
INTERNAL_MESSAGE = (
    "Something went wrong inside the daemon; `xswarm logs` has the details under this request's id."
)


class InternalError(errors.FreeloaderError):
    """Stands for a bug: its message says nothing of what happened inside."""

    code = "internal_error"

    def __init__(self) -> None:
        super().__init__(INTERNAL_MESSAGE)


def status_of(error: errors.FreeloaderError) -> int:
    """The HTTP status of an error; 500 for what the table does not know."""
    by_code = _BY_CODE.get(error.code)
    if by_code is not None:
        return by_code
    for kind, status in _BY_CLASS:
        if isinstance(error, kind):
            return status
    return 500


def error_object(error: errors.FreeloaderError, decision_id: str | None = None) -> dict[str, Any]:
    """The contract's error object, JSON-ready; the same in bodies and in streams."""
    known = error.details.get("decisionId")
    return {
        "message": _cut(error.message, _MESSAGE_MAX),
        "type": _TYPES.get(status_of(error), "invalid_request_error"),
        "code": error.code,
        "param": None if error.param is None else _cut(error.param, _PARAM_MAX),
        "decisionId": decision_id or (known if isinstance(known, str) else None),
        "details": {k: v for k, v in error.details.items() if k != "decisionId"} or None,
    }


#: Statuses that say when to come back; for "never" nothing is said.
_WAITING = frozenset({408, 409, 429, 500, 502, 503, 504})


def error_headers(error: errors.FreeloaderError) -> dict[str, str]:
    """``Retry-After`` (whole seconds, rounded up) and ``x-should-retry`` where it cannot help."""
    status = status_of(error)
    out: dict[str, str] = {}
    wait = error.retry_after
    if wait is not None and math.isfinite(wait) and status in _WAITING:
        out["Retry-After"] = str(max(1, math.ceil(wait)))
    if not _retry_helps(status, error.retry_after):
        out["x-should-retry"] = "false"
    if status == 401:
        out["WWW-Authenticate"] = 'Bearer realm="xswarm"'
    return out


def error_response(
    error: errors.FreeloaderError,
    decision_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """The whole answer for an error; ``headers`` are added to it."""
    status = status_of(error)
    response = web.Response(
        status=status,
        body=dumps({"error": error_object(error, decision_id)}),
        content_type="application/json",
        headers={**(headers or {}), **error_headers(error)},
    )
    if status in (408, 413):
        response.force_close()  # the rest of the body is not wanted
    return response


def dumps(value: object) -> bytes:
    """JSON bytes; what JSON does not know (sets, dates of libraries) becomes text."""
    try:
        return orjson.dumps(value, default=_plain)
    except orjson.JSONEncodeError:  # keys that are no text, which take twice the time
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def _cut(text: str, most: int) -> str:
    """At most so many characters: its beginning, and its end, where the advice is."""
    if len(text) <= most:
        return text
    half = most // 2 - 1
    return f"{text[:half]}…{text[-half:]}"


def _plain(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _retry_helps(status: int, wait: float | None) -> bool:
    if status in (408, 500, 502, 504):
        return wait is None or wait <= LONGEST_RETRY_SECONDS
    if status in (409, 429, 503):
        return wait is not None and wait <= LONGEST_RETRY_SECONDS
    return False
