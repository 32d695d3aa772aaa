"""What exists right now, put together: registry, accounts, settings → deployments and names.

``refresh`` is called after every change of accounts, overlays or settings; it
tells the books and the child's keeper. Nothing here decides about a request.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from freeloader.app import existing
from freeloader.app.misspelt import slips
from freeloader.app.publishing import Published
from freeloader.app.simulation import Simulation
from freeloader.benchmarks.results import Rating
from freeloader.books.books import Books
from freeloader.catalog import Catalog
from freeloader.catalog.names import Names
from freeloader.catalog.premium import Premium, premium_of
from freeloader.catalog.stated import Stated
from freeloader.child.config import WARM, Entry, entries_of
from freeloader.child.keeper import Keeper
from freeloader.clock import Clock
from freeloader.core.model import Account, Deployment
from freeloader.manage.ports import secret_name
from freeloader.secrets import SecretStore
from freeloader.settings import Settings
from freeloader.store import Ledger

_log = logging.getLogger(__name__)

#: How long the first account's addition waits, in seconds, so that no request has to.
HANDOVER_S = 45.0
#: So long (seconds) the store of secrets, a file, is not asked again for the same credentials.
_FIELDS_S = 1.0
#: Entries of the child that nothing needs any more, and that are kept all the same.
GONE_MAX = 500

#: The patches of dearer prices and lower limits that nobody approved yet.
Cautions = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
#: What benchmarks showed, by provider and model.
Ratings = Callable[[], Awaitable[Mapping[tuple[str, str], Rating]]]


class World:
    """The one owner of catalog, accounts and names. ``published`` says what of it can be asked."""

    def __init__(
        self,
        settings: Settings,
        overlays: Path,
        ledger: Ledger,
        secrets: SecretStore,
        clock: Clock,
        speaks: Callable[[Deployment], bool] = lambda _: False,
    ) -> None:
        """``speaks`` says which deployments can be spoken to without a child."""
        self._settings = settings
        self._overlays = overlays
        self._ledger = ledger
        self._secrets = secrets
        self._clock = clock
        self._cautions: Cautions = _no_cautions
        self._ratings: Ratings = _no_ratings
        self._bundled, self._registry = existing.load(overlays, (), self._today())
        self.catalog: Catalog = self._bundled
        self.simulation = Simulation()
        self.deployments: tuple[Deployment, ...] = ()
        self.published = Published()
        #: The model that savings are measured against; None where there is none.
        self.premium: Premium | None = None
        self._speaks = speaks
        self._kept: set[asyncio.Task[None]] = set()
        self._names: Names | None = None
        self._books: Books | None = None
        self._keeper: Keeper | None = None
        self._busy, self._reading = asyncio.Lock(), asyncio.Lock()
        #: Credentials by their name, and until when (monotonic) they need not be asked for.
        self._fields: dict[str, tuple[float, Mapping[str, str]]] = {}

    def attach(
        self,
        books: Books,
        keeper: Keeper,
        cautions: Cautions | None = None,
        ratings: Ratings | None = None,
    ) -> None:
        """Whom to tell of changes, who tells of a new child, what waiting proposals say, and
        what benchmarks showed."""
        self._books, self._keeper = books, keeper
        self._cautions = cautions or self._cautions
        self._ratings = ratings or self._ratings
        self.published.attach(books, keeper)

    async def refresh(self) -> None:
        """Reads the accounts anew and tells everybody; safe to call at any time."""
        self._fields.clear()
        async with self._busy:
            starting = self._names is None
            accounts: Sequence[Account] = await self._ledger.accounts()
            real = [account for account in accounts if account.enabled]
            if real:
                await self._hand_over(real)
            elif self.simulation.url is None:
                await self.simulation.start()
                _log.warning("no account yet: the built-in simulator answers")
            await self._take(real)
            if self._keeper is not None:
                self._keeper.configure(self.entries())
                self.published.update()
            if real and self.simulation.url is not None:
                self.simulation.retire()
                _log.info("an account was added: the built-in simulator is off")
            # Registry and deployments live long: no collection need walk them again. A start
            # leaves next to nothing to collect, and somebody may wait for it.
            if not starting:
                gc.unfreeze()
                gc.collect()
            gc.freeze()

    def entries(self) -> tuple[Entry, ...]:
        """What the child should know: all that is served, and the registry's own models.

        The latter cost it next to nothing, and so most new accounts are served at
        once. What the child knows already it goes on knowing: no removal needs a
        new child, and neither does a change of mind.
        """
        return self._entries_for(self.deployments)

    @property
    def names(self) -> Names:
        assert self._names is not None, "refresh comes first"
        return self._names

    def premium_name(self) -> str | None:
        """The premium model's name, for people."""
        return None if self.premium is None else self.premium.name

    def problems(self) -> list[str]:
        """A line for each overlay that was skipped, each misspelt name, and where no savings can
        be shown because the owner's choice names no model that has a price."""
        skipped = [f"overlay skipped: {bad}" for bad in self.catalog.problems]
        skipped += self.slips(self._settings)
        wanted = self._settings.models.premium
        if wanted is None or self.premium is not None:
            return skipped
        unknown = f"models.premium {wanted!r} is no model with a price: no savings are shown"
        return [*skipped, unknown]

    def slips(self, settings: Settings) -> tuple[str, ...]:
        """Names in ``settings`` that must be misspelt, a line each."""
        return slips(settings, Stated(self.catalog, self.deployments))

    async def credentials(self, deployment: Deployment) -> Mapping[str, str]:
        """The secret fields of a deployment's account; empty for keyless ones."""
        account = deployment.account
        if account.secret_backend is None:
            return {}
        name, now = secret_name(account.provider, account.idx), self._clock.now().mono
        known = self._fields.get(name)
        if known is not None and now < known[0]:
            return known[1]
        fields = await self._secrets.get(name, account.secret_backend) or {}
        self._fields[name] = (now + _FIELDS_S, fields)
        return fields

    async def close(self) -> None:
        """Ends what runs on its behalf."""
        self.published.close()
        for task in self._kept:
            task.cancel()
        await self.simulation.stop()

    def keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Runs ``work`` as a task that is held until it is done."""
        task = asyncio.create_task(work, name=name)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def reload(self, settings: Settings) -> None:
        """New settings and overlays; then as ``refresh``."""
        self._settings = settings
        await self.reread()

    async def reread(self) -> None:
        """The registry's files, what waits for approval, and today's date anew."""
        async with self._reading:  # who began earlier read what is older
            cautions = await self._cautions()
            self._bundled, self._registry = await asyncio.to_thread(
                existing.load, self._overlays, cautions, self._today()
            )
        await self.refresh()

    def _today(self) -> str:
        return self._clock.now().iso()[:10]

    async def _take(self, real: Sequence[Account]) -> None:
        """Catalog, deployments and names for these accounts; without any, the simulator's."""
        catalog = self._bundled
        if not real:
            assert self.simulation.url is not None
            catalog = catalog.with_simulated(self.simulation.url)
            real = existing.pretend_accounts(catalog)
        self.catalog, expanded = await asyncio.to_thread(existing.expanded, catalog, real)
        self.deployments = existing.with_ratings(expanded, await self._ratings())
        self.premium = premium_of(self.catalog, self._settings.models.premium)
        self._ledger.keep_registry(*self.catalog.as_rows(), self._clock.now().wall)
        entries = {entry.name: entry for entry in entries_of(self.deployments)}
        spoken = frozenset(d.id for d in self.deployments if self._speaks(d))
        self.published.replace(self.deployments, entries, spoken)
        wishes = self._settings.models
        self._names = Names(self.catalog, self.deployments, wishes.aliases, wishes.unknown)

    async def _hand_over(self, real: Sequence[Account]) -> None:
        """The first real account: the simulator answers on until the child knows that one."""
        keeper = self._keeper
        if self.simulation.url is None or keeper is None or not keeper.served():
            return
        _, coming = await asyncio.to_thread(existing.expanded, self._bundled, real)
        if not any(keeper.serves(d.entry) or self._speaks(d) for d in coming):
            keeper.configure(self._entries_for(coming))
            await keeper.wait_settled(HANDOVER_S)

    def _entries_for(self, deployments: Sequence[Deployment]) -> tuple[Entry, ...]:
        known = {entry.name: entry for entry in self._registry}
        known |= {entry.name: entry for entry in entries_of(deployments)}
        served = self._keeper.served().values() if self._keeper is not None else ()
        gone = [entry for entry in served if entry.name not in known and entry != WARM]
        return tuple(sorted((*known.values(), *gone[:GONE_MAX])))


async def _no_ratings() -> Mapping[tuple[str, str], Rating]:
    return {}


async def _no_cautions() -> Sequence[Mapping[str, Any]]:
    return ()
