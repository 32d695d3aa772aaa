"""Accounts, keys, settings history, jobs and audit: written durably, read back whole."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from store_kit import NOW, open_store

from freeloader.core.model import Account, Limit
from freeloader.errors import Conflict, NotFound
from freeloader.store import AuditRow, JobState, KeyRow, Store

FULL = Account(
    "azure",
    2,
    tier="paid",
    priority=5,
    enabled=False,
    endpoint="http://127.0.0.1:9",
    same_account_as=1,
    limits=(Limit("tokens", 8000, "1m", applies_to=("*:free",), excludes=("cacheRead",)),),
    models=("a/b", "c:d"),
    verified=True,
    secret_backend="file",
    params={"api_version": "2026-01-01"},
)


async def test_accounts_come_back_as_they_were_after_a_restart(store: Store, home: Path) -> None:
    plain = Account("groq", 0)
    for account in (plain, FULL):
        await store.ledger.put_account(account, NOW)
    await store.close()
    again = open_store(home)
    found = await again.ledger.accounts()
    assert found == [FULL, plain]
    assert isinstance(hash(found[0].limits), int)
    await again.close()


async def test_an_account_is_changed_removed_and_never_made_twice(store: Store) -> None:
    ledger = store.ledger
    await ledger.put_account(FULL, NOW, fresh=True)
    with pytest.raises(Conflict, match="azure@2"):
        await ledger.put_account(FULL, NOW, fresh=True)
    changed = await ledger.update_account("azure", 2, {"enabled": True, "priority": 1}, NOW)
    assert (changed.enabled, changed.priority, changed.models) == (True, 1, FULL.models)
    assert await ledger.accounts() == [changed]
    await ledger.delete_account("azure", 2)
    assert await ledger.accounts() == []
    with pytest.raises(NotFound):
        await ledger.delete_account("azure", 2)
    with pytest.raises(NotFound):
        await ledger.update_account("azure", 2, {"enabled": True}, NOW)


async def test_keys_are_added_once_and_revoked_for_good(store: Store) -> None:
    ledger = store.ledger
    first = KeyRow("k1", "hash1", "admin", NOW)
    second = KeyRow(
        "k2", "hash2", "client", NOW + 1, "web", "my key", {"requests": 60}, {"daily": 5}
    )
    await ledger.put_key(first)
    await ledger.put_key(second)
    assert await ledger.keys() == [first, second]
    for twin in (KeyRow("k1", "hash3", "client", NOW), KeyRow("k3", "hash2", "client", NOW)):
        with pytest.raises(Conflict):
            await ledger.put_key(twin)
    await ledger.revoke_key("k2", NOW + 5)
    assert [key.revoked_at for key in await ledger.keys()] == [None, NOW + 5]
    with pytest.raises(NotFound):
        await ledger.revoke_key("k2", NOW + 9)


async def test_settings_history(store: Store) -> None:
    ledger = store.ledger
    one = await ledger.add_config({"a": {"b": 1}}, "cli", "set a.b", NOW)
    two = await ledger.add_config({"a": {"b": 2}}, "k1", "rollback", NOW + 1)
    assert two > one
    assert [(row.version, row.who, row.config) for row in await ledger.history()] == [
        (two, "k1", {}),
        (one, "cli", {}),
    ]
    assert len(await ledger.history(limit=1)) == 1
    assert (await ledger.config(one)).config == {"a": {"b": 1}}
    with pytest.raises(NotFound):
        await ledger.config(99)


async def test_small_values_and_what_is_not_theirs(store: Store) -> None:
    assert await store.ledger.meta_get("port") is None
    await store.ledger.meta_set("port", "3000")
    await store.ledger.meta_set("port", "3001")
    assert await store.ledger.meta_get("port") == "3001"
    assert len(await store.ledger.meta_get("instance") or "") == 16
    with pytest.raises(ValueError, match="own"):
        await store.ledger.meta_set("epoch", "0")


async def test_jobs_are_remembered(store: Store) -> None:
    state = JobState("retention", NOW, "ok", 12.5, NOW + 60, 0)
    await store.ledger.save_job(JobState("retention", failures=3))
    await store.ledger.save_job(state)
    await store.ledger.save_job(JobState("expiry"))
    assert await store.ledger.jobs() == {"retention": state, "expiry": JobState("expiry")}


async def test_the_audit_grows_and_is_read_in_pages(store: Store) -> None:
    for n in range(5):
        await store.ledger.audit(AuditRow(NOW + n, "k1", "account.add", f"groq@{n}", {"n": n}))
    page = await store.ledger.audits(limit=2)
    assert [row.detail["n"] for row in page] == [4, 3]
    rest = await store.ledger.audits(before=page[-1].at)
    assert [row.subject for row in rest] == ["groq@2", "groq@1", "groq@0"]
    await store.ledger.audit(AuditRow(NOW + 9, "k1", "config.set", "7"))
    assert [row.subject for row in await store.ledger.audits(what="config")] == ["7"]
    assert await store.ledger.audits(what="conf%") == []


@pytest.mark.parametrize("act", ["UPDATE audit SET who = 'nobody'", "DELETE FROM audit"])
async def test_the_audit_cannot_be_rewritten(store: Store, home: Path, act: str) -> None:
    await store.ledger.audit(AuditRow(NOW, "k1", "key.create", "k2"))
    conn = sqlite3.connect(home / "freeloader.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        conn.execute(act)
    conn.close()
    assert [row.who for row in await store.ledger.audits()] == ["k1"]


async def test_the_registry_in_force_is_kept_and_written_only_when_it_changed(
    store: Store, home: Path
) -> None:
    def kept() -> list[tuple[object, ...]]:
        conn = sqlite3.connect(home / "freeloader.db")
        rows = conn.execute(
            "SELECT provider, id, json_extract(data, '$.free'), updated_at FROM models ORDER BY id"
        ).fetchall()
        rows += conn.execute("SELECT id FROM providers").fetchall()
        conn.close()
        return rows

    providers, models = {"groq": {"kind": "cloud"}}, {("groq", "m"): {"free": True}}
    for now in (NOW, NOW + 60):
        store.ledger.keep_registry(providers, models, now)
    await store.ledger.accounts()
    assert kept() == [("groq", "m", 1, NOW), ("groq",)]
    store.ledger.keep_registry(providers, {("groq", "n"): {"free": False}}, NOW + 90)
    await store.ledger.accounts()
    assert kept() == [("groq", "n", 0, NOW + 90), ("groq",)]
