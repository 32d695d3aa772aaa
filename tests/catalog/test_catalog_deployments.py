"""Which deployments an account makes: ids, entries, addresses, limits."""

from __future__ import annotations

import pytest
from catalog_shapes import made

from freeloader.core.model import Account

# ── deployments ──────────────────────────────────────────────────────────────


def test_ids_entries_and_bases() -> None:
    found = made(Account("groq", 1), Account("groq", 2), Account("groq", 3, endpoint="http://x/v1"))
    one, two, three = (found[f"groq@{i}/openai/gpt-oss-120b"] for i in (1, 2, 3))
    assert one.entry == two.entry == "groq/openai/gpt-oss-120b"
    assert three.entry.startswith("groq.")
    assert three.entry.endswith("/openai/gpt-oss-120b")
    assert len(three.entry.split("/")[0]) == len("groq.") + 8
    assert (one.base_url, three.base_url) == ("https://api.groq.com/openai/v1", "http://x/v1")


def test_only_chat_models_that_still_exist() -> None:
    names = {d.model.id for d in made(Account("groq", 1)).values()}
    assert names == {"openai/gpt-oss-120b", "openai/gpt-oss-20b", "qwen/qwen3.8-27b"}


def test_the_accounts_own_list_restricts_and_brings_back() -> None:
    listed = ("openai/gpt-oss-20b", "llama-3.3-70b-versatile", "whisper-large-v3-turbo")
    names = {d.model.id for d in made(Account("groq", 1, models=listed)).values()}
    assert names == {"openai/gpt-oss-20b", "llama-3.3-70b-versatile"}


def test_a_list_that_hides_free_models_does_not_lose_them() -> None:
    names = {d.model.id for d in made(Account("zai", 1, models=("glm-5.2",))).values()}
    assert "glm-4.7-flash" in names


def test_not_enabled_not_routable_not_known() -> None:
    assert not made(
        Account("groq", 1, enabled=False), Account("opencode_zen", 1), Account("nobody", 1)
    )


def test_a_base_url_with_a_field_needs_it() -> None:
    found = made(Account("cloudflare", 1, params={"account_id": "abc"}), Account("cloudflare", 2))
    assert {d.account.idx for d in found.values()} == {1}
    assert all("/accounts/abc/" in (d.base_url or "") for d in found.values())
    assert all(d.entry.startswith("cloudflare.") for d in found.values())


def test_local_models_come_from_the_hosts_list() -> None:
    names = ("llama3.3:70b", "gpt-4o", "gpt-oss:120b-cloud", "nomic-embed-text", "mystery:7b")
    found = made(Account("ollama", 1, models=names))
    assert set(found) == {f"ollama@1/{n}" for n in ("llama3.3:70b", "gpt-4o", "mystery:7b")}
    llama = found["ollama@1/llama3.3:70b"].model
    assert (llama.family, llama.intelligence, llama.free) == ("llama-3.3-70b", 3.5, True)
    assert llama.price is not None
    assert (llama.price.input, llama.price.output) == (0, 0)
    assert "streaming" in llama.capabilities
    fake = found["ollama@1/gpt-4o"].model
    assert fake.family != "gpt-4o"
    assert fake.intelligence is None
    assert found["ollama@1/mystery:7b"].model.intelligence is None


@pytest.mark.parametrize(
    ("provider", "endpoint", "base"),
    [
        ("lm_studio", "http://h:1234", "http://h:1234/v1"),
        ("lm_studio", "http://h:1234/v1/", "http://h:1234/v1"),
        ("ollama", "http://h:11434/v1", "http://h:11434"),
        ("ollama", "http://h:11434/", "http://h:11434"),
        ("azure", "https://r.openai.azure.com/", "https://r.openai.azure.com"),
    ],
)
def test_endpoints_get_the_path_their_api_has(provider: str, endpoint: str, base: str) -> None:
    found = made(Account(provider, 1, tier="paid", endpoint=endpoint, models=("m",)))
    assert {d.base_url for d in found.values()} == {base}


def test_unknown_models_in_the_cloud_have_no_price_and_no_free_tier() -> None:
    names = ("vendor/new-model", "vendor/new:free", "vendor/embed-large")
    found = made(Account("openrouter", 1, models=names))
    assert set(found) == {"openrouter@1/vendor/new-model", "openrouter@1/vendor/new:free"}
    paid = found["openrouter@1/vendor/new-model"].model
    assert (paid.price, paid.free) == (None, False)
    assert found["openrouter@1/vendor/new:free"].model.free


def test_a_model_reserved_for_other_clients_is_not_made_from_a_list() -> None:
    assert not made(Account("openrouter", 1, models=("thinkingmachines/inkling:free",)))


def test_no_comma_in_an_entry() -> None:
    found = made(Account("ollama", 1, models=("a,b",)))
    assert [d.entry for d in found.values()] == ["ollama/a%2Cb"]


def test_limits_in_force_belong_to_the_tier() -> None:
    free = made(Account("groq", 1))["groq@1/openai/gpt-oss-120b"]
    paid = made(Account("groq", 1, tier="paid"))["groq@1/openai/gpt-oss-120b"]
    assert (len(free.limits), len(paid.limits)) == (4, 0)
