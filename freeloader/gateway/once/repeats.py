"""``Idempotency-Key``: the first result is kept for a day and given again; nothing is done twice.

The same key with another body, or while the first is under way, is 409. An error that
consumed nothing is not kept: then trying again is what the key is for. A request that
a crash cut off may have been billed, so that its key is never tried again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import orjson
from aiohttp import web

from freeloader.clock import Clock
from freeloader.core.model import Caller
from freeloader.errors import Conflict, FreeloaderError, InvalidRequest, UpstreamError
from freeloader.gateway.errors_http import error_response
from freeloader.gateway.once.recorder import RECORDER, Recorder, unpacked
from freeloader.gateway.tools import Tasks
from freeloader.store.replays import Replay

HEADER = "Idempotency-Key"
#: How long a first answer is kept, in seconds.
KEPT_S = 24 * 3600.0
_KEY_CHARS = 255
_AGAIN_S = 1.0
_CODE = "idempotency_conflict"

_log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[web.StreamResponse]]


class Shelf(Protocol):
    """Where first answers are kept (``store.replays``)."""

    async def take(self, replay: Replay, since: float) -> Replay | None: ...

    async def keep(self, name: str, boot: str, answer: bytes | None) -> None: ...

    async def free(self, name: str, boot: str) -> None: ...


class Seal(Protocol):
    def seal(self, plain: bytes, name: str) -> bytes: ...

    def unseal(self, sealed: bytes, name: str) -> bytes: ...


class Repeats:
    """One per daemon. ``boot`` names this process among those that used the shelf."""

    def __init__(self, shelf: Shelf, box: Seal, clock: Clock, tasks: Tasks, boot: str) -> None:
        self._shelf, self._box = shelf, box
        self._clock, self._tasks, self._boot = clock, tasks, boot
        self._live: dict[str, Replay] = {}

    async def once(
        self, request: web.Request, caller: Caller, body: Mapping[str, Any], work: Work
    ) -> web.StreamResponse:
        """``work``'s answer, or the first one's. Raises Conflict, InvalidRequest, and as ``work``.

        Without the header it is ``work`` alone.
        """
        given = request.headers.getall(HEADER, [])
        if not given:
            return await work()
        name = _name(given, caller, request.path)
        mine = Replay(name, _print(request, body), self._clock.now().wall, self._boot)
        # A task of its own: a client that leaves will come back for the answer, also where it
        # left while the name was being taken.
        doing = self._tasks.start(self._once(request, mine, work), f"once {name[:8]}")
        return await asyncio.shield(doing)

    async def _once(self, request: web.Request, mine: Replay, work: Work) -> web.StreamResponse:
        # What is under way is never too old, whatever the clock says by now.
        found = self._live.get(mine.name) or await self._shelf.take(mine, mine.at - KEPT_S)
        if found is not None:
            return self._again(found, mine)
        self._live[mine.name] = mine
        recorder = request[RECORDER] = Recorder()
        return await self._do(mine.name, recorder, work)

    async def _do(self, name: str, recorder: Recorder, work: Work) -> web.StreamResponse:
        try:
            response = await work()
            recorder.whole(response)
            await self._keep(name, recorder)
        except FreeloaderError as error:
            if not _consumed(error):
                await self._free(name)
                raise
            answer = error_response(error)
            answer.headers["x-should-retry"] = "false"  # it would get this very answer again
            recorder.whole(answer)
            await self._keep(name, recorder)
            raise
        finally:
            self._live.pop(name, None)
        return response

    async def _keep(self, name: str, recorder: Recorder) -> None:
        """Where that fails the name stays taken: nothing is billed twice."""
        packed = recorder.packed()
        try:
            sealed = None if packed is None else self._box.seal(packed, name)
            await self._shelf.keep(name, self._boot, sealed)
        except FreeloaderError as problem:
            _log.error("a first answer was not kept: %s", problem.message)

    async def _free(self, name: str) -> None:
        try:
            await self._shelf.free(name, self._boot)
        except FreeloaderError as problem:
            _log.error("an Idempotency-Key stays taken: %s", problem.message)

    def _again(self, found: Replay, mine: Replay) -> web.StreamResponse:
        if found.print != mine.print:
            raise Conflict(
                f"This {HEADER} was used with another request in the last 24 hours. "
                "Use a new key for a new request.",
                code=_CODE,
            )
        if found.name in self._live:
            raise Conflict(
                f"The first request with this {HEADER} is still under way. "
                "Ask again in a moment: its answer is kept.",
                code=_CODE,
                retry_after=_AGAIN_S,
            )
        if found.answer is None:
            large = "had an answer too large to be kept"
            why = large if found.state == "kept" else "was cut off in the middle"
            raise Conflict(
                f"The first request with this {HEADER} {why}, and may have been billed. "
                "`xswarm decisions` shows it; use a new key to do it again.",
                code=_CODE,
            )
        try:
            return unpacked(self._box.unseal(found.answer, found.name))
        except (ValueError, KeyError):
            raise Conflict(
                f"The answer kept for this {HEADER} cannot be read any more. Use a new key.",
                code=_CODE,
            ) from None


def _name(given: list[str], caller: Caller, path: str) -> str:
    """What the key is called here: of each caller and route its own, and not the key itself."""
    key = given[0]
    if (
        len(given) > 1
        or not 0 < len(key) <= _KEY_CHARS
        or not (key.isascii() and key.isprintable())
    ):
        raise InvalidRequest(
            f"{HEADER} must be given once, as 1 to {_KEY_CHARS} printable ASCII characters.",
            param=HEADER,
        )
    return hashlib.sha256(f"{caller.key_id}\0{path}\0{key}".encode()).hexdigest()


def _print(request: web.Request, body: Mapping[str, Any]) -> str:
    """A digest of what is asked: the body, and the headers that direct how it is answered."""
    directing = sorted(
        (name.lower(), value)
        for name, value in request.headers.items()
        if name.lower().startswith("x-freeloader-")
    )
    text = orjson.dumps([body, directing], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def _consumed(error: FreeloaderError) -> bool:
    """True where an attempt may have been billed."""
    attempts = error.details.get("attempts")
    rows = attempts if isinstance(attempts, list) else []
    if isinstance(error, UpstreamError) and not rows:
        return True  # something was sent, and nobody says what became of it
    return any(isinstance(row, dict) and row.get("basis") != "released" for row in rows)
