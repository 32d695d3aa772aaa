"""Providers' own model lists, read by the registry's mappings; and what follows from them."""

from __future__ import annotations

from typing import Any

import pytest
from discovery_shapes import LISTS
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader import catalog as catalogs
from freeloader.discovery.listings import Listed, NotAList, holds, read, value_at
from freeloader.discovery.offers import MISSING_MAX, compared

CATALOG = catalogs.load(prices=None)


@pytest.mark.parametrize("name", LISTS)
def test_a_real_shape_is_read_right(name: str) -> None:
    body, wanted = LISTS[name]
    found = {listed.id: listed for listed in read(body, CATALOG.providers[name].listing)}
    assert set(found) == set(wanted), "chat models, and only those"
    for model, fields in wanted.items():
        for field, value in fields.items():
            assert getattr(found[model], field) == value, (model, field)


@pytest.mark.parametrize("name", sorted(CATALOG.providers))
def test_every_providers_mapping_reads_the_plain_list(name: str) -> None:
    """A provider that answers in OpenAI's plain shape is not misunderstood, at worst not read."""
    body = {"object": "list", "data": [{"id": "a/b:free", "object": "model"}]}
    try:
        found = read(body, CATALOG.providers[name].listing)
    except NotAList:
        assert "items" in CATALOG.providers[name].listing
        return
    assert [listed.id for listed in found] in (["a/b:free"], [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "data", "pricing", "prompt", "context_length", "type"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from(sorted(LISTS)))
@settings(max_examples=150, deadline=None)
def test_whatever_a_provider_answers_is_a_list_or_none(body: Any, name: str) -> None:
    try:
        found = read(body, CATALOG.providers[name].listing)
    except NotAList:
        return
    for listed in found:
        assert listed.id
        assert listed.id.isprintable()
        assert listed.context is None or listed.context > 0
        assert listed.pricing is None or all(value >= 0 for value in listed.pricing.values())


@pytest.mark.parametrize(
    ("entry", "condition", "true"),
    [
        ({"a": {"b": [1, "x"]}}, "a.b=X", True),
        ({"a": {"b": [1, "x"]}}, "a.b=y", False),
        ({"a": True}, "a", True),
        ({"a": []}, "a", False),
        ({"a": "chat"}, "a=chat", True),
        ({}, "a=chat", False),
        ({"a": 5}, "a.b", False),
        ({"a": [{"b": 1}]}, "a.0.b", True),
        ({"a": [{"b": 1}]}, "a.7.b", False),
    ],
)
def test_conditions(entry: Any, condition: str, true: bool) -> None:
    assert holds(entry, condition) is true
    assert value_at(entry, "nowhere.at.all") is None


KNOWN = {
    "old": {"family": "olds", "context": 1000, "capabilities": ["streaming", "json"]},
    "priced": {"family": "p", "pricing": {"input": 1.0, "output": 2.0}, "free": True},
    "leaving": {"family": "l"},
}


def seen(listed: list[Listed], missing: dict[str, int] | None = None, **options: Any) -> Any:
    options = {"complete": True, "local": False, "today": "2026-11-25", **options}
    return compared(
        "p", listed, KNOWN, CATALOG.families, missing or {}, evidence="its own list", **options
    )


def everyone() -> list[Listed]:
    return [Listed(name) for name in KNOWN]


def test_a_list_that_says_the_same_proposes_nothing() -> None:
    listed = [Listed("old", 1000, capabilities=("streaming",), covers=("tools",)), *everyone()[1:]]
    assert seen(listed) == seen(everyone())
    assert seen(listed).proposals == ()


def test_what_changed_is_proposed_with_both_values() -> None:
    listed = [
        Listed("old", 500, capabilities=("streaming", "tools"), covers=("tools",)),
        Listed("priced", pricing={"input": 1.5, "output": 2.0}, free=False),
        Listed("leaving", deprecated_on="2027-01-01", replaced_by="old"),
        Listed("llama-3.1-8b-instant", 131072),
    ]
    found = {(p.kind, p.subject): p for p in seen(listed).proposals}
    bounds = found["limit_change", "old"]
    assert (bounds.before["context"], bounds.after["context"]) == (1000, 500)
    assert sorted(bounds.after["capabilities"]) == ["json", "streaming", "tools"]
    price = found["pricing_change", "priced"]
    assert price.before == {"pricing": {"input": 1.0, "output": 2.0}, "free": True}
    assert price.after == {"pricing": {"input": 1.5, "output": 2.0}, "free": False}
    assert found["model_deprecated", "leaving"].after["replacedBy"] == "old"
    fresh = found["new_model", "llama-3.1-8b-instant"]
    assert fresh.after["family"] == "llama-3.1-8b"
    assert fresh.after["intelligence"] == 1.8
    assert len(found) == 4


def test_a_model_is_gone_the_second_time_in_a_row_that_it_is_missing() -> None:
    listed = everyone()[:2]
    missing: dict[str, int] = {}
    kinds = []
    for _ in range(MISSING_MAX + 1):
        result = seen(listed, missing)
        missing = dict(result.missing)
        kinds.append([(p.kind, p.subject) for p in result.proposals])
    gone = [("model_deprecated", "leaving")]
    assert kinds == [[], gone, gone]
    first, again = (seen(listed, {"leaving": n}).proposals[0] for n in (1, 2))
    assert first.key == again.key, "asked once, not every day"
    back = seen(everyone(), missing)
    assert (back.proposals, back.missing) == ((), {})


@pytest.mark.parametrize("options", [{"complete": False}, {"local": True}])
def test_where_absence_says_nothing_nothing_is_gone(options: dict[str, bool]) -> None:
    assert seen(everyone()[:1], {"leaving": 9}, **options).proposals == ()


def test_an_empty_list_is_an_outage_not_the_end_of_all_models() -> None:
    assert seen([], {"leaving": 1}).proposals == ()
