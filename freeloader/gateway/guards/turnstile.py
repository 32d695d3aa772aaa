"""How many requests begin at once: a few per turn of the event loop, the others in line.

A thousand that come in one moment would otherwise all be read and decided before anybody
else (the owner's routes, answers that are due, time limits) has a turn. The line is bounded
in length and in time; who finds it full is told so at once, before the body is read.
"""

from __future__ import annotations

import asyncio
from collections import deque

from freeloader.errors import Unavailable

#: Requests that begin in one turn of the loop: some tens of milliseconds at most.
PER_TURN = 8
#: Requests in line.
LINE_MAX = 1024
#: Who stood in line for so long is told to come back.
PATIENCE_S = 10.0
_RETRY_S = 2.0


class Turnstile:
    """One per server; used from its loop alone."""

    def __init__(
        self, per_turn: int = PER_TURN, line_max: int = LINE_MAX, patience: float = PATIENCE_S
    ) -> None:
        self._per_turn, self._line_max, self._patience = per_turn, line_max, patience
        self._line: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._passed = 0
        self._turning = False

    def __len__(self) -> int:
        return len(self._line)

    async def enter(self) -> None:
        """At once, or in turn. Raises Unavailable (``overloaded``) where the line is too long."""
        loop = asyncio.get_running_loop()
        if not self._line and self._passed < self._per_turn:
            self._passed += 1
            self._turn_soon(loop)
            return
        if len(self._line) >= self._line_max:
            raise _overloaded(f"{len(self._line)} requests wait to be begun")
        turn = loop.create_future()
        self._line.append((loop.time(), turn))
        self._turn_soon(loop)
        await turn

    def _turn_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._turning:
            self._turning = True
            loop.call_soon(self._turn)

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        self._turning, self._passed = False, 0
        late = loop.time() - self._patience
        while self._line and self._passed < self._per_turn:
            since, turn = self._line.popleft()
            if turn.done():
                continue  # its client left
            if since < late:
                turn.set_exception(_overloaded("This request stood in line for too long"))
                continue
            turn.set_result(None)
            self._passed += 1
        if self._passed:
            self._turn_soon(loop)  # the next turn's are counted anew


def _overloaded(why: str) -> Unavailable:
    return Unavailable(f"{why}. Try again in a moment.", code="overloaded", retry_after=_RETRY_S)
