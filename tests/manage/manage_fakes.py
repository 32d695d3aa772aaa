"""Pretend rooms for the management tests: a ledger in memory, a catalog, a clock, an asker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from freeloader.clock import Instant
from freeloader.core.model import Account, Model, Provider
from freeloader.errors import Conflict, NotFound
from freeloader.manage.ports import Listing
from freeloader.store.rows import AuditRow, ConfigRow, KeyRow


class FakeClock:
    def __init__(self) -> None:
        self.wall = 1_800_000_000.0

    def now(self) -> Instant:
        self.wall += 1
        return Instant(self.wall, self.wall)


class FakeLedger:
    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], Account] = {}
        self.app_keys: list[KeyRow] = []
        self.configs: list[ConfigRow] = []
        self.meta: dict[str, str] = {}
        self.audits: list[AuditRow] = []

    async def accounts(self) -> list[Account]:
        return [self.kept[place] for place in sorted(self.kept)]

    async def put_account(self, account: Account, now: float, *, fresh: bool = False) -> None:
        place = (account.provider, account.idx)
        if fresh and place in self.kept:
            raise Conflict("there")
        self.kept[place] = account

    async def update_account(
        self, provider: str, idx: int, changes: Mapping[str, Any], now: float
    ) -> Account:
        self.kept[provider, idx] = replace(self.kept[provider, idx], **changes)
        return self.kept[provider, idx]

    async def delete_account(self, provider: str, idx: int) -> None:
        if self.kept.pop((provider, idx), None) is None:
            raise NotFound("gone")

    async def meta_get(self, key: str) -> str | None:
        return self.meta.get(key)

    async def meta_set(self, key: str, value: str) -> None:
        self.meta[key] = value

    async def keys(self) -> list[KeyRow]:
        return list(self.app_keys)

    async def put_key(self, key: KeyRow) -> None:
        self.app_keys.append(key)

    async def revoke_key(self, key_id: str, now: float) -> None:
        self.app_keys = [
            replace(row, revoked_at=now) if row.id == key_id else row for row in self.app_keys
        ]

    async def add_config(self, config: Mapping[str, Any], who: str, what: str, now: float) -> int:
        self.configs.append(ConfigRow(len(self.configs) + 1, now, who, what, dict(config)))
        return len(self.configs)

    async def history(self, limit: int = 50) -> list[ConfigRow]:
        return [replace(row, config={}) for row in reversed(self.configs)][:limit]

    async def config(self, version: int) -> ConfigRow:
        for row in self.configs:
            if row.version == version:
                return row
        raise NotFound("no such version")

    async def audit(self, row: AuditRow) -> None:
        self.audits.append(row)


class FakeCatalog:
    def __init__(self, *providers: Provider, models: tuple[tuple[str, str], ...] = ()) -> None:
        self.providers = {p.id: p for p in providers}
        self.models = {place: Model(place[1], place[0], place[1]) for place in models}

    def provider_from_prefix(self, prefix: str) -> Provider | None:
        return cloud("perplexity", base_url=None) if prefix == "perplexity" else None


class FakeAsker:
    """Stands for the network: what each provider's list says, and who asked with what."""

    def __init__(self) -> None:
        self.answers: dict[str, Listing] = {}
        self.asked: list[tuple[str, str | None, dict[str, str]]] = []

    async def __call__(
        self, provider: Provider, account: Account, credentials: Mapping[str, str]
    ) -> Listing:
        self.asked.append((provider.id, account.endpoint, dict(credentials)))
        return self.answers.get(provider.id, Listing(False, reason="does not answer"))


def cloud(name: str, **changes: Any) -> Provider:
    given: dict[str, Any] = {
        "base_url": f"https://api.{name}.test/v1",
        "models_path": "/models",
        "auth_env": (f"{name.upper()}_API_KEY",),
        "free_type": "recurring",
    }
    given |= changes
    status = given.pop("status", "active")
    return Provider(name, name.title(), "cloud", status, name, "openai", **given)


def local(name: str, base_url: str, **changes: Any) -> Provider:
    given: dict[str, Any] = {
        "models_path": "/models",
        "auth_fields": (),
        "keyless": True,
        "free_type": "unlimited",
    }
    wire = changes.pop("wire", "openai")
    return Provider(
        name, name.title(), "local", "active", name, wire, base_url, **{**given, **changes}
    )
