"""Which way an attempt goes: through the child, or directly. It sends nothing itself.

``litellm``: the child does the calls; what it cannot do now (it starts, it died, it does
not know the entry yet) goes directly where the wire allows. ``auto``: directly wherever
the wire allows. ``direct``: never through the child.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from math import inf

from freeloader.core.events import Event, Fault
from freeloader.core.model import Attempt, Deployment
from freeloader.gateway.lanes.base import Lane, Sending
from freeloader.gateway.lanes.direct.lane import DirectLane
from freeloader.gateway.lanes.remembering import Remembered

LITELLM, AUTO, DIRECT = "litellm", "auto", "direct"
#: After the child broke off a call, so long (seconds) nobody asks it who need not: its
#: end is known only when its process has been waited for.
_DOUBT_S = 2.0


class Lanes:
    """See ``gateway.lanes.base.Lane``. ``mode`` is asked anew for each attempt."""

    def __init__(
        self,
        child: Lane,
        direct: DirectLane,
        knows: Callable[[Deployment], bool],
        mode: Callable[[], str],
    ) -> None:
        self._child = child
        self._direct = direct
        self._speaks = Remembered(direct.takes)
        self._knows = knows
        self._mode = mode
        self._doubt = -inf

    def send(self, attempt: Attempt) -> Sending:
        """The attempt's events, by the way that is open to it."""
        mode, deployment = self._mode(), attempt.deployment
        if not self._speaks.of(deployment):
            return self._direct.send(attempt) if mode == DIRECT else self._child.send(attempt)
        doubtful = asyncio.get_running_loop().time() < self._doubt
        if mode != LITELLM or doubtful or not self._knows(deployment):
            return self._direct.send(attempt)
        return self._child_first(attempt)

    async def _child_first(self, attempt: Attempt) -> AsyncGenerator[Event, None]:
        """Through the child; directly where that ended before anything was sent."""
        async with aclosing(self._child.send(attempt)) as events:
            async for event in events:
                if isinstance(event, Fault) and event.answer.lane_fault:
                    self._doubt = asyncio.get_running_loop().time() + _DOUBT_S
                    if event.answer.phase == "connect":  # provably nothing was sent
                        break
                yield event
            else:
                return
        async with aclosing(self._direct.send(attempt)) as events:
            async for event in events:
                yield event
