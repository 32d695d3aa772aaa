"""What exists right now, put together: registry, accounts, settings → deployments and names.

``refresh`` is called after every change of accounts, overlays or settings; it
tells the books and the child's keeper. Nothing here decides about a request.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from freeloader import catalog as catalogs
from freeloader.app.simulation import Simulation
from freeloader.benchmarks.results import Rating, rated
from freeloader.books.books import Books
from freeloader.catalog import Catalog
from freeloader.catalog.names import Names
from freeloader.catalog.premium import Premium, premium_of
from freeloader.child.config import WARM, Entry, entries_of, wire_name
from freeloader.child.keeper import Keeper
from freeloader.clock import Clock
from freeloader.core import privacy
from freeloader.core.model import (
    EMPTY,
    Account,
    Deployment,
    Level,
    Resolution,
    Timeouts,
    Verdict,
)
from freeloader.core.need import Curve
from freeloader.core.privacy import Watching
from freeloader.core.rules import Rule
from freeloader.errors import Unavailable
from freeloader.gateway.ports import Keep
from freeloader.manage.ports import secret_name
from freeloader.secrets import SecretStore
from freeloader.settings import Settings
from freeloader.store import Ledger

_log = logging.getLogger(__name__)

#: How long a changed registry may take to be served, in seconds, before that is logged.
SETTLE_S = 300.0
#: How long the first account's addition waits, in seconds, so that no request has to.
HANDOVER_S = 45.0
#: Entries of the child that nothing needs any more, and that are kept all the same.
GONE_MAX = 500

#: The patches of dearer prices and lower limits that nobody approved yet.
Cautions = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
#: What benchmarks showed, by provider and model.
Ratings = Callable[[], Awaitable[Mapping[tuple[str, str], Rating]]]


class World:
    """The one owner of catalog, accounts and names. Implements the pipeline's ``Rules``."""

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
        self.settings = settings
        self._levels, self._rules = (settings.level(),), settings.rules()
        self._policy_version = settings.policy_version()
        self._own, self._curve = _own(settings), settings.routing.curve()
        self._overlays = overlays
        self._ledger = ledger
        self._secrets = secrets
        self._clock = clock
        self._cautions: Cautions = _no_cautions
        self._ratings: Ratings = _no_ratings
        self._bundled, self._registry = _load(overlays, (), self._today())
        self.catalog: Catalog = self._bundled
        self.simulation = Simulation()
        self.deployments: tuple[Deployment, ...] = ()
        self._speaks = speaks
        self._spoken: frozenset[str] = frozenset()
        self._alone: dict[Verdict, Mapping[str, Verdict]] = {}
        self._entries: Mapping[str, Entry] = EMPTY
        self._kept: set[asyncio.Task[None]] = set()
        self._names: Names | None = None
        self._premium: Premium | None = None
        self._books: Books | None = None
        self._keeper: Keeper | None = None
        self._busy = asyncio.Lock()
        self._waiting: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._awaited = False

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
        keeper.on_switch(self._publish)

    async def refresh(self) -> None:
        """Reads the accounts anew and tells everybody; safe to call at any time."""
        async with self._busy:
            accounts: Sequence[Account] = await self._ledger.accounts()
            real = [account for account in accounts if account.enabled]
            if real:
                await self._hand_over(real)
            elif self.simulation.url is None:
                await self.simulation.start()
                _log.warning("no account yet: the built-in simulator answers")
            await self._take(real)
            if self._books is not None and self._keeper is not None:
                self._keeper.configure(self.entries())
                self._publish()
            if real and self.simulation.url is not None:
                self.simulation.retire()
                _log.info("an account was added: the built-in simulator is off")
            # Registry and deployments live long: no collection need walk them again.
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
            alone = (d.id for d in self.deployments if d.id not in self._spoken)
            found = self._alone[verdict] = dict.fromkeys(alone, verdict)
        return found

    def child_knows(self, deployment: Deployment) -> bool:
        """True if the child that serves now would call the deployment where it is."""
        found = (
            None if self._keeper is None else self._keeper.served().get(wire_name(deployment.entry))
        )
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

    async def close(self) -> None:
        """Ends what runs on its behalf."""
        if self._waiting is not None:
            self._waiting.cancel()
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
        self.settings = settings
        self._levels, self._rules = (settings.level(),), settings.rules()
        self._policy_version = settings.policy_version()
        self._own, self._curve = _own(settings), settings.routing.curve()
        await self.reread()

    async def reread(self) -> None:
        """The registry's files, what waits for approval, and today's date anew."""
        cautions = await self._cautions()
        self._bundled, self._registry = await asyncio.to_thread(
            _load, self._overlays, cautions, self._today()
        )
        await self.refresh()

    def _today(self) -> str:
        return self._clock.now().iso()[:10]

    async def credentials(self, deployment: Deployment) -> Mapping[str, str]:
        """The secret fields of a deployment's account; empty for keyless ones."""
        account = deployment.account
        if account.secret_backend is None:
            return {}
        name = secret_name(account.provider, account.idx)
        return await self._secrets.get(name, account.secret_backend) or {}

    async def _take(self, real: Sequence[Account]) -> None:
        """Catalog, deployments and names for these accounts; without any, the simulator's."""
        catalog = self._bundled
        if not real:
            assert self.simulation.url is not None
            catalog = catalog.with_simulated(self.simulation.url)
            real = _pretend_accounts(catalog)
        self.catalog, expanded = await asyncio.to_thread(_expanded, catalog, real)
        self.deployments = _rated(expanded, await self._ratings())
        self._premium = premium_of(self.catalog, self.settings.models.premium)
        self._ledger.keep_registry(*self.catalog.as_rows(), self._clock.now().wall)
        self._spoken = frozenset(d.id for d in self.deployments if self._speaks(d))
        self._entries = {entry.name: entry for entry in entries_of(self.deployments)}
        self._alone = {}
        self._names = Names(
            self.catalog,
            self.deployments,
            self.settings.models.aliases,
            self.settings.models.unknown,
        )

    async def _hand_over(self, real: Sequence[Account]) -> None:
        """The first real account: the simulator answers on until the child knows that one."""
        keeper = self._keeper
        if self.simulation.url is None or keeper is None or not keeper.served():
            return
        _, coming = await asyncio.to_thread(_expanded, self._bundled, real)
        if not any(keeper.serves(d.entry) or self._speaks(d) for d in coming):
            keeper.configure(self._entries_for(coming))
            await keeper.wait_settled(HANDOVER_S)

    def _entries_for(self, deployments: Sequence[Deployment]) -> tuple[Entry, ...]:
        known = {entry.name: entry for entry in self._registry}
        known |= {entry.name: entry for entry in entries_of(deployments)}
        served = self._keeper.served().values() if self._keeper is not None else ()
        gone = [entry for entry in served if entry.name not in known and entry != WARM]
        return tuple(sorted((*known.values(), *gone[:GONE_MAX])))

    def _publish(self) -> None:
        """Gives the books what can be asked: a model new to the child waits, no request does.

        What can be spoken to without a child never waits. Where no child serves, all of
        it: then the requests that need a child wait for it.
        """
        assert self._books is not None
        assert self._keeper is not None
        served = self._keeper.served()
        live = [d for d in self.deployments if self._known(d, served)] if served else None
        self._books.set_deployments(self.deployments if live is None else live)
        self._awaited = live is not None and len(live) < len(self.deployments)
        if self._awaited and (self._waiting is None or self._waiting.done()):
            self._waiting = asyncio.create_task(self._when_settled(), name="await the child")
        self._tell()

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

    # ── the pipeline's Rules ─────────────────────────────────────────────────

    def names(self) -> Names:
        assert self._names is not None, "refresh comes first"
        return self._names

    def levels(self, project: str | None) -> Sequence[Level]:
        return self._levels

    def rules(self) -> Sequence[Rule]:
        return self._rules

    def watching(self, project: str | None) -> Watching:
        wishes = self.settings.privacy
        own = wishes.projects.get(project) if project is not None else None
        return Watching(privacy.combined((wishes.pii, own)), self._own)

    def curve(self) -> Curve:
        return self._curve

    def timeouts(self, provider: str | None = None) -> Timeouts:
        return self.settings.upstream.timeouts(provider)

    def keeping(self) -> Keep:
        return Keep(self.settings.logging.save_prompts, self.settings.logging.save_responses)

    def premium(self) -> Premium | None:
        return self._premium

    def premium_name(self) -> str | None:
        """The same model's name, for people."""
        return None if self._premium is None else self._premium.name

    def premium_problem(self) -> list[str]:
        """One line where the owner's choice names no model that has a price."""
        wanted = self.settings.models.premium
        if wanted is None or self._premium is not None:
            return []
        return [f"models.premium {wanted!r} is no model with a price: no savings are shown"]

    def catalog_version(self) -> str:
        return self.catalog.version

    def policy_version(self) -> str:
        return self._policy_version


def _own(settings: Settings) -> privacy.Own | None:
    """The owner's own patterns and words, compiled; None where there are none."""
    own = privacy.Own(settings.privacy.patterns, settings.privacy.words)
    return own or None


async def _no_ratings() -> Mapping[tuple[str, str], Rating]:
    return {}


def _rated(
    deployments: Iterable[Deployment], ratings: Mapping[tuple[str, str], Rating]
) -> tuple[Deployment, ...]:
    """The deployments with what their models showed here."""
    return tuple(
        replace(d, model=rated(d.model, ratings[key]))
        if (key := (d.provider.id, d.model.id)) in ratings
        else d
        for d in deployments
    )


async def _no_cautions() -> Sequence[Mapping[str, Any]]:
    return ()


def _load(
    overlays: Path, cautions: Sequence[Mapping[str, Any]], today: str
) -> tuple[Catalog, tuple[Entry, ...]]:
    """The registry, and the child's entries for the models that it lists itself.

    Not for those that only LiteLLM's price file knows: 1,300 more entries cost a
    starting child 5 s; 130 cost it 0.3 s.
    """
    catalog = catalogs.load(overlays, cautions=cautions, today=today)
    listed = {provider for provider, _ in catalog.models}
    every = [
        Account(provider.id, 1)
        for provider in catalog.providers.values()
        if provider.id in listed and provider.routable
        if provider.kind in ("cloud", "aggregator")
    ]
    return catalog, entries_of(catalog.deployments(every))


def _expanded(
    catalog: Catalog, accounts: Sequence[Account]
) -> tuple[Catalog, tuple[Deployment, ...]]:
    """Off the loop: a provider of whom only the price file knows costs a look at 3 MB."""
    whole = catalog.including(account.provider for account in accounts)
    return whole, whole.deployments(accounts)


def _pretend_accounts(catalog: Catalog) -> list[Account]:
    """One account at each simulated provider that has a free tier: pretend money is nobody's."""
    return [
        Account(provider.id, 1)
        for provider in catalog.providers.values()
        if provider.kind == "simulated" and provider.free_type != "none"
    ]
