"""What was spent so far, read from the ledger; and the wait for a ledger that cannot be read.

Free models answer meanwhile. It repairs nothing: that is ``xswarm doctor --repair``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from freeloader.app.budgets import budget_rules
from freeloader.app.given import Given
from freeloader.app.owning import Owner
from freeloader.books.books import Books
from freeloader.errors import Unavailable
from freeloader.store import Store

_log = logging.getLogger(__name__)

#: A ledger that cannot be used is looked at again so soon, and ever less often, in seconds.
FIRST_S, AGAIN_S = 0.5, 5.0


class Memory:
    """The books' past. Nothing is paid before ``read`` has succeeded."""

    def __init__(self, given: Given, store: Store, books: Books, owner: Owner) -> None:
        self._given, self._store = given, store
        self._books, self._owner = books, owner

    async def read(self) -> None:
        """A new epoch, and what was spent so far. Raises Unavailable."""
        await self._store.reopen()
        now = self._given.clock.now().wall
        await self._store.ledger.boot(now)
        await self._store.reconcile(now)
        await self._owner.keys.ensure_files(self._given.home)
        await self._owner.keys.load()
        await self.rebudget()
        await self._books.load()
        await self._owner.feedback.load()
        await self._owner.notifier.load()

    async def from_the_journal(self) -> None:
        """Keys and their limits as the journal remembers them, while the ledger is out of reach."""
        await self._owner.keys.load()
        await self.rebudget()

    async def until_read(self, then: Callable[[], Awaitable[None]]) -> None:
        """The moment the ledger can be used, paid calls go on; ``then`` is called once."""
        wait = FIRST_S
        while not self._books.spent_known:
            await asyncio.sleep(wait)
            wait = min(wait * 2, AGAIN_S)
            try:
                await self.read()
            except Unavailable as problem:
                _log.warning("paid calls wait: %s", problem.message)
        _log.warning("the ledger was read: paid calls go on")
        await then()

    async def rebudget(self) -> None:
        """The settings' limits and each key's own, from the next request on."""
        keys = self._owner.keys
        own = {key: keys.budget(key) for key in keys.ids()}
        await self._books.configure(budget_rules(self._given.in_force(), own))
