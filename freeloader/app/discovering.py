"""Discovery put together: its sources with what they ask, its review, its jobs.

What a source finds and what a proposal means is discovery's business; here it is
only given the daemon's world.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from freeloader.app.world import World
from freeloader.catalog import Layers, layers
from freeloader.clock import Clock
from freeloader.core.model import Account, Provider
from freeloader.discovery import deprecations
from freeloader.discovery.apis import MEMORY, Apis
from freeloader.discovery.awesome import Awesome
from freeloader.discovery.feed import Feed, FeedRules
from freeloader.discovery.fetching import Web
from freeloader.discovery.pages import Ask, Page, Pages
from freeloader.discovery.review import OVERLAY, Automatic, Review
from freeloader.discovery.run import Discovery
from freeloader.errors import FreeloaderError
from freeloader.manage.accounts.operations import Accounts
from freeloader.manage.fetch import fetch_models
from freeloader.manage.ports import Listing
from freeloader.notify import Notice
from freeloader.settings import Home, Settings
from freeloader.store import Store
from freeloader.store.rows import ProposalRow
from freeloader.workers.loop import Job, Progress

_log = logging.getLogger(__name__)

Tell = Callable[[Notice], None]
_PRICES = ("pricing_change",)


class Discovering:
    """``settings`` is asked anew each time; ``tell`` gets what the owner should hear."""

    def __init__(
        self,
        home: Home,
        store: Store,
        world: World,
        clock: Clock,
        settings: Callable[[], Settings],
        tell: Tell,
        ask: Ask,
    ) -> None:
        self._home, self._world, self._clock = home, world, clock
        self._settings, self._tell = settings, tell
        self._ledger = store.ledger
        self.review = Review(
            store.proposals,
            store.ledger,
            home.registry,
            self._layers,
            clock,
            self._automatic,
            world.reread,
        )
        web = Web()
        self._apis: Apis | None = None
        self._feed = Feed(web, store.ledger, self._raw, self._feed_rules)
        self._awesome = Awesome(
            web, lambda: world.catalog.providers, lambda: settings().discovery.github.urls
        )
        self._pages = Pages(web, self._price_pages, ask)
        self._discovery: Discovery | None = None

    def attach(self, accounts: Accounts) -> None:
        """Whose lists are read; they are made with our ``fetch``, so they come after us."""
        self._apis = Apis(
            _Lists(self._ledger.accounts, accounts.recheck),
            self._ledger,
            lambda: self._world.catalog,
            self._raw,
            self._clock,
        )
        sources = (self._feed, self._apis, self._awesome, self._pages)
        self._discovery = Discovery(sources, self.review, self._ledger, self._told)

    def jobs(self) -> tuple[Job, ...]:
        """One per source, and one that looks for models whose day has come."""
        assert self._discovery is not None, "attach comes first"
        run = self._discovery.run
        return (
            Job("registry", "0 2 * * *", partial(run, "registry"), 300.0, jitter_s=600.0),
            Job("api", "30 2 * * *", partial(run, "api"), 1800.0, jitter_s=600.0),
            Job("github", "0 3 * * 0", partial(run, "github"), 300.0, jitter_s=600.0),
            Job("scraping", "0 4 * * 1", partial(run, "scraping"), 3600.0, jitter_s=600.0),
            Job("deprecations", "5 0 * * *", self._deprecations, 120.0),
        )

    async def fetch(
        self, provider: Provider, account: Account, credentials: Mapping[str, str], **limits: Any
    ) -> Listing:
        """``manage.fetch``, listened to: an account that is added or tested shows its list too."""
        listing = await fetch_models(provider, account, credentials, **limits)
        if listing.ok and self._apis is not None and self._discovery is not None:
            try:
                text = await self._ledger.meta_get(MEMORY)
                seen = await self._apis.heard(
                    account, listing.document, json.loads(text) if text else {}
                )
                # Absence counts once a day, not once per test of an account.
                fresh = [p for p in seen.proposals if p.announced] if seen is not None else []
                await self._discovery.take(fresh)
            except FreeloaderError as problem:
                _log.warning("a model list was not compared: %s", problem.message)
        return listing

    # ── what the parts ask ───────────────────────────────────────────────────

    async def _layers(self) -> Layers:
        return await asyncio.to_thread(layers, self._home.registry, OVERLAY)

    async def _raw(self) -> tuple[str, Mapping[str, Any]]:
        found = await self._layers()
        return found.version, found.whole

    def _feed_rules(self) -> FeedRules:
        registry = self._settings().discovery.registry
        return FeedRules(registry.url, tuple(registry.keys))

    def _automatic(self) -> Automatic:
        rules = self._settings().discovery
        kinds = frozenset(rules.auto_apply_kinds if rules.auto_apply_updates else ())
        return Automatic(kinds, rules.auto_apply_confidence)

    async def _price_pages(self) -> Sequence[Page]:
        """Of every provider with an account, the page of the settings, else the registry's."""
        pages = dict(self._settings().discovery.scraping.pages)
        _, raw = await self._raw()
        names = {account.provider for account in await self._ledger.accounts() if account.enabled}
        found = []
        for name in sorted(names | set(pages)):
            provider = self._world.catalog.providers.get(name)
            url = pages.get(name) or (provider.prices_page if provider is not None else None)
            if url:
                found.append(Page(name, url, (raw.get(name) or {}).get("models") or {}))
        return found

    async def _deprecations(self, progress: Progress) -> str:
        """Tells each step once, and lets the registry move on where a day has come."""
        progress.say("looking")
        today = self._clock.now().iso()[:10]
        used = {account.provider for account in await self._ledger.accounts() if account.enabled}
        models = [m for m in self._world.catalog.models.values() if m.provider in used]
        fresh = await deprecations.untold(deprecations.steps(models, today), self._ledger)
        for step in fresh:
            key = f"deprecation {step.model} {step.stage} {step.day}"
            self._tell(Notice("deprecations", key, "a model goes away", step.sentence))
        if today != self._world.catalog.today:
            await self._world.reread()
        return f"{len(fresh)} new steps"

    def _told(self, row: ProposalRow, applied: bool) -> None:
        name = "/".join(part for part in (row.provider, row.subject) if part)
        what = row.kind.replace("_", " ")
        kind = "price_changes" if row.kind in _PRICES else "proposals"
        how = "was applied" if applied else f"waits: xswarm discover show {row.id}"
        self._tell(Notice(kind, f"proposal {row.id}", what, f"{name} ({row.source}): {how}"))


class _Lists:
    """The accounts as ``Apis`` asks for them."""

    def __init__(
        self,
        accounts: Callable[[], Awaitable[Sequence[Account]]],
        recheck: Callable[[Account], Awaitable[Any]],
    ) -> None:
        self._accounts, self._recheck = accounts, recheck

    async def recheck(self, account: Account) -> Any:
        return await self._recheck(account)

    async def active(self) -> Sequence[Account]:
        return [account for account in await self._accounts() if account.enabled]
