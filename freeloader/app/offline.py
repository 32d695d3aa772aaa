"""The owner's operations on a home whose daemon is stopped: same operations, same files.

The caller holds the home's lock. Nothing is served and no child is started.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from freeloader import catalog as catalogs
from freeloader.app.misspelt import slips
from freeloader.catalog.stated import Stated
from freeloader.clock import SystemClock
from freeloader.manage.accounts.operations import Accounts
from freeloader.manage.config import Config
from freeloader.manage.fetch import fetch_models
from freeloader.manage.keys import AppKeys
from freeloader.secrets import SecretStore
from freeloader.settings import Home, load
from freeloader.store import Store


@dataclass(frozen=True, slots=True)
class Offline:
    """What an owner can do without a daemon; see ``freeloader.manage``."""

    accounts: Accounts
    keys: AppKeys
    config: Config


@asynccontextmanager
async def offline(home: Home) -> AsyncIterator[Offline]:
    """Opens the home's files and closes them again. Raises FreeloaderError."""
    home.create()
    clock = SystemClock()
    settings = load(home, os.environ)
    store = await asyncio.to_thread(Store.open, home.ledger, home.journal, clock)
    try:
        secrets = SecretStore(home, settings.secrets.backend)
        catalog = await asyncio.to_thread(catalogs.load, home.registry)
        accounts = Accounts(store.ledger, secrets, lambda: catalog, fetch_models, clock)
        keys = AppKeys(store.ledger, clock)
        await keys.load()
        stated = Stated(catalog, ())
        config = Config(
            home,
            os.environ,
            store.ledger,
            clock,
            accounts=accounts,
            slips=lambda found: slips(found, stated),
        )
        yield Offline(accounts, keys, config)
    finally:
        await store.close()
