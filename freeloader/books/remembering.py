"""The books over time: what an earlier run left, what is saved of this one, clocks that are set.

What is on disk of one attempt is ``durable``'s.
"""

from __future__ import annotations

from contextlib import suppress

from freeloader.books.breakers import PREFIX as PAUSES
from freeloader.books.owners import Owned
from freeloader.books.pacer import KEY as PACING
from freeloader.clock import Instant
from freeloader.errors import Unavailable

#: The wall clock may be so many seconds off what it was before it counts as set.
_SLIGHT = 0.5


class Remembering(Owned):
    """Loaded once, and saved every so often."""

    async def load(self) -> None:
        """Once, at start, after the ledger's recovery: spent sums, and windows as last saved.

        What was in flight when a window was saved counts as used. Raises Unavailable
        where the ledger cannot be read; until it was, nothing is paid for: an unread
        ledger is not an empty one.
        """
        now = self._clock.now()
        self._see(now)
        windows = await self._ledger.load_windows()
        fresh = await self._sums.first(now)
        pauses = [row for row in windows if row.key.startswith(PAUSES)]
        others = (row for row in windows if not row.key.startswith(PAUSES))
        self._quotas.take(row for row in others if row.key != PACING)
        await self._pacer.take(windows, self._ledger, now.wall)
        self._breakers.load(pauses, now.wall)
        self._sums.inherit(fresh)
        await self._watcher.load(fresh, now.wall)
        self._sums.begin(fresh)
        self._quotas.join(tuple(self._deployments.values()), now.wall)
        self._allowances.look(now.wall)
        self._quota_alerts.load(self._watcher.alerts.said())
        self._warn(self._deployments.values(), now.wall)

    async def flush_dirty(self) -> int:
        """Saves changed windows, soon; to be called every 200 ms. How many there were.

        What fails stays dirty for the next call. Old measurements fade here too.
        """
        now = self._clock.now()
        self._see(now)  # where all rest nobody reserves, and a clock set back would not be noticed
        self._ranking.touch(self._health.fade(now.mono))
        self._allowances.look(now.wall)
        await self._extras.alerts()
        self._watcher.save()
        if self._sums.begun:
            with suppress(Unavailable, OSError):  # paid calls find out by themselves
                await self._sums.know(now.wall)
        self._pacer.step(self._deployments.values(), self._quotas.likely, now.wall)
        await self._extras.demand(now.wall)
        return await self._durable.save(now.wall, wait=False)

    async def flush(self) -> None:
        """Everything that waits is on disk on return. Raises Unavailable where it is not."""
        self._quotas.dirty.update(self._quotas.learner.everything())
        now = self._clock.now().wall
        await self._extras.all_demand(now)
        await self._durable.save(now, wait=True)

    def _see(self, now: Instant) -> None:
        """How the two clocks relate just now: ``paused`` is asked in wall time only, and a wall
        clock that was set makes no quota."""
        skew = self._skew = now.mono - now.wall
        if not -_SLIGHT < skew - self._agreed < _SLIGHT:
            self._clock_moved(now)

    def _clock_moved(self, now: Instant) -> None:
        """By sleep, which is time that passed, or because it was set, which is not."""
        slept, moved = self._asleep(), self._agreed - self._skew
        self._quotas.clock_set(moved - (slept - self._slept), now.wall)
        self._agreed, self._slept = self._skew, slept
