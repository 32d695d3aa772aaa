"""Accounts: add, list, test, change, remove; their credentials go to the secret store.

Answers are the JSON of the management routes (contract §10) and never hold a
credential. What an account's models mean for routing is the catalog's business;
``changed`` tells the rest of the daemon that something is different now.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from freeloader.clock import Clock
from freeloader.core.model import Account, Limit, Provider
from freeloader.errors import Conflict, InvalidRequest, SecretStoreError
from freeloader.manage.accounts import answers, forms, numbering
from freeloader.manage.accounts import limits as own_limits
from freeloader.manage.accounts.changing import Asked, changed, one_of
from freeloader.manage.accounts.vault import Vault
from freeloader.manage.bodies import wanted
from freeloader.manage.ports import (
    AccountLedger,
    Catalog,
    Changed,
    Fetch,
    Listing,
    SecretKeeper,
    unchanged,
)
from freeloader.settings import read
from freeloader.store.rows import AuditRow

_log = logging.getLogger(__name__)

ACCOUNTS_MAX = 1000
Row = dict[str, Any]

_ADD = {
    "provider": read.text,
    "key": forms.read_key,
    "api_key": forms.read_key,
    "tier": read.text,
    "priority": read.integer(0, 1_000_000),
    "endpoint": read.text,
    "fields": forms.read_parts,
    "params": forms.read_parts,
    "limits": own_limits.parse_limits,
    "same_account_as": read.integer(0, 1_000_000),
    "enabled": read.flag,
}
_CHANGE = {name: reader for name, reader in _ADD.items() if name != "provider"}


class Accounts:
    """The owner's accounts. ``fetch`` asks a provider for its models (``manage.fetch``)."""

    def __init__(
        self,
        ledger: AccountLedger,
        secrets: SecretKeeper,
        catalog: Callable[[], Catalog],
        fetch: Fetch,
        clock: Clock,
        changed: Changed = unchanged,
        renewed: Callable[[str, int], object] = lambda provider, idx: None,
    ) -> None:
        """``renewed`` is told of a new key: what was said of the former one is over."""
        self._ledger = ledger
        self._vault = Vault(secrets)
        self._catalog = catalog
        self._fetch = fetch
        self._clock = clock
        self._changed, self._renewed = changed, renewed
        self._turn = asyncio.Lock()  # one change at a time, so that no idx is given twice

    # ── the routes' and commands' view: bodies in, JSON out ──────────────────

    async def add_account(self, body: Mapping[str, Any], actor: str) -> Row:
        """Contract §10's answer, with ``warnings`` and, where not verified, ``reason``."""
        found = wanted(body, _ADD)
        provider = found.pop("provider", None)
        if provider is None:
            raise InvalidRequest("Name the provider.", param="provider")
        key = one_of(found, "key", "api_key")
        params = one_of(found, "fields", "params")
        return await self.add(provider, key, params=params, actor=actor, **found)

    async def change_account(
        self, provider: str, idx: int, changes: Mapping[str, Any], actor: str
    ) -> Row:
        """Change ``enabled, tier, priority, limits, endpoint, fields, key, sameAccountAs``."""
        # A null takes an own value away; ``wanted`` leaves nulls out.
        cleared = {name for name, value in changes.items() if value is None}
        found = wanted(changes, _CHANGE)
        if not found and not cleared:
            raise InvalidRequest("Nothing to change was named.")
        async with self._turn:
            there = await self._ledger.accounts()
            account = forms.existing(there, provider, idx)
            asked, known = Asked(found, cleared), self._provider(account)
            account, key = await changed(account, asked, known, there, self._vault)
            if key is not None:
                account = replace(account, secret_backend=await self._vault.put(account, key))
            await self._ledger.put_account(account, self._clock.now().wall)
            await self._audit(actor, "account.change", account, {"changed": sorted(changes)})
            if key is not None:
                self._renewed(provider, idx)
        await self._changed()
        return answers.shown(account, self._known(account))

    async def warnings(self) -> list[str]:
        """Of several accounts at one provider, with what its terms say of that."""
        return answers.crowded(await self._ledger.accounts(), self._catalog().providers)

    async def list_accounts(self) -> list[Row]:
        return [
            answers.shown(account, self._known(account))
            for account in await self._ledger.accounts()
        ]

    async def test_account(self, provider: str, idx: int, actor: str) -> Row:
        """Ask the provider again; what it says is kept."""
        account = forms.existing(await self._ledger.accounts(), provider, idx)
        listing = await self._ask(account, await self.credentials(account))
        account = await self._ledger.update_account(
            provider, idx, answers.learnt(account, listing), self._clock.now().wall
        )
        await self._audit(actor, "account.test", account, {"verified": listing.ok})
        await self._changed()
        answer = {
            "provider": provider,
            "idx": idx,
            **answers.checked(account, self._known(account), listing),
        }
        return answer | {"tier": account.tier, "enabled": account.enabled}

    async def recheck(self, account: Account) -> Any:
        """Ask for its model list by the clock, and keep it; the list's JSON, None: no answer.

        Quietly: no audit line, and nobody is told where nothing changed.
        """
        listing = await self._ask(account, await self.credentials(account))
        learnt = answers.learnt(account, listing)
        if any(getattr(account, name) != value for name, value in learnt.items()):
            now = self._clock.now().wall
            await self._ledger.update_account(account.provider, account.idx, learnt, now)
            await self._changed()
        return listing.document if listing.ok else None

    async def remove_account(self, provider: str, idx: int, actor: str) -> Row:
        """Forget the account and its credentials; its usage stays in the ledger."""
        async with self._turn:
            account = forms.existing(await self._ledger.accounts(), provider, idx)
            warnings: list[str] = []
            try:
                known = await self.credentials(account)
            except SecretStoreError:
                known = None  # then the same key will be taken for a new account's
            await numbering.left(self._ledger, account, known)
            await self._ledger.delete_account(provider, idx)
            await self._changed()  # nobody may use the account when its key is gone
            try:
                await self._vault.forget(account)
            except SecretStoreError as error:
                warnings.append(f"Its key could not be deleted: {error.message}")
            await self._audit(actor, "account.remove", account, {})
        return {"removed": True, "provider": provider, "idx": idx, "warnings": warnings}

    # ── for other rooms ──────────────────────────────────────────────────────

    async def add(
        self,
        provider: str,
        key: str | None = None,
        *,
        tier: str | None = None,
        priority: int = 100,
        endpoint: str | None = None,
        params: Mapping[str, Any] | None = None,
        limits: tuple[Limit, ...] = (),
        same_account_as: int | None = None,
        enabled: bool = True,
        actor: str = "owner",
    ) -> Row:
        """Add one account. Raises InvalidRequest, Conflict, SecretStoreError."""
        if provider.strip().lower() == "local" and key is not None:
            provider, key = key, None
        known = forms.find_provider(self._catalog(), provider)
        _usable(known)
        key = forms.check_key(key)
        where = endpoint or (params or {}).get("endpoint")
        draft = Account(
            provider=known.id,
            idx=0,
            tier=forms.check_tier(known, tier),
            priority=priority,
            enabled=enabled,
            endpoint=forms.check_endpoint(known, where),
            limits=own_limits.like_published(limits, known.limits),
            same_account_as=same_account_as,
        )
        credentials, public = forms.split_fields(known, key, params)
        draft = replace(draft, params=public)
        if draft.endpoint is None and "endpoint" in known.auth_fields:
            raise InvalidRequest(
                f"{known.display_name} needs the address of your resource: --endpoint URL",
                param="endpoint",
            )
        await self._vault.check_new(draft, credentials, await self._ledger.accounts())
        listing = await self._fetch(known, draft, credentials)
        account, pooled = await self._keep(
            replace(draft, **answers.learnt(draft, listing)), credentials
        )
        details = {"tier": account.tier, "verified": account.verified}
        await self._audit(actor, "account.add", account, details)
        self._renewed(account.provider, account.idx)  # another one may have had the number
        await self._changed()
        answer: Row = {"added": True, "provider": account.provider, "idx": account.idx}
        answer |= answers.checked(account, self._known(account), listing)
        answer["warnings"] = answers.warnings(known, account, key) + pooled + answer["warnings"]
        return answer | {"tier": account.tier}

    async def credentials(self, account: Account) -> dict[str, str]:
        """The secret fields of an account; empty for a keyless one. Raises SecretStoreError."""
        return await self._vault.of(account)

    # ── inside ───────────────────────────────────────────────────────────────

    async def _keep(
        self, draft: Account, credentials: Mapping[str, str]
    ) -> tuple[Account, list[str]]:
        """Give the account its number and write it down, the credentials first."""
        async with self._turn:
            there = await self._ledger.accounts()
            await self._vault.check_new(draft, credentials, there)  # it may have come meanwhile
            if len(there) >= ACCOUNTS_MAX:
                raise Conflict(f"There are {ACCOUNTS_MAX} accounts already.")
            idx = await numbering.given(self._ledger, there, draft, credentials)
            account = replace(draft, idx=idx)
            if draft.same_account_as is not None:
                root = forms.root_of(there, account, draft.same_account_as)
                account = replace(account, same_account_as=root)
            pooled = answers.pooled(self._provider(account), account, there)
            if credentials:
                account = replace(
                    account, secret_backend=await self._vault.put(account, credentials)
                )
            try:
                await self._ledger.put_account(account, self._clock.now().wall, fresh=True)
            except BaseException:
                await self._vault.forget(account)
                raise
        return account, pooled

    async def _ask(self, account: Account, credentials: Mapping[str, str]) -> Listing:
        return await self._fetch(self._provider(account), account, credentials)

    async def _audit(self, actor: str, what: str, account: Account, detail: Row) -> None:
        row = AuditRow(self._clock.now().wall, actor, what, account.name, detail)
        await self._ledger.audit(row)
        fields = {"event": what, "account": account.name, "actor": actor}
        _log.info("%s: %s", account.name, what, extra={"fields": fields})

    def _provider(self, account: Account) -> Provider:
        catalog = self._catalog()
        found = catalog.providers.get(account.provider)
        return found or forms.find_provider(catalog, account.provider)

    def _known(self, account: Account) -> list[str]:
        """The registry's models at the account's provider."""
        return [model for provider, model in self._catalog().models if provider == account.provider]


def _usable(provider: Provider) -> None:
    if not provider.routable:
        why = {
            "retired": "has been retired",
            "restricted_client": "may only be used by its own client",
        }
        raise InvalidRequest(
            f"{provider.display_name} {why.get(provider.status, 'cannot be used')}, so no request "
            "would ever be sent there.",
            code="provider_not_usable",
            param="provider",
        )
