from __future__ import annotations

import os
import stat
from typing import Any

import pytest
from manage_fakes import FakeClock, FakeLedger

from freeloader.errors import Conflict, InvalidRequest, NotFound
from freeloader.manage.keys import AppKeys, key_hash
from freeloader.money import pico_from_usd
from freeloader.settings import Home


@pytest.fixture
async def keys(ledger: FakeLedger, clock: FakeClock) -> AppKeys:
    return AppKeys(ledger, clock)


async def test_a_key_is_shown_once_and_only_its_hash_kept(
    keys: AppKeys, ledger: FakeLedger
) -> None:
    made = await keys.create_key(
        {
            "role": "client",
            "project": "web",
            "rateLimit": {"requestsPerMinute": 30},
            "budget": {"daily": 1.5, "perRequest": 0.25},
        },
        "owner",
    )
    key = made["key"]
    assert key.startswith("xs-")
    assert len(key) >= 43
    assert ledger.app_keys[0].hash == key_hash(key)
    seen = repr(ledger.app_keys) + repr(ledger.audits) + repr(await keys.list_keys()) + repr(keys)
    assert key not in seen
    assert key[3:20] not in seen
    caller = keys.authenticate(key)
    assert caller is not None
    assert (caller.key_id, caller.role, caller.project) == (made["id"], "client", "web")
    assert caller.level.max_cost == pico_from_usd("0.25")
    assert keys.rate_limit(made["id"]) == 30
    assert keys.budget(made["id"]) == {"daily": 1.5, "perRequest": 0.25}


async def test_two_keys_differ(keys: AppKeys) -> None:
    made = [await keys.create_key({}, "owner") for _ in range(5)]
    assert len({row["key"] for row in made}) == 5
    assert len({row["id"] for row in made}) == 5


async def test_wrong_revoked_and_odd_tokens_are_nobody(keys: AppKeys) -> None:
    made = await keys.create_key({"role": "viewer"}, "owner")
    key = made["key"]
    wrong = ["", key[:-1], key + "x", key.upper(), key_hash(key), "x" * 10_000, "\ud800", "é"]
    assert [keys.authenticate(token) for token in wrong] == [None] * len(wrong)
    await keys.revoke_key(made["id"], "owner")
    assert keys.authenticate(key) is None
    assert (await keys.list_keys())[0]["revokedAt"] is not None
    with pytest.raises(NotFound):
        await keys.revoke_key(made["id"], "owner")


async def test_the_last_admin_key_stays(keys: AppKeys) -> None:
    first = await keys.create_key({"role": "admin"}, "owner")
    with pytest.raises(Conflict):
        await keys.revoke_key(first["id"], "owner")
    await keys.create_key({"role": "admin"}, "owner")
    await keys.revoke_key(first["id"], "owner")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"role": "root"}, "role"),
        ({"rol": "admin"}, "rol"),
        ({"project": "../x"}, "project"),
        ({"project": "a\n"}, "project"),
        ({"rateLimit": 0}, "rateLimit"),
        ({"rateLimit": {"perMinute": 5}}, "rateLimit.perMinute"),
        ({"budget": {"daily": -1}}, "budget.daily"),
        ({"budget": {"dayly": 1}}, "budget.dayly"),
        ({"budget": 5}, "budget"),
        ({"name": "a\x1b[31m"}, "name"),
    ],
)
async def test_bad_bodies(
    keys: AppKeys, ledger: FakeLedger, body: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await keys.create_key(body, "owner")
    assert caught.value.param == param
    assert ledger.app_keys == []


async def test_key_files_are_private_stable_and_replaced_once_revoked(
    keys: AppKeys, home: Home
) -> None:
    old = os.umask(0)
    try:
        assert await keys.ensure_files(home) == ["admin.key", "client.key"]
    finally:
        os.umask(old)
    for path, role in ((home.admin_key, "admin"), (home.client_key, "client")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        caller = keys.authenticate(path.read_text().strip())
        assert caller is not None
        assert caller.role == role
    assert await keys.ensure_files(home) == []
    client = home.client_key.read_text().strip()
    caller = keys.authenticate(client)
    assert caller is not None
    await keys.revoke_key(caller.key_id, "owner")
    assert await keys.ensure_files(home) == ["client.key"]
    assert home.client_key.read_text().strip() != client


async def test_files_are_adopted_by_a_new_database(home: Home, clock: FakeClock) -> None:
    await AppKeys(FakeLedger(), clock).ensure_files(home)
    client = home.client_key.read_text()
    keys = AppKeys(FakeLedger(), clock)
    await keys.ensure_files(home)
    assert home.client_key.read_text() == client
    assert keys.authenticate(client.strip()) is not None
    home.client_key.write_text("hunter2\n")
    await keys.ensure_files(home)
    assert keys.authenticate("hunter2") is None


async def test_who_holds_the_budgets_is_told_of_every_key(
    ledger: FakeLedger, clock: FakeClock
) -> None:
    told: list[dict[str, Any]] = []

    async def changed() -> None:
        told.append({key: dict(keys.budget(key)) for key in keys.ids()})

    keys = AppKeys(ledger, clock, changed=changed)
    made = await keys.create_key({"budget": {"daily": 1}}, "owner")
    await keys.revoke_key(made["id"], "owner")
    assert told == [{made["id"]: {"daily": 1.0}}, {}]
