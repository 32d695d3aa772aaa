"""What the books have on disk: holds before they are given out, charges, windows.

Memory is the caller's and always comes first. A ledger that fails refuses paid
holds and nothing else: free attempts go on, and what could not be written is
written later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from freeloader.books.breakers import Breakers
from freeloader.books.ports import Facts, Hold, LedgerPort, Settlement
from freeloader.books.rows import hold_row, usage_row
from freeloader.books.windows.quotas import Quotas
from freeloader.core.rows import WindowRow
from freeloader.errors import Unavailable

#: An attempt waits at most so long (seconds) for a small window to be on disk. A disk that
#: takes longer than this is broken, and free models stay usable without it.
_SMALL_WAIT = 5.0


class Durable:
    """``quotas`` and ``breakers`` say what changed since it was last saved."""

    def __init__(self, ledger: LedgerPort, quotas: Quotas, breakers: Breakers) -> None:
        self._ledger, self._quotas, self._breakers = ledger, quotas, breakers
        self._saving: set[asyncio.Task[None]] = set()
        self._orphans: list[str] = []

    async def hold(self, hold: Hold) -> None:
        """Money first: a paid hold is on disk, or this raises (Unavailable, OSError).

        Then windows of few requests. Where the disk does not take them the call goes
        on, and they stay dirty.
        """
        if hold.deployment.billable:
            await self._ledger.hold([hold_row(hold)])
            hold.durable = True
        small = self._quotas.small(hold.reservations)
        if small:
            await self._save_small(small, hold.at.wall)

    def forget(self, hold: Hold) -> None:
        """Its placing was cut short, so it may be on disk: released there with the next save."""
        if hold.deployment.billable:
            self._orphans.append(hold.attempt_id)

    async def settle(self, hold: Hold, done: Settlement, facts: Facts, now: float) -> None:
        row = usage_row(hold, done, facts)
        if not hold.durable:
            self._ledger.record_usage(row)
            return
        try:
            await self._ledger.settle(hold.attempt_id, row, done.cost, done.basis, now)
        except (Unavailable, OSError):
            return  # queued by the ledger; until it is written the hold stands for it on disk

    async def release(self, hold: Hold, now: float) -> None:
        if not hold.durable:
            return
        try:
            await self._ledger.release(hold.attempt_id, now)
        except (Unavailable, OSError):
            return  # queued by the ledger; a hold too many on disk under-counts nothing

    async def save(self, now: float, *, wait: bool) -> int:
        """Changed windows, and releases that were cut short; how many windows.

        ``wait``: on disk on return, or it raises; else a failure only means that
        the same is tried next time (the ledger's own status shows the problem).
        """
        if wait and self._saving:
            await asyncio.wait(set(self._saving))
        orphans, self._orphans = self._orphans, []
        keys, pauses = self._quotas.saving(), set(self._breakers.dirty)
        self._breakers.dirty.clear()
        try:
            while orphans:
                await self._ledger.release(orphans[-1], now)
                orphans.pop()
            if keys or pauses:
                rows = [*self._quotas.rows(keys, now), *self._breakers.rows(pauses, now)]
                await self._ledger.save_windows(rows, durable=wait)
        except BaseException as problem:
            self._orphans.extend(orphans)
            self._quotas.dirty.update(keys)
            self._breakers.dirty.update(pauses)
            if isinstance(problem, (Unavailable, OSError)) and not wait:
                return 0
            raise
        return len(keys) + len(pauses)

    async def _save_small(self, keys: Sequence[str], now: float) -> None:
        task = asyncio.get_running_loop().create_task(
            self._keep(self._quotas.rows(keys, now), keys)
        )
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)
        await asyncio.wait({task}, timeout=_SMALL_WAIT)

    async def _keep(self, rows: Sequence[WindowRow], keys: Sequence[str]) -> None:
        try:
            await self._ledger.save_windows(rows, durable=True)
        except (Unavailable, OSError):
            self._quotas.dirty.update(keys)
