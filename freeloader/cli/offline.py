"""The owner's operations on a home whose daemon is stopped, and making a home.

The same ``manage`` operations that stand behind the routes, on the home's own
files. The caller holds the home's lock, so that no daemon starts meanwhile.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from freeloader.cli.backend import HISTORY_MAX, Row
from freeloader.settings import Home, choose_port, load, save

if TYPE_CHECKING:
    from freeloader.gateway.services import AccountsManager, ConfigManager
    from freeloader.manage.keys import AppKeys

T = TypeVar("T")

# Who did it, in the audit log.
ACTOR = "owner"


class Offline(Protocol):
    """What ``freeloader.app.offline(home)`` gives while it is open."""

    @property
    def accounts(self) -> AccountsManager: ...

    @property
    def keys(self) -> AppKeys: ...

    @property
    def config(self) -> ConfigManager: ...


class OfflineBackend:
    """``backend.Backend``, done here; each call runs to its end in an event loop of its own."""

    def __init__(self, offline: Offline, runner: asyncio.Runner) -> None:
        self._offline = offline
        self._runner = runner

    @classmethod
    @contextmanager
    def open(cls, home: Path) -> Iterator[OfflineBackend]:
        """The backend of one home, which must exist; its databases are closed afterwards."""
        with asyncio.Runner() as runner:
            context = _offline(home)
            offline = runner.run(context.__aenter__())
            try:
                yield cls(offline, runner)
            finally:
                runner.run(context.__aexit__(None, None, None))

    def accounts(self) -> list[Row]:
        return self._do(self._offline.accounts.list_accounts())

    def add_account(self, body: Mapping[str, Any]) -> Row:
        return self._do(self._offline.accounts.add_account(body, ACTOR))

    def test_account(self, provider: str, idx: int) -> Row:
        return self._do(self._offline.accounts.test_account(provider, idx, ACTOR))

    def change_account(self, provider: str, idx: int, changes: Mapping[str, Any]) -> Row:
        return self._do(self._offline.accounts.change_account(provider, idx, changes, ACTOR))

    def remove_account(self, provider: str, idx: int) -> Row:
        return self._do(self._offline.accounts.remove_account(provider, idx, ACTOR))

    def keys(self) -> list[Row]:
        return self._do(self._offline.keys.list_keys())

    def create_key(self, body: Mapping[str, Any]) -> Row:
        return self._do(self._offline.keys.create_key(body, ACTOR))

    def revoke_key(self, key_id: str) -> Row:
        return self._do(self._offline.keys.revoke_key(key_id, ACTOR))

    def config(self) -> Row:
        return self._do(self._offline.config.show_config())

    def change_config(self, changes: Mapping[str, Any]) -> Row:
        return self._do(self._offline.config.change_config(changes, ACTOR))

    def import_config(self, document: Mapping[str, Any]) -> Row:
        return self._do(self._offline.config.import_config(document, ACTOR))

    def config_history(self) -> list[Row]:
        return self._do(self._offline.config.config_history(HISTORY_MAX))

    def rollback_config(self, version: int) -> Row:
        return self._do(self._offline.config.rollback_config(version, ACTOR))

    def _do(self, work: Awaitable[T]) -> T:
        async def finish() -> T:
            return await work

        return self._runner.run(finish())


def make_home(path: Path) -> None:
    """Makes the directories, ``config.toml`` with a free port, and the two first keys.

    What is there already stays as it is. Raises ConfigError, Conflict, Unavailable.
    """
    home = Home(path).create()
    if not home.config.exists():
        settings = load(home, os.environ)
        # A port that the environment names is not ours to choose; 0 means any, for tests.
        named = any(name.upper() == "XSWARM_SERVER__PORT" for name in os.environ)
        if named or settings.server.port == 0:
            save(home, {})
        else:
            save(home, {"server": {"port": choose_port(home, settings).server.port}})
    asyncio.run(_make_keys(home))


async def _make_keys(home: Home) -> None:
    async with _offline(home.path) as offline:
        await offline.keys.ensure_files(home)


def _offline(home: Path) -> AbstractAsyncContextManager[Offline]:
    from freeloader import app

    context: AbstractAsyncContextManager[Offline] = app.offline(Home(home))
    return context
