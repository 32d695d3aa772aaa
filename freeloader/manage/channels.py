"""Channels of notifications: named in the settings, their addresses kept like keys.

An address may hold a password, so it goes to the secret store, and no answer shows it.
Sending is the notifier's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from freeloader.clock import Clock
from freeloader.errors import InvalidRequest, NotFound
from freeloader.manage.ports import SecretKeeper
from freeloader.store.rows import AuditRow

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,30}://\S{1,2000}", re.ASCII | re.IGNORECASE)
CHANNELS_MAX = 20

Row = dict[str, Any]


class Facts(Protocol):
    """Small facts by name, and the audit."""

    async def meta_get(self, key: str) -> str | None: ...
    async def meta_set(self, key: str, value: str) -> None: ...
    async def audit(self, row: AuditRow) -> None: ...


class SettingsChange(Protocol):
    """``manage.config``, as far as the list of names is changed."""

    async def get_config(self, name: str) -> Any: ...
    async def change_config(self, changes: Mapping[str, Any], actor: str) -> Row: ...


class Channels:
    """One per home; works with the daemon stopped too."""

    def __init__(
        self, secrets: SecretKeeper, facts: Facts, config: SettingsChange, clock: Clock
    ) -> None:
        self._secrets, self._facts = secrets, facts
        self._config, self._clock = config, clock

    async def names(self) -> list[str]:
        return list(await self._config.get_config("notifications.channels") or ())

    async def add(self, name: str, address: str, actor: str) -> Row:
        """Keeps the address and names the channel; an address that is there is replaced.

        Raises InvalidRequest, SecretStoreError.
        """
        if not _NAME.fullmatch(name):
            raise InvalidRequest(
                "A channel's name is letters, digits, dots and dashes.", param="name"
            )
        if not _ADDRESS.fullmatch(address.strip()):
            raise InvalidRequest(
                "The address is one that apprise knows, such as mailto://user:password@host or "
                "json://host/path.",
                param="address",
            )
        names = await self.names()
        if name not in names and len(names) >= CHANNELS_MAX:
            raise InvalidRequest(f"There are {CHANNELS_MAX} channels already.")
        backend = await self._secrets.put(_secret(name), {"url": address.strip()})
        await self._facts.meta_set(_secret(name), backend)
        if name not in names:
            await self._config.change_config({"notifications": {"channels": [*names, name]}}, actor)
        await self._note("notify.add", name, actor)
        return {"added": True, "name": name}

    async def remove(self, name: str, actor: str) -> Row:
        """Raises NotFound, SecretStoreError."""
        names = await self.names()
        backend = await self._facts.meta_get(_secret(name))
        if name not in names and not backend:
            raise NotFound(f"There is no channel {name}; `xswarm notify list` shows them.")
        if name in names:
            names.remove(name)
            await self._config.change_config({"notifications": {"channels": names}}, actor)
        if backend:
            await self._secrets.delete(_secret(name), backend)
            await self._facts.meta_set(_secret(name), "")
        await self._note("notify.remove", name, actor)
        return {"removed": True, "name": name}

    async def address(self, name: str) -> str | None:
        """Where the channel leads; None where nobody said. Raises SecretStoreError."""
        backend = await self._facts.meta_get(_secret(name))
        found = await self._secrets.get(_secret(name), backend) if backend else None
        return None if found is None else found.get("url")

    async def _note(self, what: str, name: str, actor: str) -> None:
        await self._facts.audit(AuditRow(self._clock.now().wall, actor, what, name))


def _secret(name: str) -> str:
    return f"notify/{name}"
