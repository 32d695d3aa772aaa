"""Secrets by name, in whichever backend serves; each account records which.

What is read or written is announced to ``on_secret``, so that logs can mask
it. This module knows no provider and writes no log line.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from freeloader.errors import SecretStoreError
from freeloader.secrets.file import SecretFile
from freeloader.secrets.ring import KEYRING_SECONDS, Keyring, TimedKeyring, system_keyring
from freeloader.settings.home import Home

_CACHE_MAX = 512

Fields = Mapping[str, str]


class SecretStore:
    """Secrets by name, each a small mapping of fields.

    ``backend``: ``auto`` (keyring if it works, else file), ``keyring`` (or an
    error), ``file``. All methods raise SecretStoreError.
    """

    def __init__(
        self,
        home: Home,
        backend: str = "auto",
        *,
        keyring_seconds: float = KEYRING_SECONDS,
        find_keyring: Callable[[], Keyring | None] = system_keyring,
        on_secret: Callable[[str], None] = lambda value: None,
    ) -> None:
        self._backend = backend
        self._file = SecretFile(home)
        self._ring = TimedKeyring(home.identity, keyring_seconds, find_keyring)
        self._on_secret = on_secret
        self._reading = asyncio.Lock()
        self._cache: OrderedDict[tuple[str, str], tuple[object, Fields]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<SecretStore {self._backend}>"

    async def put(self, name: str, fields: Fields) -> str:
        """Keep ``fields`` under ``name``; returns the backend that has them."""
        kept = {str(key): str(value) for key, value in fields.items()}
        for value in kept.values():
            self._on_secret(value)
        backend = "file"
        if self._backend != "file" and await self._keyring_works():
            backend = "keyring"
            try:
                await self._ring.call("set_password", name, json.dumps(kept))
            except SecretStoreError:
                if self._backend == "keyring":
                    raise
                backend = "file"
        if backend == "file":
            await asyncio.to_thread(self._file.change, name, kept)
        self._remember(name, backend, kept)
        return backend

    async def get(self, name: str, backend: str) -> Fields | None:
        """What is kept under ``name`` in ``backend``; None where there is nothing."""
        found = self._remembered(name, backend)
        if found is None and backend == "keyring":
            raw = await self._ring.call("get_password", name)
            if raw is not None:
                found = self._learnt(name, backend, _fields(raw))
        elif found is None:
            async with self._reading:  # one opens the file, and the others find what it learnt
                found = self._remembered(name, backend) or await self._from_file(name)
        return None if found is None else dict(found)

    async def delete(self, name: str, backend: str) -> None:
        """Forget ``name``; it need not be there."""
        self._cache.pop((name, backend), None)
        if backend != "keyring":
            await asyncio.to_thread(self._file.change, name, None)
        elif await self._ring.call("get_password", name) is not None:
            await self._ring.call("delete_password", name)

    async def status(self) -> dict[str, Any]:
        """For ``doctor``: which backend serves, and why not the keyring."""
        works = self._backend != "file" and await self._keyring_works()
        return {
            "configured": self._backend,
            "serves": "keyring" if works else "file",
            "keyring": "works" if works else (self._ring.reason or "not asked"),
        }

    async def _keyring_works(self) -> bool:
        works = await self._ring.trusted()
        if not works and self._backend == "keyring":
            raise SecretStoreError(
                f"The keyring cannot be used ({self._ring.reason}). Unlock it, or keep keys "
                "encrypted in the home: xswarm config set secrets.backend file"
            )
        return works

    async def _from_file(self, name: str) -> Fields | None:
        """Opens the file, which is dear, and remembers all that is in it."""
        stamp = self._file.stamp()
        kept = await asyncio.to_thread(self._file.read)
        for other, fields in kept.items():
            self._learnt(other, "file", fields, stamp)
        return kept.get(name)

    def _remembered(self, name: str, backend: str) -> Fields | None:
        stamp = self._file.stamp() if backend == "file" else None
        cached = self._cache.get((name, backend))
        if cached is None or cached[0] != stamp:
            return None
        self._cache.move_to_end((name, backend))
        return cached[1]

    def _learnt(self, name: str, backend: str, fields: Fields, stamp: object = None) -> Fields:
        for value in fields.values():
            self._on_secret(value)
        self._remember(name, backend, fields, stamp)
        return fields

    def _remember(self, name: str, backend: str, fields: Fields, stamp: object = None) -> None:
        if backend == "file" and stamp is None:
            stamp = self._file.stamp()
        self._cache[name, backend] = (stamp, dict(fields))
        self._cache.move_to_end((name, backend))
        while len(self._cache) > _CACHE_MAX:
            self._cache.popitem(last=False)


def _fields(raw: str) -> dict[str, str]:
    try:
        found = json.loads(raw)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SecretStoreError("The keyring holds something else under our name.")
    return {str(key): str(value) for key, value in found.items()}
