from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from manage_fakes import FakeAsker, FakeLedger

from freeloader.core.model import Account
from freeloader.errors import Conflict, FreeloaderError, InvalidRequest, NotFound
from freeloader.manage.accounts import forms, numbering
from freeloader.manage.accounts.operations import Accounts
from freeloader.manage.ports import Listing
from freeloader.secrets import SecretStore

KEY = "gsk_canary0123456789"


async def test_add_answers_as_the_contract_says(accounts: Accounts, store: SecretStore) -> None:
    row = await accounts.add_account({"provider": "groq", "key": KEY, "tier": "free"}, "owner")
    assert {k: row[k] for k in ("added", "provider", "idx", "verified", "modelsAvailable")} == {
        "added": True,
        "provider": "groq",
        "idx": 1,
        "verified": True,
        "modelsAvailable": ["llama-3"],
    }
    assert row["warnings"] == []
    assert await store.get("account/groq@1", "file") == {"api_key": KEY}


async def test_no_answer_list_or_record_holds_the_key(
    accounts: Accounts, ledger: FakeLedger
) -> None:
    added = await accounts.add_account({"provider": "groq", "apiKey": KEY}, "owner")
    shown = await accounts.list_accounts()
    tested = await accounts.test_account("groq", 1, "owner")
    everything = json.dumps([added, shown, tested]) + repr(ledger.kept) + repr(ledger.audits)
    assert KEY not in everything
    assert [row.what for row in ledger.audits] == ["account.add", "account.test"]


@pytest.mark.parametrize(
    "body",
    [
        {"provider": "local", "key": "ollama", "endpoint": "http://127.0.0.1:9999"},
        {"provider": "local ollama", "endpoint": "http://127.0.0.1:9999/v1"},
        {"provider": "local/ollama", "endpoint": "http://127.0.0.1:9999/"},
        {"provider": "ollama", "endpoint": "http://127.0.0.1:9999"},
        {"provider": "Ollama", "endpoint": "http://0.0.0.0:9999"},
    ],
)
async def test_both_forms_of_a_local_account_are_the_same(
    accounts: Accounts, ledger: FakeLedger, body: dict[str, Any]
) -> None:
    await accounts.add_account(body, "owner")
    account = ledger.kept["ollama", 1]
    assert account.endpoint == "http://127.0.0.1:9999"
    assert account.secret_backend is None
    assert account.tier == "free"


async def test_v1_is_added_where_the_local_wire_wants_it(
    accounts: Accounts, ledger: FakeLedger
) -> None:
    await accounts.add_account({"provider": "lm-studio", "endpoint": "http://box:1234"}, "owner")
    assert ledger.kept["lm_studio", 1].endpoint == "http://box:1234/v1"


async def test_odd_key_is_a_warning_and_second_account_a_warning_with_its_source(
    accounts: Accounts,
) -> None:
    odd = await accounts.add_account({"provider": "groq", "key": "nonsense-key"}, "owner")
    assert any("usually look like" in w for w in odd["warnings"])
    second = await accounts.add_account({"provider": "groq", "key": KEY}, "owner")
    assert second["idx"] == 2
    [warning] = second["warnings"]
    assert "forbid" in warning
    assert "One account only." in warning
    assert "ToS 3.2" in warning
    third = await accounts.add_account(
        {"provider": "groq", "key": "gsk_3", "sameAccountAs": 1}, "owner"
    )
    assert third["warnings"] == []


async def test_a_number_is_given_again_only_to_the_same_credential(
    accounts: Accounts, ledger: FakeLedger
) -> None:
    """Quotas, pauses and usage are kept by number: a stranger's are nobody else's, and to remove
    a key and add it again makes no quota of what it has used."""
    for n in range(3):
        await accounts.add_account({"provider": "groq", "key": f"gsk_{n}"}, "owner")
    for number in (2, 3):
        await accounts.remove_account("groq", number, "owner")
    row = await accounts.add_account({"provider": "groq", "key": "gsk_new"}, "owner")
    assert row["idx"] == 4
    row = await accounts.add_account({"provider": "groq", "key": "gsk_1"}, "owner")
    assert row["idx"] == 2
    await accounts.remove_account("groq", 4, "owner")
    row = await accounts.add_account({"provider": "groq", "key": "gsk_other"}, "owner")
    assert row["idx"] == 5
    assert "gsk_" not in repr(ledger.meta)


async def test_a_keyless_account_is_known_by_its_address(accounts: Accounts) -> None:
    here, there = ({"provider": "ollama", "endpoint": f"http://127.0.0.1:{n}"} for n in (1, 2))
    await accounts.add_account(here, "owner")
    await accounts.remove_account("ollama", 1, "owner")
    assert (await accounts.add_account(there, "owner"))["idx"] == 2
    assert (await accounts.add_account(here, "owner"))["idx"] == 1


async def test_what_is_kept_of_a_credential_is_alike_in_no_two_homes() -> None:
    """A short password's plain hash could be looked up in a list."""
    kept: list[set[str]] = []
    account, credentials = Account("groq", 1), {"api_key": "secret1"}
    for _ in range(2):
        ledger = FakeLedger()
        await numbering.left(ledger, account, credentials)
        assert await numbering.given(ledger, (), account, credentials) == 1
        assert await numbering.given(ledger, (), account, {"api_key": "secret2"}) == 2
        kept.append({*json.loads(*ledger.meta.values())["credentials"]})
    assert len(kept[0] | kept[1]) == 2


async def test_where_the_key_cannot_be_read_its_number_is_not_given_again(
    accounts: Accounts, store: SecretStore
) -> None:
    await accounts.add_account({"provider": "groq", "key": KEY}, "owner")
    await store.delete("account/groq@1", "file")
    await accounts.remove_account("groq", 1, "owner")
    assert (await accounts.add_account({"provider": "groq", "key": KEY}, "owner"))["idx"] == 2


async def test_two_at_once_get_two_numbers_and_the_same_key_only_one(
    accounts: Accounts, ledger: FakeLedger
) -> None:
    bodies = [{"provider": "groq", "key": f"gsk_{n // 2}"} for n in range(8)]
    answers = await asyncio.gather(
        *(accounts.add_account(body, "owner") for body in bodies), return_exceptions=True
    )
    added = [a for a in answers if isinstance(a, dict)]
    assert sorted(row["idx"] for row in added) == [1, 2, 3, 4]
    assert sum(isinstance(a, Conflict) for a in answers) == 4
    assert len(ledger.kept) == 4


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"provider": "grok"}, "provider", "did you mean groq"),
        ({"provider": "zzzzqqqq"}, "provider", "No provider"),
        ({"provider": "kluster", "key": "k" * 20}, "provider", "retired"),
        ({"provider": "groq"}, "key", "needs a key"),
        ({"provider": "groq", "key": "  "}, "key", "needs a key"),
        ({"provider": "groq", "key": "gsk_a\r\nX: y"}, "key", "characters"),
        ({"provider": "groq", "key": "gsk_ä"}, "key", "characters"),
        ({"provider": "cloudflare", "key": "t" * 20}, "params.account_id", "account_id"),
        ({"provider": "azure", "key": "t" * 20}, "endpoint", "--endpoint"),
        ({"provider": "ollama", "endpoint": "ftp://x"}, "endpoint", "http(s)"),
        ({"provider": "ollama", "endpoint": "file:///etc/passwd"}, "endpoint", "http(s)"),
        ({"provider": "ollama", "endpoint": "http://u:p@x"}, "endpoint", "no user name"),
        ({"provider": "ollama", "endpoint": "http://x?key=1"}, "endpoint", "query"),
        ({"provider": "ollama", "endpoint": "http://x:99999"}, "endpoint", "http(s)"),
        ({"provider": "groq", "key": KEY, "tier": "very free!"}, "tier", "short word"),
        ({"provider": "groq", "key": KEY, "priorty": 1}, "priorty", "did you mean 'priority'"),
        ({"provider": "groq", "key": KEY, "priority": "high"}, "priority", "number"),
        ({"key": KEY}, "provider", "Name the provider"),
        ({"provider": "groq", "key": 5}, "key", "must be text"),
        ({"provider": "groq", "key": [KEY]}, "key", "must be text"),
        ({"provider": "groq", "key": KEY, "fields": {"x": {}}}, "fields.x", "must be text"),
        ({"provider": KEY + KEY}, "provider", "called that"),
    ],
)
async def test_refusals_name_the_field_and_keep_nothing(
    accounts: Accounts, ledger: FakeLedger, body: dict[str, Any], param: str, words: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await accounts.add_account(body, "owner")
    assert caught.value.param == param
    assert words in caught.value.message
    assert KEY not in caught.value.message
    assert ledger.kept == {}


@pytest.mark.parametrize(
    ("tier", "kept"), [("pay-as-go", "paid"), ("Pro", "pro"), (None, "paid"), ("free", "free")]
)
async def test_tiers(accounts: Accounts, ledger: FakeLedger, tier: str | None, kept: str) -> None:
    body = {"provider": "openai", "key": "sk-" + "a" * 20, "tier": tier}
    row = await accounts.add_account(body, "owner")
    assert ledger.kept["openai", 1].tier == kept
    assert any("cost money" in w for w in row["warnings"]) == (kept == "free")


async def test_other_parts_of_a_credential(
    accounts: Accounts, ledger: FakeLedger, asker: FakeAsker
) -> None:
    body = {"provider": "cloudflare", "key": "t" * 20, "fields": {"accountId": "abc"}}
    await accounts.add_account(body, "owner")
    account = ledger.kept["cloudflare", 1]
    assert account.params == {"account_id": "abc"}
    assert await accounts.credentials(account) == {"api_key": "t" * 20}


async def test_a_provider_that_only_litellm_knows(accounts: Accounts, ledger: FakeLedger) -> None:
    row = await accounts.add_account({"provider": "perplexity", "key": "pplx-123456"}, "owner")
    assert row["provider"] == "perplexity"
    assert row["verified"] is False
    assert row["reason"]
    assert ledger.kept["perplexity", 1].models is None


async def test_change_test_and_remove(
    accounts: Accounts, ledger: FakeLedger, asker: FakeAsker, store: SecretStore
) -> None:
    await accounts.add_account({"provider": "groq", "key": KEY}, "owner")
    limits = [{"metric": "requests", "amount": 100, "window": "1d"}]
    row = await accounts.change_account(
        "groq", 1, {"enabled": False, "tier": "paid", "priority": 5, "limits": limits}, "owner"
    )
    assert (row["enabled"], row["tier"], row["priority"]) == (False, "paid", 5)
    assert row["limits"][0]["amount"] == 100
    assert await accounts.credentials(ledger.kept["groq", 1]) == {"api_key": KEY}
    # The row that lists show can be sent back as it is.
    again = await accounts.change_account("groq", 1, {"limits": row["limits"]}, "owner")
    assert again["limits"] == row["limits"]
    row = await accounts.change_account("groq", 1, {"limits": None, "key": "gsk_new"}, "owner")
    assert row["limits"] == []
    assert await accounts.credentials(ledger.kept["groq", 1]) == {"api_key": "gsk_new"}
    asker.answers["groq"] = Listing(False, reason="the key is refused (401)", reachable=True)
    tested = await accounts.test_account("groq", 1, "owner")
    assert tested["verified"] is False
    assert tested["reason"] == "the key is refused (401)"
    assert (await accounts.remove_account("groq", 1, "owner"))["removed"] is True
    assert await store.get("account/groq@1", "file") is None
    with pytest.raises(NotFound):
        await accounts.remove_account("groq", 1, "owner")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"enabled": "no"},
        {"provider": "openai"},
        {"limits": [{"metric": "wishes", "amount": 1, "window": "1d"}]},
        {"limits": [{"metric": "requests", "amount": -1, "window": "1d"}]},
        {"limits": [{"metric": "requests", "amount": 1, "window": "1 week"}]},
        {"sameAccountAs": 1},
    ],
)
async def test_bad_changes_change_nothing(
    accounts: Accounts, ledger: FakeLedger, changes: dict[str, Any]
) -> None:
    await accounts.add_account({"provider": "groq", "key": KEY}, "owner")
    before = dict(ledger.kept)
    with pytest.raises(InvalidRequest):
        await accounts.change_account("groq", 1, changes, "owner")
    assert ledger.kept == before


async def test_an_account_away_keeps_what_was_learnt(
    accounts: Accounts, ledger: FakeLedger, asker: FakeAsker
) -> None:
    await accounts.add_account({"provider": "groq", "key": KEY}, "owner")
    asker.answers["groq"] = Listing(False, reason="does not answer in time")
    await accounts.test_account("groq", 1, "owner")
    assert ledger.kept["groq", 1].verified
    assert ledger.kept["groq", 1].models == ("llama-3", "whisper")


async def test_a_ledger_that_fails_leaves_no_secret_behind(
    accounts: Accounts, ledger: FakeLedger, store: SecretStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any, **__: Any) -> None:
        raise FreeloaderError("the disk is full")

    monkeypatch.setattr(ledger, "put_account", full)
    with pytest.raises(FreeloaderError, match="full"):
        await accounts.add_account({"provider": "groq", "key": KEY}, "owner")
    assert await store.get("account/groq@1", "file") is None


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:1", True),
        ("http://LOCALHOST:1", True),
        ("http://ollama.localhost", True),
        ("http://0.0.0.0:1", True),
        ("http://host.docker.internal:1", True),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://192.168.1.2", False),
        ("http://[2001:db8::1]", False),
    ],
)
def test_what_stays_on_this_machine(url: str, here: bool) -> None:
    assert forms.is_loopback(url) is here


async def test_who_waits_for_another_key_is_told_of_each(
    ledger: FakeLedger, store: SecretStore, catalog: Any, asker: FakeAsker, clock: Any
) -> None:
    """What was refused to a bad key must not be refused to the next one for a day."""
    told: list[tuple[str, int]] = []
    made = Accounts(
        ledger, store, lambda: catalog, asker, clock, renewed=lambda *name: told.append(name)
    )
    await made.add_account({"provider": "groq", "key": KEY}, "owner")
    await made.change_account("groq", 1, {"priority": 5}, "owner")
    assert told == [("groq", 1)]
    await made.change_account("groq", 1, {"key": "gsk_other0123456789"}, "owner")
    await made.remove_account("groq", 1, "owner")
    await made.add_account({"provider": "groq", "key": KEY}, "owner")
    assert told == [("groq", 1), ("groq", 1), ("groq", 2)]
