"""What exists right now, put together: registry, accounts, settings → deployments and names.

``refresh`` is called after every change of accounts, overlays or settings; it
tells the books and the child's keeper. Nothing here decides about a request.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from freeloader import catalog as catalogs
from freeloader.app.simulation import Simulation
from freeloader.books.books import Books
from freeloader.catalog import Catalog
from freeloader.catalog.names import Names
from freeloader.child.config import WARM_ENTRY, Entry, entries_of
from freeloader.child.keeper import Keeper
from freeloader.clock import Clock
from freeloader.core.model import Account, Deployment, Level, Resolution, Timeouts
from freeloader.errors import Unavailable
from freeloader.manage.ports import secret_name
from freeloader.secrets import SecretStore
from freeloader.settings import Settings
from freeloader.store import Ledger

_log = logging.getLogger(__name__)

#: How long a changed registry may take to be served, in seconds, before that is logged.
SETTLE_S = 300.0


class World:
    """The one owner of catalog, accounts and names. Implements the pipeline's ``Rules``."""

    def __init__(
        self,
        settings: Settings,
        overlays: Path,
        ledger: Ledger,
        secrets: SecretStore,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self._overlays = overlays
        self._ledger = ledger
        self._secrets = secrets
        self._clock = clock
        self._bundled: Catalog = catalogs.load(overlays)
        self.catalog: Catalog = self._bundled
        self.simulation = Simulation()
        self.deployments: tuple[Deployment, ...] = ()
        self._names: Names | None = None
        self._books: Books | None = None
        self._keeper: Keeper | None = None
        self._busy = asyncio.Lock()
        self._waiting: asyncio.Task[None] | None = None

    def attach(self, books: Books, keeper: Keeper) -> None:
        """Whom to tell of changes."""
        self._books, self._keeper = books, keeper

    async def refresh(self) -> None:
        """Reads the accounts anew and tells everybody; safe to call at any time."""
        async with self._busy:
            accounts: Sequence[Account] = await self._ledger.accounts()
            real = [account for account in accounts if account.enabled]
            await self._simulate(not real)
            if self.simulation.url is not None:
                self.catalog = self._bundled.with_simulated(self.simulation.url)
                real = _pretend_accounts(self.catalog)
            else:
                self.catalog = self._bundled.including(account.provider for account in real)
            self.deployments = self.catalog.deployments(real)
            self._names = Names(
                self.catalog,
                self.deployments,
                self.settings.models.aliases,
                self.settings.models.unknown,
            )
            if self._books is None or self._keeper is None:
                return
            self._keeper.configure(self.entries())
            self._publish()
            # Registry and deployments live long: no collection need walk them again.
            gc.collect()
            gc.freeze()
            if len(self._books.deployments) < len(self.deployments):
                self._later()

    def entries(self) -> tuple[Entry, ...]:
        """What the child should know: all that is served, and the registry's own models.

        The latter cost it nothing (300 entries start as fast as 30), and so most
        new accounts are served at once, without a new child. So do pretend
        providers that were there once: the last account's end needs none either.
        """
        catalog, place = self.catalog, self.simulation.place
        every = [
            Account(provider.id, 1)
            for provider in catalog.providers.values()
            if provider.routable and provider.kind in ("cloud", "aggregator")
        ]
        if place is not None:
            catalog = catalog.with_simulated(place)
            every += _pretend_accounts(catalog)
        return entries_of((*self.deployments, *catalog.deployments(every)))

    async def served(self, wanted: Resolution, seconds: float) -> None:
        """Until the child knows a model that ``wanted`` means, where one is on its way to it.

        Raises Unavailable (``starting``) after ``seconds``.
        """
        while self._waiting is not None and not self._waiting.done() and not self._live(wanted):
            done, _ = await asyncio.wait({self._waiting}, timeout=seconds)
            if not done:
                raise Unavailable(
                    "A model that was just added is not served yet; try again in a few seconds.",
                    code="starting",
                    retry_after=2.0,
                )

    def _live(self, wanted: Resolution) -> bool:
        assert self._books is not None
        live = self._books.deployments
        if wanted.kind == "named":
            return any(name in live for name in wanted.deployments)
        return bool(live)

    def _publish(self) -> None:
        """Gives the books what the child knows: a new model waits, no request does."""
        assert self._books is not None
        assert self._keeper is not None
        live = [d for d in self.deployments if self._keeper.serves(d.entry)]
        self._books.set_deployments(live if self._keeper.serves(WARM_ENTRY) else self.deployments)

    def _later(self) -> None:
        if self._waiting is None or self._waiting.done():
            self._waiting = asyncio.create_task(self._when_settled(), name="publish deployments")

    async def _when_settled(self) -> None:
        """After the switch to the child that knows them, the new deployments go live."""
        assert self._keeper is not None
        settled = await self._keeper.wait_settled(SETTLE_S)
        self._publish()
        if not settled:
            _log.error("a changed registry is not served yet; `xswarm status` shows the child")

    async def close(self) -> None:
        """Ends what runs on its behalf."""
        if self._waiting is not None:
            self._waiting.cancel()
        await self.simulation.stop()

    async def reload(self, settings: Settings) -> None:
        """New settings and overlays; then as ``refresh``."""
        self.settings = settings
        self._bundled = await asyncio.to_thread(catalogs.load, self._overlays)
        await self.refresh()

    async def credentials(self, deployment: Deployment) -> Mapping[str, str]:
        """The secret fields of a deployment's account; empty for keyless ones."""
        account = deployment.account
        if account.secret_backend is None:
            return {}
        name = secret_name(account.provider, account.idx)
        return await self._secrets.get(name, account.secret_backend) or {}

    async def _simulate(self, wanted: bool) -> None:
        if wanted and self.simulation.url is None:
            await self.simulation.start()
            _log.warning("no account yet: the built-in simulator answers")
        elif not wanted and self.simulation.url is not None:
            await self.simulation.stop()
            _log.info("an account was added: the built-in simulator is off")

    # ── the pipeline's Rules ─────────────────────────────────────────────────

    def names(self) -> Names:
        assert self._names is not None, "refresh comes first"
        return self._names

    def levels(self, project: str | None) -> Sequence[Level]:
        return (self.settings.level(),)

    def timeouts(self, provider: str | None = None) -> Timeouts:
        return self.settings.upstream.timeouts(provider)

    def catalog_version(self) -> str:
        return self.catalog.version


def _pretend_accounts(catalog: Catalog) -> list[Account]:
    """One account at each simulated provider that has a free tier: pretend money is nobody's."""
    return [
        Account(provider.id, 1)
        for provider in catalog.providers.values()
        if provider.kind == "simulated" and provider.free_type != "none"
    ]
