"""How long one attempt waits for what: head and first event, the gap between pieces, in all.

The connect limit belongs to whoever connects. No limit is held across a ``yield``: it
would cancel whoever reads the events, in the middle of something else.
"""

from __future__ import annotations

import asyncio

from freeloader.core.model import Timeouts
from freeloader.gateway.limits import Limit

#: After the machine slept, a connection that is still alive says so within so many seconds.
AWAKE_S = 5.0


class Waits:
    """The limits of one attempt, counted from now."""

    def __init__(self, limits: Timeouts) -> None:
        self._clock = asyncio.get_running_loop().time
        now = self._clock()
        self._end = now + limits.total
        self._first = now + limits.first_byte
        self._idle = limits.idle
        self._current: Limit | None = None
        #: True once something of the answer itself has come: then the gap counts.
        self.begun = False
        #: True where a wait ended because the machine had slept: nobody is to blame.
        self.slept = False

    def head(self) -> Limit:
        """Until the answer's head."""
        return self._until(self._first)

    def piece(self) -> Limit:
        """Until the next piece; before the first event comments do not put off the limit."""
        gap = self._clock() + self._idle
        return self._until(gap if self.begun else min(gap, max(self._first, self._clock())))

    def heard(self) -> None:
        """Something came: whatever was feared of the connection, it lives."""
        self.slept = False

    def woke(self) -> None:
        """The machine slept: what does not say anything soon is taken for dead."""
        current = self._current
        if current is None or not current.running:
            return  # that wait is over, and the next one is not yet begun
        soon = self._clock() + AWAKE_S
        if soon < current.when():
            self.slept = True
            current.reschedule(soon)

    def _until(self, moment: float) -> Limit:
        self._current = current = Limit(min(self._end, moment))
        return current
