"""LiteLLM's price file: fills gaps, overrules nothing, costs nobody anything when it is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from freeloader.catalog import Catalog, load
from freeloader.money import PICO_PER_USD, Meters

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
