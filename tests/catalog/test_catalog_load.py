"""The bundled registry: complete, evidenced, never more than anybody knows."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from catalog_shapes import CATALOG, FILES

from freeloader.catalog import build
from freeloader.catalog.schema import FreeTierDoc, LimitDoc
from freeloader.money import PICO_PER_USD


def test_there_are_56_providers_one_file_each_and_no_problem() -> None:
    assert len(FILES) == 56
    assert {f.stem for f in FILES} == set(CATALOG.providers)
    assert CATALOG.problems == ()
    assert CATALOG.version == "2026.11.20"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_file_holds_its_own_provider_and_is_written_for_people(path: Path) -> None:
    text = path.read_text("utf-8")
    assert list(json.loads(text)["providers"]) == [path.stem]
    assert max(map(len, text.splitlines())) < 1000
    assert text.count("\n") > 30


@pytest.mark.parametrize("name", sorted(CATALOG.providers))
def test_a_provider_is_complete_enough_to_be_used(name: str) -> None:
    provider = CATALOG.providers[name]
    assert "/" not in provider.prefix
    if provider.base_url is None:
        assert name in ("azure", "bedrock")
    else:
        assert provider.base_url.startswith("http")
        assert not provider.base_url.endswith("/")
    if not provider.local and not provider.keyless:
        assert provider.auth_env
    for model in CATALOG.of(name):
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
    assert CATALOG.families.known[family].intelligence == value
    hosts = {m.intelligence for m in CATALOG.models.values() if m.family == family}
    assert hosts <= {None, value}


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("gemini", "gemini-3.8-flash"),
        ("openrouter", "poolside/laguna-s-2.1:free"),
        ("cohere", "command-a-plus-05-2026"),
    ],
)
def test_no_evidence_is_no_number(provider: str, model: str) -> None:
    assert CATALOG.models[provider, model].intelligence is None


def limits_of(provider: str, model: str | None = None) -> set[tuple[str, int, str, str, str]]:
    own = CATALOG.models[provider, model].limits if model else ()
    return {
        (x.metric, x.amount, x.window, x.reset, x.scope)
        for x in own or CATALOG.providers[provider].limits
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
    assert limits_of("huggingface") == {
        ("usd", PICO_PER_USD // 10, "month", "calendar", "account"),
        ("usd", 2 * PICO_PER_USD, "month", "unknown", "account"),  # what PRO includes
    }
    gifts = {p.id: [x.tier for x in p.limits if x.allowance] for p in CATALOG.providers.values()}
    assert {name: tiers for name, tiers in gifts.items() if tiers} == {
        "cloudflare": [None], "huggingface": ["pro"],
    }  # fmt: skip


def test_limits_carry_their_small_print() -> None:
    groq = [x for x in CATALOG.providers["groq"].limits if x.metric == "tokens"]
    assert all(x.excludes == ("cacheRead",) for x in groq)
    assert [x.window for x in groq if x.per_request_ceiling] == ["1m"]
    day = next(x for x in CATALOG.providers["gemini"].limits if x.window == "1d")
    assert day.timezone == "America/Los_Angeles"
    free = CATALOG.providers["openrouter"].limits
    assert all(x.charged_on == "sent" and "*:free" in x.applies_to for x in free)
    assert {(x.amount, x.tier) for x in free if x.window == "1d"} == {(50, "free"), (1000, "paid")}
    gemma = CATALOG.models["gemini", "gemma-4-31b-it"].limits
    assert [(x.amount, x.tier) for x in gemma if x.per_request_ceiling] == [(16000, None)]


def test_a_models_own_limits_lift_no_whole_accounts() -> None:
    """They stand in the provider's place: what holds for all models is among them, or nobody
    counts it. Mistral's month is told in tokens by its headers, whatever the pricing page says."""
    for (name, model), found in CATALOG.models.items():
        of_all = [x for x in CATALOG.providers[name].limits if x.scope in ("account", "ip")]
        own = {(x.metric, x.window) for x in found.limits}
        lifted = {(x.metric, x.window) for x in of_all} - own if own else set()
        assert lifted <= {("usd", "month")}, model


def test_amounts_nobody_knows_are_absent() -> None:
    assert {x.metric for x in CATALOG.providers["ollama_cloud"].limits} == {"concurrency"}


def test_neurons_follow_the_published_table_and_rule() -> None:
    assert CATALOG.models["cloudflare", "@cf/openai/gpt-oss-120b"].neurons == (31818, 68182)
    flash = CATALOG.models["cloudflare", "@cf/zai-org/glm-4.7-flash"].neurons
    assert flash == (5500, 36364)


def test_never_routed_to() -> None:
    gone = {p.id for p in CATALOG.providers.values() if not p.routable}
    assert gone == {"opencode_zen", "github_models", "kluster"}


def test_the_catalog_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        CATALOG.version = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        CATALOG.providers["x"] = CATALOG.providers["groq"]  # type: ignore[index]


def test_loading_never_imports_litellm() -> None:
    code = "import sys, freeloader.catalog as c; c.load(); print('litellm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_pretend_providers_stand_where_they_are_told() -> None:
    catalog = CATALOG.with_simulated("http://127.0.0.1:4711/")
    pretend = [p for p in catalog.providers.values() if p.kind == "simulated"]
    assert len(pretend) >= 2
    assert all((p.base_url or "").startswith("http://127.0.0.1:4711/") for p in pretend)
    assert all(catalog.of(p.id) for p in pretend)
    assert not any(p.kind == "simulated" for p in CATALOG.providers.values())


def test_a_limit_that_names_no_evidence_has_its_free_tiers() -> None:
    tier = FreeTierDoc.model_validate({"type": "recurring", "confidence": "high"})
    said = {"metric": "requests", "amount": 5, "window": "1m"}
    assert build.limit(LimitDoc.model_validate(said), tier).confidence == "high"
    own = LimitDoc.model_validate({**said, "confidence": "medium"})
    assert build.limit(own, tier).confidence == "medium"
