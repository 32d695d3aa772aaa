"""Families: one model under many names, and what is not the same model."""

from __future__ import annotations

import pytest
from catalog_shapes import CATALOG
from hypothesis import given
from hypothesis import strategies as st

# ── families ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("llama3.3:70b", "llama-3.3-70b"),
        ("llama3.3:70b-instruct-q4_K_M", "llama-3.3-70b"),
        ("llama-3.3-70b-instruct-q4_k_m", "llama-3.3-70b"),
        ("Meta-Llama-3_3-70B-Instruct", "llama-3.3-70b"),
        ("@cf/meta/llama-3.3-70b-instruct-fp8-fast", "llama-3.3-70b"),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "llama-3.3-70b"),
        ("llama-3.3-70b-versatile", "llama-3.3-70b"),
        ("lmstudio-community/Llama-3.3-70B-Instruct-GGUF", "llama-3.3-70b"),
        ("llama3.1:latest", "llama-3.1-8b"),
        ("llama-3.1-8b-instant", "llama-3.1-8b"),
        ("qwen3:30b-a3b", "qwen3-30b-a3b"),
        ("qwen/qwen3.8-27b:free", "qwen3.8-27b"),
        ("qwen-3.8-27b", "qwen3.8-27b"),
        ("gpt-oss:20b", "gpt-oss-20b"),
        ("openai/gpt-oss-120b", "gpt-oss-120b"),
        ("gemma3:27b-it-qat", "gemma-3-27b"),
        ("google/gemma-4-31b-it:free", "gemma-4-31b"),
        ("mistral-small3.2:24b", "mistral-small-3.2"),
        ("deepseek-v4-flash-0731", "deepseek-v4-flash-0731"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-3.5-turbo", "gpt-3.5-turbo"),
        ("gpt-3.5-turbo-0125", "gpt-3.5-turbo"),
        ("gpt-4-0613", "gpt-4"),
        ("claude-3-5-sonnet-20241022", "claude-3-5-sonnet"),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", "claude-3-5-sonnet"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("anthropic/claude-sonnet-5", "claude-sonnet-5"),
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
    ],
)
def test_one_family_under_many_names(name: str, family: str) -> None:
    found = CATALOG.families.find(name)
    assert found is not None
    assert found.id == family


@pytest.mark.parametrize(
    "name", ["llama-3.2-1b", "gpt-oss-7b", "phi-4-mini", "qwen2.5-coder:7b", "x", "", ":", "🙂"]
)
def test_smaller_relatives_are_not_the_family(name: str) -> None:
    assert CATALOG.families.find(name) is None


@pytest.mark.parametrize(
    "name",
    ["gpt-4o", "claude-sonnet-5:latest", "o3", "gemini-3.7-flash", "gpt-9-made-up", "grok-4"],
)
def test_a_local_name_inherits_nothing_proprietary(name: str) -> None:
    family, known = CATALOG.families.inherit(name, local=True)
    assert known is None
    assert family not in CATALOG.families.known
    assert family.startswith("local:")


def test_every_family_says_where_its_number_comes_from() -> None:
    for family in CATALOG.families.known.values():
        assert family.intelligence is None or family.evidence["intelligence"]
    assert "arena" in CATALOG.families.known["gpt-3.5-turbo"].evidence["intelligence"]


def test_every_model_with_a_known_family_agrees_with_it() -> None:
    for model in CATALOG.models.values():
        known = CATALOG.families.known.get(model.family)
        if known is not None and model.intelligence is not None:
            assert model.intelligence == known.intelligence, model


@given(st.text(max_size=250))
def test_any_name_has_an_answer(name: str) -> None:
    family, _ = CATALOG.families.inherit(name, local=False)
    assert isinstance(family, str)
