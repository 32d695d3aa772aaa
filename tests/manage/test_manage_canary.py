"""A planted key, through every management operation on a real home: found nowhere but sealed."""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from manage_fakes import FakeAsker, FakeCatalog, FakeClock

from freeloader import logs
from freeloader.errors import FreeloaderError
from freeloader.manage.accounts.operations import Accounts
from freeloader.manage.config import Config
from freeloader.manage.keys import AppKeys
from freeloader.manage.onboard import Onboarding
from freeloader.manage.ports import Listing
from freeloader.secrets import SecretStore
from freeloader.settings import Home
from freeloader.store import Store

# Three that look like keys and one that looks like nothing at all.
CANARIES = [
    "gsk_canaryAAAAAAAAAAAAAAAAAAAA",
    "gsk_canaryBBBBBBBBBBBBBBBBBBBB",
    "sk-canaryCCCCCCCCCCCCCCCCCCCCC",
    "canary9f8e7d6c5b4a39281706f5e4",
]


@pytest.fixture
def open_umask() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


@pytest.mark.usefixtures("open_umask")
async def test_k1_a_planted_key_is_found_nowhere(
    tmp_path: Path, catalog: FakeCatalog, asker: FakeAsker, clock: FakeClock
) -> None:
    home = Home(tmp_path / "home").create()
    redactor = logs.Redactor()
    handle = logs.setup(home.logs, redactor, level="debug")
    store = Store.open(home.ledger, home.journal, clock)
    secrets = SecretStore(home, "file", on_secret=redactor.add)
    said: list[Any] = []
    try:
        accounts = Accounts(store.ledger, secrets, lambda: catalog, asker, clock)
        config = Config(home, {}, store.ledger, clock, accounts=accounts)
        keys = AppKeys(store.ledger, clock)
        await keys.ensure_files(home)
        made = await keys.create_key({"role": "viewer", "project": "p"}, "owner")
        environ = {"GROQ_API_KEY": CANARIES[0], "OPENAI_API_KEY": CANARIES[2]}

        async def nobody(*_: Any) -> Listing:
            return Listing(False, reason="nobody")

        look = Onboarding(accounts, store.ledger, lambda: catalog, environ, nobody)
        said += [(await look.run()).as_dict(), (await look.run()).as_dict()]
        said.append(await accounts.add_account({"provider": "groq", "key": CANARIES[1]}, "owner"))
        said.append(await accounts.change_account("groq", 2, {"key": CANARIES[3]}, "owner"))
        said.append(await accounts.list_accounts())
        seed = {"strategy": "balanced", "providers": {"openrouter": {"apiKey": CANARIES[3]}}}
        said.append(await config.import_config(seed, "owner"))
        said.append(await config.change_config({"port": 3111}, "owner"))
        said.append(await config.rollback_config(1, "owner"))
        said += [await config.config_history(), await keys.list_keys()]
        bad: list[Any] = [
            accounts.add_account({"provider": "groq", "key": CANARIES[1] + "\x00"}, "owner"),
            accounts.add_account({"provider": CANARIES[1]}, "owner"),
            accounts.add_account({"provider": "groq", "tier": "free", "key": 5}, "owner"),
            config.change_config({"secrets": {"apiKey": CANARIES[1]}}, "owner"),
            config.change_config({"server": {"port": CANARIES[1]}}, "owner"),
        ]
        for attempt in bad:
            with pytest.raises(FreeloaderError) as caught:
                await attempt
            assert CANARIES[1] not in str(caught.value) + repr(caught.value.details)
        log = logging.getLogger("freeloader.canary")
        log.info("accounts %r, %s", accounts, CANARIES)
        said.append([repr(accounts), repr(keys), repr(secrets), repr(config)])
        assert await accounts.credentials((await store.ledger.accounts())[1])
    finally:
        await store.close()
        handle.close()
    everything = json.dumps(said)
    for canary in (*CANARIES, made["key"]):
        assert canary not in everything
        for path in home.path.rglob("*"):
            if path.is_file():
                assert canary.encode() not in path.read_bytes(), path
    own = [home.config, home.secrets, home.secrets_key, home.admin_key, home.client_key]
    for path in (*own, home.logs / logs.FILE_NAME):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
