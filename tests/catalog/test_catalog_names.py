"""Names in ``model`` and in gates: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from catalog_shapes import CATALOG, STREAM
from hypothesis import example, given, settings
from hypothesis import strategies as st

from freeloader.catalog import load
from freeloader.catalog.names import Names
from freeloader.core.model import Account, Gates, Resolution
from freeloader.errors import (
    AmbiguousModel,
    ConfigError,
    FreeloaderError,
    InvalidRequest,
    ModelNotFound,
)

# ── names ────────────────────────────────────────────────────────────────────

ACCOUNTS = (
    Account("groq", 1),
    Account("groq", 2),
    Account("cerebras", 1),
    Account("openai", 1, tier="paid"),
    Account("openrouter", 1),
    Account("ollama", 1, models=("llama3.3:70b", "odd@name:1/x", "gpt-4o")),
)
DEPLOYMENTS = CATALOG.deployments(ACCOUNTS)
ALIASES = {
    "fast": "small",
    "small": "groq/openai/gpt-oss-20b",
    "claude-*": "auto:quality-first",
    "claude-fixed": "gpt-oss-120b",
    "loop-a": "loop-b",
    "loop-b": "loop-a",
    "gpt-5-mini": "gpt-5-mini",
}


def names(unknown: str = "similar", **changes: Any) -> Names:
    return Names(CATALOG, changes.get("of", DEPLOYMENTS), changes.get("aliases", ALIASES), unknown)


def where(name: str, **changes: Any) -> set[str]:
    found = names(**changes).resolve(name, STREAM)
    assert found.kind == "named"
    assert found.requested == name
    return set(found.deployments)


def test_auto_and_its_strategies() -> None:
    assert names().resolve("auto") == Resolution("auto", "auto")
    assert names().resolve("auto:cost-first").strategy == "cost-first"


def test_auto_in_capitals_and_a_colon_without_a_strategy() -> None:
    assert names().resolve("AUTO").kind == "auto"
    assert names().resolve("Auto:Cost-First").strategy == "cost-first"
    for empty in ("auto:", "auto: "):
        with pytest.raises(InvalidRequest, match="names no strategy"):
            names().resolve(empty)


def test_aliases_chain_and_end_in_a_strategy_or_a_model() -> None:
    assert where("fast") == {"groq@1/openai/gpt-oss-20b", "groq@2/openai/gpt-oss-20b"}
    quality = names().resolve("claude-sonnet-9")
    assert (quality.kind, quality.strategy, quality.alias) == ("auto", "quality-first", "claude-*")
    assert "cerebras@1/gpt-oss-120b" in where("claude-fixed")
    assert where("gpt-5-mini") == {"openai@1/gpt-5-mini"}


def test_aliases_in_a_circle_are_the_callers_to_mend() -> None:
    with pytest.raises(InvalidRequest, match="circle"):
        names().resolve("loop-a")


def test_a_deployment_then_provider_and_model() -> None:
    assert where("groq@2/openai/gpt-oss-120b") == {"groq@2/openai/gpt-oss-120b"}
    assert where("groq/openai/gpt-oss-120b") == {
        "groq@1/openai/gpt-oss-120b",
        "groq@2/openai/gpt-oss-120b",
    }


def test_ids_may_hold_slashes_colons_and_ats() -> None:
    assert where("odd@name:1/x") == {"ollama@1/odd@name:1/x"}
    assert where("qwen/qwen3.8-27b:free") == {"openrouter@1/qwen/qwen3.8-27b:free"}
    assert where("openrouter/qwen/qwen3.8-27b:free") == {"openrouter@1/qwen/qwen3.8-27b:free"}


def test_the_first_slash_is_a_provider_only_with_that_model() -> None:
    """``openai`` is a provider, but not one with gpt-oss: this is Groq's raw id."""
    assert {d.split("@")[0] for d in where("openai/gpt-oss-120b")} == {"groq"}


def test_a_family_moves_between_providers() -> None:
    assert where("gpt-oss-120b") >= {"cerebras@1/gpt-oss-120b"}
    mixed = where("qwen3.8-27b")
    assert {d.split("@")[0] for d in mixed} == {"groq", "cerebras", "openrouter"}
    assert where("meta-llama/Llama-3.3-70B-Instruct") == {"ollama@1/llama3.3:70b"}


def test_case_is_forgiven() -> None:
    assert where("Qwen/Qwen3.8-27B") == where("qwen/qwen3.8-27b")


def test_unlike_models_of_one_name_must_be_told_apart() -> None:
    accounts = (
        Account("ollama", 1, models=("gpt-5-mini",)),
        Account("openai", 1, tier="paid"),
    )
    with pytest.raises(AmbiguousModel) as raised:
        names(of=CATALOG.deployments(accounts)).resolve("gpt-5-mini")
    assert raised.value.details["choices"] == ["ollama/gpt-5-mini", "openai/gpt-5-mini"]
    assert "openai/gpt-5-mini" in raised.value.message


def test_a_known_model_nobody_serves_gets_its_equal() -> None:
    found = names().resolve("gpt-3.5-turbo", STREAM)
    assert (found.kind, found.requested, found.min_intelligence) == (
        "similar",
        "gpt-3.5-turbo",
        1.8,
    )
    assert found.capabilities >= {"streaming", "tools"}
    assert names().resolve("claude-sonnet-4-20250514", STREAM).kind == "auto"  # the alias
    plain = names(aliases={}).resolve("claude-3-5-sonnet-20241022", STREAM)
    assert plain.min_intelligence == 4.2


def test_a_family_whose_last_model_is_gone_moves_to_its_equal(tmp_path: Path) -> None:
    lone = {"family": "lone", "intelligence": 3.0, "context": 8192, "maxOutput": 1024,
            "capabilities": ["streaming"], "free": True, "deprecatedOn": "2026-01-01"}  # fmt: skip
    document = {"providers": {"groq": {"models": {"last": lone}}}}
    (tmp_path / "own.json").write_text(json.dumps(document))
    catalog = load(tmp_path, prices=None, today="2026-11-20")
    kept = catalog.deployments([Account("groq", 1, models=("openai/gpt-oss-120b",))])
    moved = Names(catalog, kept, {}, "similar")
    for name in ("lone", "groq/last", "groq@1/last"):
        found = moved.resolve(name, STREAM)
        assert (found.kind, found.min_intelligence) == ("similar", 3.0)


def test_no_equal_no_substitute() -> None:
    small = CATALOG.deployments([Account("ollama", 1, models=("llama3.1:8b",))])
    with pytest.raises(ModelNotFound):
        names(of=small).resolve("gemini-3.7-flash", STREAM)


def test_a_substitute_has_what_the_request_needs() -> None:
    groq = CATALOG.deployments([Account("groq", 1, models=("openai/gpt-oss-120b",))])
    assert names(of=groq).resolve("gpt-3.5-turbo", STREAM).kind == "similar"
    with pytest.raises(ModelNotFound):
        names(of=groq).resolve("gpt-3.5-turbo", STREAM | {"vision"})


def test_an_unheard_of_name_is_not_found_with_help() -> None:
    with pytest.raises(ModelNotFound) as raised:
        names().resolve("gpt-oss-12b", STREAM)
    assert "gpt-oss-120b" in raised.value.message
    assert "xswarm config set --alias 'gpt-oss-12b=auto'" in raised.value.message


def test_a_name_like_nothing_still_gets_names_that_work() -> None:
    with pytest.raises(ModelNotFound) as caught:
        names().resolve("zzzz-9000")
    near = caught.value.details["nearest"]
    assert len(near) == 3
    assert near[0] == "auto"
    assert all(names().resolve(name).kind == "named" for name in near[1:])


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("gemni-2.5-flash", "gemini-2.5-flash"),
        ("gemini-flash", "gemini-3-flash"),
        ("GEMINI 2.5 FLASH LITE", "gemini-2.5-flash-lite"),
        ("lama-3.3-70b", "llama-3.3-70b"),
        ("llama 3.3 70b", "llama3.3:70b"),
        ("gpt-os-120b", "gpt-oss-120b"),
        ("groq/gpt-os-120b", "groq/openai/gpt-oss-120b"),
        ("gpt4", "gpt-4o"),
        ("deepsek-v3", "deepseek-v3"),
        ("cost-first", "auto:cost-first"),
        ("auto-speed", "auto:speed-first"),
        ("autoo", "auto"),
        ("fsat", "fast"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(slip: str, meant: str) -> None:
    over = names(aliases={"fast": "auto:speed-first"})
    with pytest.raises(ModelNotFound) as caught:
        over.resolve(slip)
    near = caught.value.details["nearest"]
    assert near[0] == meant
    assert f"Nearest: {meant}" in caught.value.message
    for name in near:  # whatever is named would be answered
        over.resolve(name)


@given(st.text(min_size=1, max_size=40).filter(str.strip))
@settings(max_examples=60, deadline=None)
@example("4B")  # a name that was told twice: it stands for a provider's model and for a family
def test_whatever_is_called_near_would_be_answered(name: str) -> None:
    try:
        names().resolve(name)
    except ModelNotFound as problem:
        near = problem.details["nearest"]
        assert 1 <= len(near) <= 3
        assert len(set(near)) == len(near)
        for other in near:
            names().resolve(other)
    except InvalidRequest:
        pass


@pytest.mark.parametrize("size", ["20", "120"])
def test_a_size_without_its_letter_is_that_size(size: str) -> None:
    found = where(f"gpt-oss-{size}")
    assert found
    assert all(name.endswith(f"gpt-oss-{size}b") for name in found)


def test_who_names_a_provider_and_a_family_means_that_provider() -> None:
    assert {name.partition("@")[0] for name in where("groq/gpt-oss-120b")} == {"groq"}
    assert where("nowhere/gpt-oss-120b") > where("groq/gpt-oss-120b")  # a family moves


def test_an_alias_that_leads_nowhere_says_where_it_leads() -> None:
    with pytest.raises(ModelNotFound, match=r"'old' \(an alias of 'zzzz-9000'\)"):
        names(aliases={"old": "zzzz-9000"}).resolve("old")


def test_policies_for_unknown_names() -> None:
    with pytest.raises(ModelNotFound):
        names("error").resolve("gpt-3.5-turbo", STREAM)
    assert names("auto").resolve("no-such-thing", STREAM).kind == "auto"
    with pytest.raises(ConfigError):
        names("perhaps")


def test_a_retired_name_names_its_replacement() -> None:
    with pytest.raises(ModelNotFound, match="groq/openai/gpt-oss-120b"):
        names().resolve("llama-3.3-70b-versatile", STREAM)
    with pytest.raises(ModelNotFound, match="groq/openai/gpt-oss-20b"):
        names().resolve("groq/llama-3.1-8b-instant", STREAM)
    with pytest.raises(ModelNotFound, match="groq/openai/gpt-oss-120b"):
        names().resolve("groq@1/llama-3.3-70b-versatile", STREAM)


def test_a_retired_name_that_is_served_is_served() -> None:
    accounts = [Account("groq", 1, models=("llama-3.3-70b-versatile",))]
    found = names(of=CATALOG.deployments(accounts)).resolve("llama-3.3-70b-versatile")
    assert found.kind == "named"


@pytest.mark.parametrize("name", ["", "   ", "x" * 301])
def test_no_name(name: str) -> None:
    with pytest.raises(InvalidRequest):
        names().resolve(name)


def test_a_hostile_name_stays_inside_its_quotes() -> None:
    with pytest.raises(ModelNotFound) as raised:
        names().resolve("a'; rm -rf ~ \n\x1b[2J")
    assert "'\\''" in raised.value.message
    assert "\x1b" not in raised.value.message
    assert "\n" not in raised.value.message


def outcome(over: Names, name: str) -> object:
    try:
        return over.resolve(name, STREAM)
    except FreeloaderError as error:
        return (type(error), error.message)


POOL = sorted(
    {d.id for d in DEPLOYMENTS}
    | {d.model.id for d in DEPLOYMENTS}
    | {d.model.family for d in DEPLOYMENTS}
    | set(ALIASES)
    | set(CATALOG.families.known)
)


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(POOL) | st.text(max_size=20))
def test_the_order_of_deployments_does_not_matter(rng: random.Random, name: str) -> None:
    shuffled = list(DEPLOYMENTS)
    rng.shuffle(shuffled)
    assert outcome(names(), name) == outcome(names(of=shuffled), name)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted({d.model.id for d in DEPLOYMENTS})))
def test_a_served_model_is_never_replaced(name: str) -> None:
    found = outcome(names(aliases={}), name)
    if isinstance(found, Resolution):
        assert found.kind == "named"
        served = {d.id: d for d in DEPLOYMENTS}
        families = {served[i].model.family for i in found.deployments}
        assert len(families) == 1
    else:
        assert isinstance(found, tuple)
        assert found[0] is AmbiguousModel


def test_an_alias_to_a_model_that_is_gone_follows_its_successor_a_pinned_name_does_not() -> None:
    aliases = {"work": "groq/llama-3.3-70b-versatile"}
    found = names(aliases=aliases).resolve("work")
    successor = CATALOG.models["groq", "llama-3.3-70b-versatile"].replaced_by
    assert {name.partition("/")[2] for name in found.deployments} == {successor}
    assert found.substituted, "it is said"
    with pytest.raises(ModelNotFound) as raised:
        names(aliases=aliases).resolve("groq/llama-3.3-70b-versatile")
    assert raised.value.details["replacedBy"] == f"groq/{successor}"


def test_nothing_stands_in_for_an_account_that_was_removed() -> None:
    of = CATALOG.deployments([Account("groq", 1, models=("openai/gpt-oss-120b",))])
    with pytest.raises(ModelNotFound):
        names(of=of).resolve("cohere@1/command-a-03-2025", STREAM)


# ── names in gates ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        (Gates(required_capabilities=frozenset({"visoin"})), "did you mean 'vision'?"),
        (Gates(required_capabilities=frozenset({"telepathy"})), "known are: json, reasoning"),
        (Gates(blocked_providers=frozenset({"gorq"})), "did you mean 'groq'?"),
        (Gates(blocked_providers=frozenset({"Groq"})), "did you mean 'groq'?"),
        (Gates(allowed_providers=frozenset({"openrouters"})), "did you mean 'openrouter'?"),
    ],
)
def test_a_slip_in_a_gate_is_refused_with_the_nearest_name(gates: Gates, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        names().check(gates)
    assert said in str(caught.value)
    assert caught.value.param is not None


def test_names_that_mean_something_pass_and_so_do_providers_that_are_not_here() -> None:
    own = frozenset({"groq", "my-own-cloud"})
    known = frozenset({"vision", "tools", "search"})
    names().check(Gates(blocked_providers=own, required_capabilities=known))
    names().check(Gates(allowed_providers=frozenset()))
