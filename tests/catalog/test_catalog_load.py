"""The bundled registry, overlays over it, and the gaps that LiteLLM's prices fill."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import freeloader.catalog
from freeloader.catalog import Catalog, build, load
from freeloader.catalog.documents import camel, merge
from freeloader.catalog.schema import FreeTierDoc, LimitDoc, ProviderDoc
from freeloader.money import PICO_PER_USD, Meters

FILES = sorted((Path(freeloader.catalog.__file__).parent / "providers").glob("*.json"))
BARE = load(prices=None)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "registry").mkdir()
    return tmp_path / "registry"


def put(home: Path, name: str, providers: Any) -> None:
    text = providers if isinstance(providers, str) else json.dumps({"providers": providers})
    (home / name).write_text(text, "utf-8")


def said(catalog: Catalog) -> list[str]:
    return [str(problem) for problem in catalog.problems]


def test_there_are_56_providers_one_file_each_and_no_problem() -> None:
    assert len(FILES) == 56
    assert {f.stem for f in FILES} == set(BARE.providers)
    assert BARE.problems == ()
    assert BARE.version == "2026.11.20"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_file_holds_its_own_provider_and_is_written_for_people(path: Path) -> None:
    text = path.read_text("utf-8")
    assert list(json.loads(text)["providers"]) == [path.stem]
    assert max(map(len, text.splitlines())) < 1000
    assert text.count("\n") > 30


@pytest.mark.parametrize("name", sorted(BARE.providers))
def test_a_provider_is_complete_enough_to_be_used(name: str) -> None:
    provider = BARE.providers[name]
    assert "/" not in provider.prefix
    if provider.base_url is None:
        assert name in ("azure", "bedrock")
    else:
        assert provider.base_url.startswith("http")
        assert not provider.base_url.endswith("/")
    if not provider.local and not provider.keyless:
        assert provider.auth_env
    for model in BARE.of(name):
        assert model.mode != "chat" or "streaming" in model.capabilities
        assert model.intelligence is None or model.evidence["intelligence"]
        assert all(1 <= s <= 10 for s in model.strengths.values())


@pytest.mark.parametrize(
    ("family", "value"),
    [
        ("llama-3.1-8b", 1.8),
        ("llama-3.3-70b", 3.5),
        ("gpt-oss-120b", 5.0),
        ("gemma-4-31b", 7.0),
        ("gemini-3.7-flash", 9.4),
        ("qwen3.8-27b", 9.0),
        ("glm-4.7-flash", 5.1),
        ("gemini-3.5-flash-lite", 7.5),
        ("nemotron-3-super-120b-a12b", 4.0),
    ],
)
def test_intelligence_is_the_evidenced_one_everywhere(family: str, value: float) -> None:
    assert BARE.families.known[family].intelligence == value
    hosts = [m for m in BARE.models.values() if m.family == family and m.intelligence is not None]
    assert {m.intelligence for m in hosts} <= {value}


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("gemini", "gemini-3.8-flash"),
        ("openrouter", "poolside/laguna-s-2.1:free"),
        ("cohere", "command-a-plus-05-2026"),
    ],
)
def test_no_evidence_is_no_number(provider: str, model: str) -> None:
    assert BARE.models[provider, model].intelligence is None


def limits_of(provider: str, model: str | None = None) -> set[tuple[str, int, str, str, str]]:
    own = BARE.models[provider, model].limits if model else ()
    return {
        (x.metric, x.amount, x.window, x.reset, x.scope)
        for x in own or BARE.providers[provider].limits
    }


def test_free_limits_as_the_facts_have_them() -> None:
    assert limits_of("groq") == {
        ("requests", 30, "1m", "refill", "model"),
        ("requests", 1000, "1d", "refill", "model"),
        ("tokens", 8000, "1m", "refill", "model"),
        ("tokens", 200000, "1d", "refill", "model"),
    }
    assert ("requests", 20, "1d", "calendar", "model") in limits_of("gemini", "gemini-3.7-flash")
    assert limits_of("cloudflare") >= {("units", 10000, "1d", "calendar", "account")}
    assert limits_of("ovhcloud") == {("requests", 2, "1m", "unknown", "ip+model")}
    assert limits_of("zai") == {("concurrency", 1, "once", "unknown", "model")}
    assert limits_of("huggingface") == {("usd", PICO_PER_USD // 10, "month", "calendar", "account")}


def test_limits_carry_their_small_print() -> None:
    groq = [x for x in BARE.providers["groq"].limits if x.metric == "tokens"]
    assert all(x.excludes == ("cacheRead",) for x in groq)
    assert [x.window for x in groq if x.per_request_ceiling] == ["1m"]
    day = next(x for x in BARE.providers["gemini"].limits if x.window == "1d")
    assert day.timezone == "America/Los_Angeles"
    free = BARE.providers["openrouter"].limits
    assert all(x.charged_on == "sent" and "*:free" in x.applies_to for x in free)
    assert {(x.amount, x.tier) for x in free if x.window == "1d"} == {(50, "free"), (1000, "paid")}
    gemma = BARE.models["gemini", "gemma-4-31b-it"].limits
    assert [(x.amount, x.tier) for x in gemma if x.per_request_ceiling] == [(16000, None)]


def test_amounts_nobody_knows_are_absent() -> None:
    assert {x.metric for x in BARE.providers["ollama_cloud"].limits} == {"concurrency"}


def test_neurons_follow_the_published_table_and_rule() -> None:
    assert BARE.models["cloudflare", "@cf/openai/gpt-oss-120b"].neurons == (31818, 68182)
    flash = BARE.models["cloudflare", "@cf/zai-org/glm-4.7-flash"].neurons
    assert flash == (5500, 36364)


def test_never_routed_to() -> None:
    gone = {p.id for p in BARE.providers.values() if not p.routable}
    assert gone == {"opencode_zen", "github_models", "kluster"}


def test_the_catalog_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        BARE.version = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        BARE.providers["x"] = BARE.providers["groq"]  # type: ignore[index]


def test_loading_never_imports_litellm() -> None:
    code = "import sys, freeloader.catalog as c; c.load(); print('litellm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ── overlays ─────────────────────────────────────────────────────────────────


def test_an_overlay_wins_key_by_key(home: Path) -> None:
    change = {"groq": {"models": {"openai/gpt-oss-120b": {"pricing": {"input": 0.25}}}}}
    put(home, "a.json", change)
    catalog = load(home, prices=None)
    model = catalog.models["groq", "openai/gpt-oss-120b"]
    assert model.price is not None
    assert (model.price.input, model.price.output) == (250_000, 600_000)
    assert model.context == 131072
    assert catalog.version != BARE.version
    assert catalog.problems == ()


def test_overlays_apply_in_the_order_of_their_names(home: Path) -> None:
    put(home, "b.json", {"groq": {"displayName": "B"}})
    put(home, "a.json", {"groq": {"displayName": "A", "signupUrl": "https://a.example"}})
    groq = load(home, prices=None).providers["groq"]
    assert (groq.display_name, groq.signup_url) == ("B", "https://a.example")


def test_null_deletes(home: Path) -> None:
    put(
        home,
        "x.json",
        {"kilo": None, "groq": {"signupUrl": None, "models": {"openai/gpt-oss-20b": None}}},
    )
    catalog = load(home, prices=None)
    assert "kilo" not in catalog.providers
    assert ("groq", "openai/gpt-oss-20b") not in catalog.models
    assert ("groq", "openai/gpt-oss-120b") in catalog.models
    assert catalog.providers["groq"].signup_url is None


def test_a_whole_provider_in_either_spelling(home: Path) -> None:
    put(
        home,
        "own.json",
        {
            "my_host": {
                "display_name": "Mine",
                "kind": "cloud",
                "status": "active",
                "litellm": {"prefix": "openai", "params": {"some_param": 1}},
                "base_url": "http://x/v1",
                "free_tier": {
                    "type": "recurring",
                    "limits": [
                        {"metric": "requests", "amount": 9, "window": "1m", "applies_to": ["a_b*"]}
                    ],
                },
                "models": {"a_b": {"family": "a_b", "max_output": 5}},
            }
        },
    )
    catalog = load(home, prices=None)
    assert said(catalog) == []
    mine = catalog.providers["my_host"]
    assert dict(mine.params) == {"some_param": 1}
    assert mine.limits[0].applies_to == ("a_b*",)
    assert catalog.models["my_host", "a_b"].max_output == 5


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("{not json", "bad.json: not JSON"),
        ("[]", "bad.json: not a registry document"),
        ('{"provider": {}}', "bad.json: provider: unknown key"),
        (
            {"groq": {"modles": {}}},
            "bad.json: providers.groq.modles: unknown key; did you mean 'models'?",
        ),
        (
            {"groq": {"models": {"openai/gpt-oss-120b": {"pricing": {"input": "dear"}}}}},
            "bad.json: providers.groq.models.openai/gpt-oss-120b.pricing.input: ",
        ),
        (
            {"groq": {"models": {"openai/gpt-oss-120b": {"intelligence": 11}}}},
            "bad.json: providers.groq.models.openai/gpt-oss-120b.intelligence: ",
        ),
        (
            {
                "groq": {
                    "freeTier": {"limits": [{"metric": "request", "amount": 1, "window": "1m"}]}
                }
            },
            "bad.json: providers.groq.freeTier.limits.0.metric: unknown metric 'request'",
        ),
        (
            {"groq": {"errorRules": [{"kind": "spent", "match": "("}]}},
            "bad.json: providers.groq.errorRules.0.match: not a regular expression",
        ),
        (
            {"groq": {"litellm": {"prefix": "groq", "params": {"api_key": "planted"}}}},
            "bad.json: providers.groq.litellm.params: api_key is a credential: give it to an",
        ),
        ({"new": {"displayName": "New"}}, "bad.json: providers.new.kind: "),
        ({"a/b": {}}, "bad.json: providers.a/b: "),
    ],
)
def test_a_broken_overlay_is_named_and_skipped(home: Path, content: Any, wanted: str) -> None:
    put(home, "bad.json", content)
    put(home, "good.json", {"groq": {"displayName": "Good"}})
    catalog = load(home, prices=None)
    assert any(line.startswith(wanted) for line in said(catalog)), said(catalog)
    assert {p.file for p in catalog.problems} == {"bad.json"}
    assert catalog.providers["groq"].display_name == "Good"
    assert len(catalog.providers) == 56


def test_half_of_a_broken_overlay_is_not_applied(home: Path) -> None:
    put(home, "x.json", {"kilo": {"displayName": "Half"}, "groq": {"kind": "moon"}})
    assert load(home, prices=None).providers["kilo"].display_name != "Half"


def test_a_missing_folder_is_no_problem(tmp_path: Path) -> None:
    assert load(tmp_path / "none", prices=None).problems == ()


def test_an_unreadable_file_is_named(home: Path) -> None:
    (home / "dir.json").mkdir()
    (home / "latin.json").write_bytes(b'{"version": "\xff"}')
    assert {p.file for p in load(home, prices=None).problems} == {"dir.json", "latin.json"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON)
def test_merging_is_idempotent_and_deletes_nulls(base: Any, patch: Any) -> None:
    once = merge(base, patch)
    assert merge(once, patch) == once
    if isinstance(patch, dict):
        assert not set(once) & {k for k, v in patch.items() if v is None}


def test_every_bundled_file_is_camel_case_already() -> None:
    for path in FILES:
        entry = json.loads(path.read_text("utf-8"))["providers"][path.stem]
        assert camel(entry) == entry
        ProviderDoc.model_validate(entry)


# ── LiteLLM's price file ─────────────────────────────────────────────────────

ROWS = {
    "sample_spec": {"litellm_provider": "one of …", "mode": "one of"},
    "gemini/gemini-2.5-pro": {
        "litellm_provider": "gemini",
        "mode": "chat",
        "input_cost_per_token": 1.25e-06,
        "output_cost_per_token": 1e-05,
        "cache_read_input_token_cost": 1.25e-07,
        "input_cost_per_token_above_200k_tokens": 2.5e-06,
        "output_cost_per_token_above_200k_tokens": 1.5e-05,
        "input_cost_per_token_above_200k_tokens_priority": 9.0,
    },
    "gemini/gemini-3.7-flash": {
        "litellm_provider": "gemini",
        "mode": "chat",
        "input_cost_per_token": 1e-06,
        "output_cost_per_token": 3.75e-06,
        "cache_read_input_token_cost": 1e-07,
        "input_cost_per_token_above_200k_tokens": 5e-07,
    },
    "gpt-4o": {
        "litellm_provider": "openai",
        "mode": "chat",
        "input_cost_per_token": 2.5e-06,
        "output_cost_per_token": 1e-05,
        "max_input_tokens": 128000,
        "max_output_tokens": 16384,
        "supports_function_calling": True,
        "supports_vision": True,
        "deprecation_date": "2030-01-01",
    },
    "text-embedding-3-small": {"litellm_provider": "openai", "mode": "embedding"},
    "gpt-oss:20b": {
        "litellm_provider": "openai",
        "mode": "chat",
        "input_cost_per_token": 1.0,
        "output_cost_per_token": 1.0,
    },
    "perplexity/sonar": {
        "litellm_provider": "perplexity",
        "mode": "chat",
        "input_cost_per_token": 1e-06,
        "output_cost_per_token": 1e-06,
        "search_context_cost_per_query": {"search_context_size_high": 0.012},
    },
    "dashscope/qwen-flash": {
        "litellm_provider": "dashscope",
        "mode": "chat",
        "tiered_pricing": [
            {"range": [0, 256000.0], "input_cost_per_token": 5e-08, "output_cost_per_token": 4e-07},
            {
                "range": [256000.0, 1000000.0],
                "input_cost_per_token": 2.5e-07,
                "output_cost_per_token": 2e-06,
            },
        ],
    },
}


@pytest.fixture
def priced(tmp_path: Path) -> Catalog:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(ROWS, indent=1), "utf-8")
    return load(prices=path)


def test_gaps_are_filled_exactly(priced: Catalog) -> None:
    price = priced.models["gemini", "gemini-2.5-pro"].price
    assert price is not None
    assert (price.input, price.output, price.cache_read) == (1_250_000, 10_000_000, 125_000)
    (tier,) = price.tiers
    assert (tier.above, tier.input, tier.output, tier.cache_read) == (
        200_000,
        2_500_000,
        15_000_000,
        125_000,
    )
    assert price.cost(Meters(input=200_001)) == 200_001 * 2_500_000


def test_the_registry_is_not_overruled_and_a_tier_is_never_cheaper(priced: Catalog) -> None:
    price = priced.models["gemini", "gemini-3.7-flash"].price
    assert price is not None
    assert (price.input, price.output, price.cache_read) == (750_000, 3_750_000, None)
    assert [(t.above, t.input) for t in price.tiers] == [(200_000, 750_000)]


def test_hosts_that_merely_speak_openai_have_no_openai_prices(priced: Catalog) -> None:
    assert priced.models["llm7", "gpt-oss:20b"].price is None


def test_a_provider_by_prefix(priced: Catalog) -> None:
    provider = priced.provider_from_prefix("perplexity")
    assert provider is not None
    assert (provider.prefix, provider.free_type, provider.free_confidence) == (
        "perplexity",
        "none",
        "low",
    )
    catalog = priced.including(["perplexity"])
    sonar = catalog.models["perplexity", "sonar"]
    assert sonar.price is not None
    assert not sonar.free
    assert sonar.price.per_request == PICO_PER_USD * 12 // 1000
    assert priced.provider_from_prefix("groq") is priced.providers["groq"]
    assert priced.provider_from_prefix("fireworks_ai") is priced.providers["fireworks"]
    assert priced.provider_from_prefix("nobody") is None
    assert priced.provider_from_prefix("azure_ai/agents") is None
    assert priced.including(["groq", "nobody"]) is priced


def test_price_ranges_become_tiers(priced: Catalog) -> None:
    (row,) = priced.rows(lambda prefix, name: (prefix, name) == ("dashscope", "qwen-flash"))
    assert row.price is not None
    assert (row.price.input, row.price.tiers[0].above, row.price.tiers[0].input) == (
        50_000,
        256_000,
        250_000,
    )


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": {"litellm_provider": "gemini"'])
def test_a_broken_price_file_costs_no_provider(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    catalog = load(prices=path)
    assert len(catalog.providers) == 56
    assert [p.file for p in catalog.problems] == ["prices.json"]
    assert catalog.rows(lambda *_: True) == ()


def test_the_installed_price_file_knows_over_a_hundred_providers() -> None:
    catalog = load()
    assert catalog.problems == ()
    prefixes = {row.prefix for row in catalog.rows(lambda *_: True)}
    assert len(prefixes) > 100
    known = [p for p in ("friendliai", "xai", "azure_ai") if catalog.provider_from_prefix(p)]
    assert len(known) == 3
    gemini = catalog.models["gemini", "gemini-2.5-pro"].price
    assert gemini is not None
    assert gemini.tiers[0].above == 200_000


def test_pretend_providers_stand_where_they_are_told() -> None:
    catalog = BARE.with_simulated("http://127.0.0.1:4711/")
    pretend = [p for p in catalog.providers.values() if p.kind == "simulated"]
    assert len(pretend) >= 2
    assert all((p.base_url or "").startswith("http://127.0.0.1:4711/") for p in pretend)
    assert all(catalog.of(p.id) for p in pretend)
    assert not any(p.kind == "simulated" for p in BARE.providers.values())


def test_a_limit_that_names_no_evidence_has_its_free_tiers() -> None:
    tier = FreeTierDoc.model_validate({"type": "recurring", "confidence": "high"})
    said = {"metric": "requests", "amount": 5, "window": "1m"}
    assert build.limit(LimitDoc.model_validate(said), tier).confidence == "high"
    own = LimitDoc.model_validate({**said, "confidence": "medium"})
    assert build.limit(own, tier).confidence == "medium"
