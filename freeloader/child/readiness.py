"""Is a worker alive, and is it warm? Asked over its socket; decides nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from freeloader.child.config import WARM_ENTRY
from freeloader.child.process import Worker

_POLL_SECONDS = 0.1
_CALL_SECONDS = 30.0
_MESSAGES = [{"role": "user", "content": "."}]
#: One call per surface: the first of each costs up to a second of LiteLLM's lazy imports.
_CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/chat/completions", {"messages": _MESSAGES}),
    ("/v1/chat/completions", {"messages": _MESSAGES, "stream": True}),
    ("/v1/completions", {"prompt": "."}),
    ("/v1/completions", {"prompt": ".", "stream": True}),
)
#: Where a child hears of that: see ``inside.door``.
_OVER = "/health/warm"


async def alive(worker: Worker, timeout: float) -> bool:
    """One liveliness probe, at most ``timeout`` seconds."""
    limit = aiohttp.ClientTimeout(total=timeout)
    try:
        async with worker.session.get("/health/liveliness", timeout=limit) as answer:
            await answer.read()
            return answer.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def until_alive(worker: Worker, timeout: float) -> None:
    """Ask until it answers or its process has ended; the deadline is the machine's."""
    while worker.exited is None:
        if worker.socket.exists() and await alive(worker, timeout):
            return
        await asyncio.sleep(_POLL_SECONDS)


async def warm(worker: Worker) -> None:
    """Make the warm-up calls and say that they are over; any answer will do.

    Raises ClientError, OSError or TimeoutError.
    """
    limit = aiohttp.ClientTimeout(total=_CALL_SECONDS)
    for path, body in _CALLS:
        wanted = {"model": WARM_ENTRY, "api_key": "none", **body}
        async with worker.session.post(path, json=wanted, timeout=limit) as answer:
            await answer.read()
    async with worker.session.get(_OVER, timeout=limit) as answer:
        await answer.read()
