from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import web
from manage_fakes import FakeAsker, FakeCatalog, FakeLedger, local

from freeloader.core.model import Account, Provider
from freeloader.manage.accounts.operations import Accounts
from freeloader.manage.fetch import fetch_models
from freeloader.manage.onboard import Onboarding, Report, key_variables
from freeloader.manage.ports import Listing

KEY = "gsk_canary0123456789"


async def look(
    accounts: Accounts,
    ledger: FakeLedger,
    catalog: FakeCatalog,
    environ: dict[str, str],
    probe: Any = None,
) -> Report:
    async def nobody(*_: Any) -> Listing:
        return Listing(False, reason="cannot be asked")

    return await Onboarding(accounts, ledger, lambda: catalog, environ, probe or nobody).run()


async def test_keys_are_taken_over_once(
    accounts: Accounts, ledger: FakeLedger, catalog: FakeCatalog
) -> None:
    environ = {"GROQ_API_KEY": f" {KEY} ", "KLUSTER_API_KEY": "retired", "PATH": "/bin"}
    first = await look(accounts, ledger, catalog, environ)
    assert [(r["provider"], r["source"]) for r in first.added] == [("groq", "GROQ_API_KEY")]
    assert set(ledger.kept) == {("groq", 1)}
    assert await accounts.credentials(ledger.kept["groq", 1]) == {"api_key": KEY}
    second = await look(accounts, ledger, catalog, environ)
    assert second.added == []
    assert set(ledger.kept) == {("groq", 1)}
    assert KEY not in json.dumps([first.as_dict(), second.as_dict()]) + repr(ledger.meta)


async def test_what_env_exports_for_clients_is_no_providers_key(
    accounts: Accounts, ledger: FakeLedger, catalog: FakeCatalog
) -> None:
    """After `eval "$(xswarm env)"`, a start would else send its own key to OpenAI."""
    own = "xs-" + "a" * 43
    report = await look(accounts, ledger, catalog, {"GROQ_API_KEY": own})
    assert ledger.kept == {}
    assert [row["source"] for row in report.skipped] == ["GROQ_API_KEY"]
    assert own not in json.dumps(report.as_dict())


def test_the_variables_that_hold_secrets(catalog: FakeCatalog) -> None:
    environ = {"GROQ_API_KEY": KEY, "OLLAMA_HOST": "127.0.0.1", "PATH": "/bin", "HOME": "/h"}
    assert key_variables(environ, catalog) == {"GROQ_API_KEY"}


async def test_what_the_owner_removed_stays_removed_until_the_key_changes(
    accounts: Accounts, ledger: FakeLedger, catalog: FakeCatalog
) -> None:
    await look(accounts, ledger, catalog, {"GROQ_API_KEY": KEY})
    await accounts.remove_account("groq", 1, "owner")
    report = await look(accounts, ledger, catalog, {"GROQ_API_KEY": KEY})
    assert ledger.kept == {}
    assert report.skipped[0]["reason"] == "removed by you"
    await look(accounts, ledger, catalog, {"GROQ_API_KEY": "gsk_another1"})
    assert set(ledger.kept) == {("groq", 2)}


async def test_a_changed_variable_changes_its_account(
    accounts: Accounts, ledger: FakeLedger, catalog: FakeCatalog
) -> None:
    await look(accounts, ledger, catalog, {"GROQ_API_KEY": KEY})
    await look(accounts, ledger, catalog, {"GROQ_API_KEY": "gsk_rotated1"})
    assert set(ledger.kept) == {("groq", 1)}
    assert await accounts.credentials(ledger.kept["groq", 1]) == {"api_key": "gsk_rotated1"}


async def test_accounts_of_the_owners_own_are_left_alone(
    accounts: Accounts, ledger: FakeLedger, catalog: FakeCatalog
) -> None:
    await accounts.add("groq", KEY)
    await look(accounts, ledger, catalog, {"GROQ_API_KEY": KEY})
    report = await look(accounts, ledger, catalog, {"GROQ_API_KEY": "gsk_different"})
    assert set(ledger.kept) == {("groq", 1)}
    assert await accounts.credentials(ledger.kept["groq", 1]) == {"api_key": KEY}
    assert "there is an account already" in report.skipped[0]["reason"]
    # Removed by hand although it came by hand: the variable must not bring it back.
    ledger.kept.clear()
    ledger.meta.clear()
    await accounts.add("groq", KEY)
    await look(accounts, ledger, catalog, {"GROQ_API_KEY": KEY})
    await accounts.remove_account("groq", 1, "owner")
    await look(accounts, ledger, catalog, {"GROQ_API_KEY": KEY})
    assert ledger.kept == {}


async def test_the_second_seeds_names(
    accounts: Accounts, ledger: FakeLedger, catalog: FakeCatalog
) -> None:
    environ = {
        "AZURE_API_KEY": "a" * 32,
        "AZURE_ENDPOINT": "https://mine.openai.azure.test/",
        "OPENROUTER_API_KEY": "sk-or-" + "b" * 20,
        "CLOUDFLARE_API_KEY": "c" * 20,
        "CLOUDFLARE_ACCOUNT_ID": "acc",
    }
    await look(accounts, ledger, catalog, environ)
    assert ledger.kept["azure", 1].endpoint == "https://mine.openai.azure.test"
    assert ledger.kept["azure", 1].tier == "paid"
    assert ledger.kept["cloudflare", 1].params == {"account_id": "acc"}
    assert ("openrouter", 1) in ledger.kept


@pytest.mark.parametrize("word", ["false", "0", "No", "off"])
async def test_a_switched_off_provider_is_not_taken_over(
    accounts: Accounts, ledger: FakeLedger, catalog: FakeCatalog, word: str
) -> None:
    environ = {"OPENROUTER_API_KEY": "sk-or-" + "b" * 20, "OPENROUTER_ENABLED": word}
    report = await look(accounts, ledger, catalog, environ)
    assert ledger.kept == {}
    assert "switched off" in report.skipped[0]["reason"]


async def test_a_word_that_is_no_switch_is_said(
    accounts: Accounts, ledger: FakeLedger, catalog: FakeCatalog
) -> None:
    report = await look(accounts, ledger, catalog, {"AZURE_ENABLED": "perhaps"})
    assert report.problems == ["AZURE_ENABLED must be true or false"]


async def test_a_key_without_its_other_part_is_told_not_added(
    accounts: Accounts, ledger: FakeLedger, catalog: FakeCatalog
) -> None:
    report = await look(accounts, ledger, catalog, {"CLOUDFLARE_API_KEY": "c" * 20})
    assert ledger.kept == {}
    assert "account_id" in report.skipped[0]["reason"]


@pytest.fixture
async def servers() -> AsyncIterator[tuple[str, str]]:
    """An Ollama and an LM Studio on ports of their own."""

    async def tags(request: web.Request) -> web.Response:
        return web.json_response({"models": [{"name": "llama3:8b"}]})

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "qwen"}]})

    runners, urls = [], []
    for path, handler in (("/api/tags", tags), ("/v1/models", models)):
        app = web.Application()
        app.router.add_get(path, handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield urls[0], urls[1]
    for runner in runners:
        await runner.cleanup()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _locals(ollama: str, lm_studio: str) -> FakeCatalog:
    return FakeCatalog(
        local(
            "ollama",
            ollama,
            wire="ollama",
            models_path="/api/tags",
            field_env={"endpoint": ("OLLAMA_API_BASE", "OLLAMA_HOST")},
        ),
        local("lm_studio", f"{lm_studio}/v1", field_env={"endpoint": ("LMSTUDIO_URL",)}),
    )


async def test_local_servers_are_found_on_their_ports(
    ledger: FakeLedger, store: Any, clock: Any, servers: tuple[str, str]
) -> None:
    catalog = _locals(*servers)
    accounts = Accounts(ledger, store, lambda: catalog, fetch_models, clock)
    report = await look(accounts, ledger, catalog, {}, fetch_models)
    assert {(r["provider"], r["source"]) for r in report.added} == {
        ("ollama", servers[0]),
        ("lm_studio", f"{servers[1]}/v1"),
    }
    assert ledger.kept["ollama", 1].models == ("llama3:8b",)
    assert ledger.kept["ollama", 1].endpoint is None
    assert ledger.kept["lm_studio", 1].models == ("qwen",)
    assert (await look(accounts, ledger, catalog, {}, fetch_models)).added == []


async def test_local_servers_where_a_variable_says(
    ledger: FakeLedger, store: Any, clock: Any, servers: tuple[str, str]
) -> None:
    nobody = f"http://127.0.0.1:{_free_port()}"
    catalog = _locals(nobody, nobody)
    accounts = Accounts(ledger, store, lambda: catalog, fetch_models, clock)
    port = servers[0].rsplit(":", 1)[1]
    environ = {"OLLAMA_HOST": f"0.0.0.0:{port}", "LMSTUDIO_URL": servers[1]}
    await look(accounts, ledger, catalog, environ, fetch_models)
    assert ledger.kept["ollama", 1].endpoint == servers[0]
    assert ledger.kept["lm_studio", 1].endpoint == f"{servers[1]}/v1"


async def test_nobody_on_the_ports_is_no_problem_but_a_named_address_is(
    ledger: FakeLedger, store: Any, clock: Any
) -> None:
    nobody = f"http://127.0.0.1:{_free_port()}"
    catalog = _locals(nobody, nobody)
    accounts = Accounts(ledger, store, lambda: catalog, fetch_models, clock)
    assert (await look(accounts, ledger, catalog, {}, fetch_models)).as_dict() == {
        "added": [],
        "skipped": [],
        "problems": [],
    }
    report = await look(accounts, ledger, catalog, {"LMSTUDIO_URL": nobody}, fetch_models)
    assert report.problems[0].startswith("LMSTUDIO_URL: ")
    report = await look(accounts, ledger, catalog, {"LMSTUDIO_URL": "ftp://x"}, fetch_models)
    assert "http(s)" in report.problems[0]
    environ = {"LMSTUDIO_URL": nobody, "LMSTUDIO_ENABLED": "false"}
    assert (await look(accounts, ledger, catalog, environ, fetch_models)).problems == []


async def test_a_server_without_models_is_told_and_found_later(
    accounts: Accounts, ledger: FakeLedger, catalog: FakeCatalog, asker: FakeAsker
) -> None:
    answers: dict[str, tuple[str, ...]] = {"ollama": ()}

    async def probe(p: Provider, a: Account, credentials: Mapping[str, str]) -> Listing:
        ok = p.id in answers
        return Listing(ok, answers.get(p.id, ()), reachable=ok)

    report = await look(accounts, ledger, catalog, {}, probe)
    assert report.skipped[0]["reason"] == "it has no model yet"
    answers["ollama"] = ("m",)
    assert [r["provider"] for r in (await look(accounts, ledger, catalog, {}, probe)).added] == [
        "ollama"
    ]
