"""What may be asked now: a deployment is published when the child knows it, or needs no child.

It tells the books, and wakes the requests that wait for a model to be served. What
exists is the ``World``'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from freeloader.books.books import Books
from freeloader.child.config import Entry, entries_of, wire_name
from freeloader.child.keeper import Keeper
from freeloader.core.model import EMPTY, Deployment, Resolution, Verdict
from freeloader.errors import Unavailable

_log = logging.getLogger(__name__)

#: How long a changed registry may take to be served, in seconds, before that is logged.
SETTLE_S = 300.0


class Published:
    """One per world. ``replace`` gives it what exists; ``update`` looks who can be asked of it."""

    def __init__(self) -> None:
        self._books: Books | None = None
        self._keeper: Keeper | None = None
        self._every: tuple[Deployment, ...] = ()
        self._entries: Mapping[str, Entry] = EMPTY
        self._spoken: frozenset[str] = frozenset()
        self._listed: Mapping[str, Entry] = EMPTY
        self._alone: dict[Verdict, Mapping[str, Verdict]] = {}
        self._waiting: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._awaited = False

    def attach(self, books: Books, keeper: Keeper) -> None:
        """Whom to tell, and who tells of a new child."""
        self._books, self._keeper = books, keeper
        keeper.on_switch(self._switched)

    def replace(
        self,
        every: tuple[Deployment, ...],
        entries: Mapping[str, Entry],
        spoken: frozenset[str],
    ) -> None:
        """What exists; its entries at the child, by name; who can be spoken to without one."""
        self._every, self._entries, self._spoken = every, entries, spoken
        self._alone = {}

    @property
    def speaks(self) -> bool:
        """True if some deployment can be spoken to without a child."""
        return bool(self._spoken)

    def spoken(self, wanted: Resolution) -> bool:
        """True if that is so of some deployment that ``wanted`` means."""
        if wanted.kind == "named":
            return not self._spoken.isdisjoint(wanted.deployments)
        return bool(self._spoken)

    def child_only(self, verdict: Verdict) -> Mapping[str, Verdict]:
        """``verdict`` for each deployment that only a child can serve, by its id."""
        found = self._alone.get(verdict)
        if found is None:
            alone = (d.id for d in self._every if d.id not in self._spoken)
            found = self._alone[verdict] = dict.fromkeys(alone, verdict)
        return found

    def child_knows(self, deployment: Deployment) -> bool:
        """True if the child that serves now would call the deployment where it is."""
        if self._keeper is None:
            return False
        found = self._keeper.served().get(wire_name(deployment.entry))
        return found is not None and found == self._entries.get(deployment.entry)

    async def served(self, wanted: Resolution, seconds: float) -> None:
        """Until the child knows a model that ``wanted`` means, where one is on its way to it.

        Raises Unavailable (``starting``) after ``seconds``.
        """
        try:
            async with asyncio.timeout(seconds):
                while self._awaited and not self._live(wanted):
                    await self._news.wait()
        except TimeoutError:
            raise Unavailable(
                "A model that was just added is not served yet; try again in a few seconds.",
                code="starting",
                retry_after=2.0,
            ) from None

    def update(self) -> None:
        """Gives the books what can be asked: a model new to the child waits, no request does.

        What can be spoken to without a child never waits. Where no child serves, all of
        it: then the requests that need a child wait for it.
        """
        assert self._books is not None
        assert self._keeper is not None
        served = self._keeper.served()
        live = [d for d in self._every if self._known(d, served)] if served else None
        self._books.set_deployments(self._every if live is None else live)
        self._awaited = live is not None and len(live) < len(self._every)
        if self._awaited and (self._waiting is None or self._waiting.done()):
            self._waiting = asyncio.create_task(self._when_settled(), name="await the child")
        self._tell()

    def close(self) -> None:
        """Nobody is waited for any more."""
        if self._waiting is not None:
            self._waiting.cancel()

    def _switched(self) -> None:
        """Another child serves. The same list again would leave out the same."""
        assert self._books is not None
        assert self._keeper is not None
        listed = self._keeper.served()
        if listed != self._listed:
            self._listed = listed
            self._books.listed_anew()
        self.update()

    def _known(self, deployment: Deployment, served: Mapping[str, Entry]) -> bool:
        """A provider that moved is called where it was until the next child comes; but where
        a simulator was, nobody answers."""
        if deployment.id in self._spoken:
            return True
        found = served.get(wire_name(deployment.entry))
        if found is None or deployment.provider.kind != "simulated":
            return found is not None
        return found in entries_of((deployment,))

    def _live(self, wanted: Resolution) -> bool:
        assert self._books is not None
        live = self._books.deployments
        if wanted.kind == "named":
            return any(name in live for name in wanted.deployments)
        return bool(live)

    def _tell(self) -> None:
        """Wakes who waits for a model to be served, or for the news that it will not be."""
        self._news.set()
        self._news = asyncio.Event()

    async def _when_settled(self) -> None:
        """What no child knows after the last switch is not coming any more: nobody waits for it."""
        assert self._keeper is not None
        await self._keeper.wait_settled(SETTLE_S)
        if self._awaited:
            self._awaited = False
            _log.error("a changed registry is not served; `xswarm status` shows the child")
            self._tell()
