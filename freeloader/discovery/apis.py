"""Each active account's own model list, daily and when an account is added: no quota is spent.

How a list is read is registry data (``listings``), what it means is ``offers``'s. The
list is also kept with its account, so that a model that came is served, and one
that went is not asked for.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from freeloader.catalog.families import Families
from freeloader.clock import Clock
from freeloader.core.model import Account, Provider
from freeloader.discovery import listings, offers
from freeloader.discovery.offers import Seen
from freeloader.discovery.proposals import Proposal
from freeloader.discovery.source import Found, Memory, Says
from freeloader.errors import FreeloaderError

MEMORY = "discovery.missing"
_NOTES_MAX = 5


class Registry(Protocol):
    """The catalog, as far as lists are compared with it."""

    @property
    def providers(self) -> Mapping[str, Provider]: ...
    @property
    def families(self) -> Families: ...
    def listed_completely(self, provider: str) -> bool: ...


class Lists(Protocol):
    """The owner's accounts, and asking one for its list (``manage.accounts``).

    ``recheck`` keeps the list with the account and returns its JSON; None: no answer.
    """

    async def active(self) -> Sequence[Account]: ...
    async def recheck(self, account: Account) -> Any: ...


Raw = Callable[[], Awaitable[tuple[str, Mapping[str, Any]]]]


class Apis:
    """A ``Source`` over all active accounts."""

    name = "api"

    def __init__(
        self,
        lists: Lists,
        memory: Memory,
        catalog: Callable[[], Registry],
        raw: Raw,
        clock: Clock,
    ) -> None:
        self._lists, self._memory = lists, memory
        self._catalog, self._raw, self._clock = catalog, raw, clock

    async def look(self, progress: Says) -> Found:
        """All accounts, one after the other. One that does not answer is a note, no failure."""
        missing = await self._missing()
        found: list[Proposal] = []
        silent: list[str] = []
        accounts = _one_each(await self._lists.active())
        for number, account in enumerate(accounts, 1):
            progress.say(f"{account.name} ({number} of {len(accounts)})")
            try:
                document = await self._lists.recheck(account)
            except FreeloaderError as problem:
                silent.append(f"{account.name}: {problem.message}")
                continue
            seen = await self.heard(account, document, missing)
            if seen is None:
                silent.append(f"{account.name} gave no list")
                continue
            found += seen.proposals
            missing[account.provider] = dict(seen.missing)
        notes = (f"{len(accounts)} lists read", *silent[:_NOTES_MAX])
        return Found(tuple(found), notes, {MEMORY: json.dumps(missing)})

    async def heard(
        self, account: Account, document: Any, missing: Mapping[str, Mapping[str, int]]
    ) -> Seen | None:
        """What one list says; None where it is none."""
        catalog = self._catalog()
        provider = catalog.providers.get(account.provider)
        if document is None or provider is None:
            return None
        try:
            listed = listings.read(document, provider.listing)
        except listings.NotAList:
            return None
        _, raw = await self._raw()
        return offers.compared(
            provider.id,
            listed,
            (raw.get(provider.id) or {}).get("models") or {},
            catalog.families,
            missing.get(provider.id, {}),
            complete=catalog.listed_completely(provider.id),
            local=provider.local or provider.kind == "simulated",
            today=self._clock.now().iso()[:10],
            evidence=f"{provider.display_name}'s own model list, {self._clock.now().iso()[:16]}",
        )

    async def _missing(self) -> dict[str, dict[str, int]]:
        text = await self._memory.meta_get(MEMORY)
        return json.loads(text) if text else {}


def _one_each(accounts: Sequence[Account]) -> list[Account]:
    """One account per provider and endpoint: their lists are the same."""
    seen: dict[tuple[str, str | None], Account] = {}
    for account in accounts:
        seen.setdefault((account.provider, account.endpoint), account)
    return list(seen.values())
