"""One run → one JSON answer, or the error it ended with. Streams are ``sse``'s.

Waits for the run, bounded by the server's longest request; a client that goes
away abandons it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from aiohttp import web

from freeloader.core.events import Delta, End, Fault, Usage
from freeloader.errors import FreeloaderError, UpstreamFailed, UpstreamTimeout
from freeloader.gateway.errors_http import dumps
from freeloader.gateway.limits import within
from freeloader.gateway.surfaces.fields import safe_name
from freeloader.money import Meters

_SAFE_CHARS = 1000
RunEvent = Delta | Usage | End | Fault


class Run(Protocol):
    """One request under way, as ``gateway.pipeline`` makes it."""

    @property
    def decision_id(self) -> str: ...

    async def first(self, timeout: float) -> bool: ...

    def headers(self) -> dict[str, str]: ...

    def routing(self) -> dict[str, Any]: ...

    def accounting(self) -> dict[str, Any]: ...

    def budget(self) -> dict[str, Any]: ...

    def events(self) -> AsyncIterator[RunEvent]: ...

    def abandon(self) -> None: ...


@dataclass(slots=True)
class Whole:
    """A finished JSON answer: its body and what the provider said of usage."""

    data: dict[str, Any]
    usage: Usage | None = None


Shape = Callable[[Whole, Run], Mapping[str, Any]]


async def answer_json(
    run: Run, shape: Shape, dropped: tuple[str, ...], longest_seconds: float
) -> web.Response:
    """The whole answer. Raises FreeloaderError; abandons the run if it does not finish here."""
    finished = False
    try:
        with within(longest_seconds):
            while not await run.first(inf):
                pass
            whole = await collect(run)
        finished = True
    except TimeoutError as error:
        raise too_long(longest_seconds) from error
    except FreeloaderError:
        finished = True  # the run ended by itself
        raise
    finally:
        if not finished:
            run.abandon()
    return web.Response(
        body=dumps(shape(whole, run)),
        content_type="application/json",
        headers=answer_headers(run, dropped),
    )


async def collect(run: Run) -> Whole:
    """The JSON answer of a run that is ready. Raises FreeloaderError."""
    data: dict[str, Any] | None = None
    usage: Usage | None = None
    async for event in run.events():
        if isinstance(event, Delta):
            data = event.data
        elif isinstance(event, Usage):
            usage = event
        elif isinstance(event, Fault):
            raise fault_error(event)
    if data is None:
        raise UpstreamFailed("The provider's answer was empty; send the request again.")
    if usage is None and isinstance(data.get("usage"), dict):
        return Whole(data, _usage_of(data))
    return Whole(data, usage)


def _usage_of(data: Mapping[str, Any]) -> Usage:

    return Usage(Meters(), raw=data["usage"])


def answer_headers(run: Run, dropped: tuple[str, ...]) -> dict[str, str]:
    """The decision headers of an answer, and what was dropped from its body."""
    headers = run.headers()
    together = "".join(headers.values())
    if not (together.isascii() and together.isprintable() and len(together) <= _SAFE_CHARS):
        headers = {name: header_safe(value) for name, value in headers.items()}
    headers.setdefault("X-Freeloader-Decision-Id", header_safe(run.decision_id))
    # What the provider's adapter does not take is named by the run itself.
    also = headers.pop("X-Freeloader-Dropped", "")
    if not also and not dropped:
        return headers
    every = (*dropped, *(name for name in also.split(", ") if name and name not in dropped))
    return {**headers, **dropped_header(every)}


def dropped_header(dropped: tuple[str, ...]) -> dict[str, str]:
    """``X-Freeloader-Dropped``, where there is something to name."""
    if not dropped:
        return {}
    return {"X-Freeloader-Dropped": ", ".join(safe_name(name) for name in dropped[:60])}


def header_safe(value: str) -> str:
    """Text fit for a header: one line of printable ASCII, at most 1,000 characters."""
    if value.isascii() and value.isprintable() and len(value) <= _SAFE_CHARS:
        return value
    plain = value.replace("–", "-").replace("—", "-").replace("’", "'")
    return "".join(c if " " <= c <= "~" else "?" for c in plain[:_SAFE_CHARS])


def fault_error(fault: Fault) -> FreeloaderError:
    """What a broken stream is called to the client; the provider's text is not repeated."""
    answer = fault.answer
    details = {"phase": answer.phase, "status": answer.status}
    if answer.timeout:
        return UpstreamTimeout(
            "The provider stopped in the middle of its answer; send the request again.",
            details=details,
        )
    return UpstreamFailed(
        "The provider broke off in the middle of its answer; send the request again.",
        details=details,
    )


def too_long(seconds: float) -> UpstreamTimeout:
    """The error for a request that took longer than the server allows."""
    return UpstreamTimeout(
        f"No answer within {seconds:g} seconds (server.request_seconds_max); "
        "ask for less, or for a faster model."
    )
