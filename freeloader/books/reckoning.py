"""Whether what was spent is known: the purse in force, read from the ledger and read again.

It is read at start, for another time zone, and for a period that this run has not read.
Nothing is charged here, and no limit is judged (``purse`` does both).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from freeloader.books.ports import Hold, LedgerPort
from freeloader.books.purse import Purse, read_spent
from freeloader.clock import Clock, Instant
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Verdict
from freeloader.errors import Unavailable


class Reckoning:
    """``purse`` is the one in force; ``open_``: the holds that every new one takes over."""

    def __init__(
        self, ledger: LedgerPort, clock: Clock, rules: BudgetRules, open_: Mapping[str, Hold]
    ) -> None:
        """Raises ValueError for rules in a time zone that does not exist."""
        self._ledger, self._clock, self._open = ledger, clock, open_
        self.purse = Purse(rules)
        #: False until the ledger was read: nothing is paid for, and no sum means anything.
        self.begun = False
        self._reading = asyncio.Lock()
        self._meanwhile: list[tuple[Hold, int]] | None = None  # settled while a ledger was read

    def knows(self, now: float) -> bool:
        """True where the sums of the periods of ``now`` were read."""
        return self.begun and self.purse.knows(now)

    async def unknown(self, now: float) -> Verdict | None:
        """Why nothing can be paid for now, after trying to read it; None: all is known."""
        if not self.begun:
            why = self._ledger.problem or "it is not read yet"
            reason = f"paid calls wait: what was spent is not known: {why}"
            return Verdict("budget", "ledger_unavailable", reason)
        try:
            await self.know(now)
        except (Unavailable, OSError) as problem:
            return Verdict("budget", "ledger_unavailable", f"paid calls wait: {problem}")
        return None

    async def know(self, now: float) -> None:
        """Sums of a period that this run has not read, as after a clock was set: read them.

        Raises Unavailable. Without this a clock set back would find an empty budget.
        """
        if self.purse.knows(now):
            return
        async with self._reading:
            if not self.purse.knows(now):
                await self._read_again(self.purse.rules)

    def charged(self, hold: Hold, cost: int) -> None:
        """A settlement; one that falls into a reading is not lost to what is being read."""
        if self._meanwhile is not None:
            self._meanwhile.append((hold, cost))

    async def configure(self, rules: BudgetRules) -> None:
        """Other limits. A new time zone reads the ledger again.

        Raises ValueError for an unknown zone, Unavailable where the ledger cannot be
        read; the old rules stay in force then.
        """
        if rules.timezone == self.purse.rules.timezone:
            self.purse.rules = rules
        elif not self.begun:  # nothing was read and nothing paid for yet
            self.purse = Purse(rules)
        else:
            async with self._reading:
                await self._read_again(rules)

    async def first(self, now: Instant) -> Purse:
        """At start: a purse of what the ledger says, not yet in force. Raises Unavailable.

        Free calls may have been made before: they are in the ledger's sums, too.
        """
        spent = await read_spent(self._ledger, self.purse.balances, now)
        fresh = Purse(self.purse.rules)
        fresh.add(spent, now.wall)
        return fresh

    def inherit(self, fresh: Purse) -> None:
        """The open holds are in ``fresh`` from now on."""
        fresh.inherit(self.purse, self._open.values(), ())

    def begin(self, fresh: Purse) -> None:
        """``fresh`` is in force; what can be billed may be used."""
        self.purse, self.begun = fresh, True

    async def _read_again(self, rules: BudgetRules) -> None:
        """Every sum from the ledger, for the periods of now. Raises Unavailable."""
        now, self._meanwhile = self._clock.now(), []
        try:
            fresh = Purse(rules)
            fresh.add(await read_spent(self._ledger, fresh.balances, now), now.wall)
            fresh.inherit(self.purse, self._open.values(), self._meanwhile)
        finally:
            self._meanwhile = None
        self.purse = fresh
