"""What the management operations need of other rooms, as Protocols.

No behaviour. The ledger is the store's, the catalog the catalog's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from freeloader.core.model import Account, Model, Provider
from freeloader.store.reports.analytics import Tally
from freeloader.store.rows import AuditRow, ConfigRow, KeyRow


class Catalog(Protocol):
    """What exists, as far as management asks."""

    @property
    def providers(self) -> Mapping[str, Provider]: ...

    @property
    def models(self) -> Mapping[tuple[str, str], Model]: ...

    def provider_from_prefix(self, prefix: str) -> Provider | None:
        """A provider that only LiteLLM knows, by its prefix."""
        ...


class AccountLedger(Protocol):
    """Accounts, and small facts by name. ``now`` is wall seconds."""

    async def accounts(self) -> list[Account]: ...
    async def put_account(self, account: Account, now: float, *, fresh: bool = False) -> None: ...
    async def update_account(
        self, provider: str, idx: int, changes: Mapping[str, Any], now: float
    ) -> Account: ...
    async def delete_account(self, provider: str, idx: int) -> None: ...
    async def meta_get(self, key: str) -> str | None: ...
    async def meta_set(self, key: str, value: str) -> None: ...
    async def audit(self, row: AuditRow) -> None: ...


class KeyLedger(Protocol):
    """App keys; only hashes of them."""

    async def keys(self) -> list[KeyRow]: ...
    async def put_key(self, key: KeyRow) -> None: ...
    async def revoke_key(self, key_id: str, now: float) -> None: ...
    async def audit(self, row: AuditRow) -> None: ...


class ConfigLedger(Protocol):
    """The history of accepted changes."""

    async def add_config(
        self, config: Mapping[str, Any], who: str, what: str, now: float
    ) -> int: ...
    async def history(self, limit: int = 50) -> list[ConfigRow]: ...
    async def config(self, version: int) -> ConfigRow: ...
    async def audit(self, row: AuditRow) -> None: ...


class AuditLedger(Protocol):
    """Who did what; append-only."""

    async def audit(self, row: AuditRow) -> None: ...
    async def audits(
        self, limit: int = 100, before: float | None = None, what: str | None = None
    ) -> list[AuditRow]: ...


class DecisionsPort(Protocol):
    """The journal's decisions, newest first."""

    async def decisions(
        self, limit: int = 50, before: float | None = None
    ) -> list[dict[str, Any]]: ...


class ExporterPort(Protocol):
    """Everything that was asked, in pieces (``store.reports.export``)."""

    async def count(self, since: float, until: float, project: str | None) -> int: ...
    def pieces(
        self, since: float, until: float, project: str | None
    ) -> AsyncIterator[list[dict[str, Any]]]: ...


class ReportsPort(Protocol):
    """Sums over what was consumed (``store.reports``); wall seconds."""

    async def tally(
        self,
        since: float,
        until: float,
        by: tuple[str, ...],
        *,
        project: str | None = None,
    ) -> Mapping[tuple[Any, ...], Tally]: ...
    async def latencies(
        self, since: float, until: float, *, hours: bool, project: str | None = None
    ) -> Mapping[str, tuple[float, float]]: ...
    async def begun(self) -> str | None: ...


class SecretKeeper(Protocol):
    """The secret store."""

    async def put(self, name: str, fields: Mapping[str, str]) -> str: ...
    async def get(self, name: str, backend: str) -> Mapping[str, str] | None: ...
    async def delete(self, name: str, backend: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """What a provider's own model list said. ``refused``: it does not accept the key;
    ``document`` is the list itself, for those who read more than names in it."""

    ok: bool
    models: tuple[str, ...] = ()
    reason: str = ""
    refused: bool = False
    reachable: bool = False
    document: Any = None


Fetch = Callable[[Provider, Account, Mapping[str, str]], Awaitable[Listing]]
Changed = Callable[[], Awaitable[None]]


async def unchanged() -> None:
    """For those who need not hear of changes."""


def secret_name(provider: str, idx: int) -> str:
    """Under which name an account's credentials are kept."""
    return f"account/{provider}@{idx}"
