"""Notices that the machine slept, and tells whoever holds connections. Decides nothing else.

While a laptop sleeps the monotonic clock, and with it every limit and deadline, stands
still; only the wall clock goes on. Connections do not survive that, and do not say so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from freeloader.clock import Clock, Instant, slept

_LOOK_S = 1.0

_log = logging.getLogger(__name__)


class Waking:
    """``woke`` is called after each sleep, within a second of it."""

    def __init__(self, clock: Clock, woke: Callable[[], None]) -> None:
        self._clock = clock
        self._woke = woke
        self._last: Instant = clock.now()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self.look()

    def look(self) -> None:
        """One look at the clocks."""
        before, self._last = self._last, self._clock.now()
        away = slept(before, self._last)
        if away:
            _log.warning("the machine slept for %.0f s: connections are made anew", away)
            self._woke()
