"""LiteLLM's failure hook: remembers what class of error it made of a provider's answer.

Named in the child's config, loaded by LiteLLM, in the child only. The status,
headers and body come from the tap where the call went over HTTP; for the rest
they are looked for on the exception and its causes. It answers nothing itself:
``inside.door`` puts what is known on the response.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from freeloader.child.heads import bounded_headers
from freeloader.child.inside.tap import current
from freeloader.child.inside.wire import BODY_BYTES, Wire

_MESSAGE_CHARS = 1000
_IMAGE = "ImageFetchError"


class Recorder(CustomLogger):  # type: ignore[misc]
    """Writes the failure onto the request's ``Wire``; never changes the answer."""

    async def async_post_call_failure_hook(
        self,
        request_data: dict[str, Any],
        original_exception: Exception,
        user_api_key_dict: Any,
        traceback_str: str | None = None,
    ) -> None:
        wire = current()
        if wire is not None:
            record(wire, original_exception)


def record(wire: Wire, error: Exception) -> None:
    """Note class, code and message; status, headers and body only where the tap saw none."""
    wire.failed = True
    wire.error_class = type(error).__name__
    wire.message = str(getattr(error, "message", error))[:_MESSAGE_CHARS]
    if wire.error_class == _IMAGE:
        return  # the answer on this exception is the image host's, whom the client chose
    for cause in _chain(error):
        wire.code = wire.code or _code(cause)
        response = getattr(cause, "response", None)
        if wire.status is None and response is not None and wire.calls == 0:
            _from_response(wire, response)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen and len(seen) < 8:
        seen.add(id(error))
        yield error
        inner = getattr(error, "original_exception", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__


def _code(error: BaseException) -> str | None:
    """The provider's own error code, where the SDK kept the parsed body."""
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        code = inner.get("code") if isinstance(inner, dict) else None
        return str(code) if code is not None else None
    return None


def _from_response(wire: Wire, response: Any) -> None:
    """An adapter that does not use httpx put a response on its exception: take that."""
    status = getattr(response, "status_code", None)
    headers = getattr(response, "headers", None)
    # LiteLLM invents responses for errors that it raised itself: those name its own pages.
    address = str(getattr(getattr(response, "_request", None), "url", ""))
    if not isinstance(status, int) or "litellm.ai" in address:
        return
    wire.status = status
    wire.headers = bounded_headers(headers) if headers is not None else {}
    content = getattr(response, "_content", b"")
    wire.body = content[:BODY_BYTES] if isinstance(content, bytes) else b""


recorder = Recorder()
