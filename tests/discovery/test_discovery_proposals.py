"""Proposals: what a document differs in, what applying it means, and the worse of two values."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader import catalog as catalogs
from freeloader.catalog import build
from freeloader.catalog.documents import merge
from freeloader.catalog.schema import PricingDoc
from freeloader.discovery import compare
from freeloader.discovery.proposals import (
    KINDS,
    Proposal,
    cautious,
    folded,
    worse_limits,
    worse_price,
)
from freeloader.money import Meters

CURRENT = dict(catalogs.layers(None, "").whole)
GROQ = "openai/gpt-oss-120b"


def changed(**patch: Any) -> dict[str, Any]:
    """The registry's Groq with something merged into its best model."""
    model = copy.deepcopy(CURRENT["groq"]["models"][GROQ])
    return {"groq": {"models": {GROQ: merge(model, patch)}}}


def found(document: dict[str, Any]) -> list[Proposal]:
    checked = compare.checked({"providers": document}, CURRENT)
    assert checked.faults == ()
    return list(compare.proposals(checked.providers, CURRENT, "registry", "a test"))


def test_the_registry_itself_proposes_nothing() -> None:
    assert found(copy.deepcopy(CURRENT)) == []


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (changed(pricing={"input": 9.0}), "pricing_change"),
        (changed(free=False), "pricing_change"),
        (changed(context=1000), "limit_change"),
        (changed(limits=[{"metric": "requests", "amount": 1, "window": "1d"}]), "limit_change"),
        (changed(deprecatedOn="2027-01-01", replacedBy="x"), "model_deprecated"),
        ({"groq": {"models": {"brand-new": {"family": "f"}}}}, "new_model"),
        ({"groq": {"freeTier": {"limits": []}}}, "limit_change"),
        (
            {"novel": {"displayName": "N", "kind": "cloud", "status": "active",
                       "litellm": {"prefix": "openai"}, "models": {"m": {"family": "f"}}}},
            "new_provider",
        ),
    ],
)  # fmt: skip
def test_one_difference_is_one_proposal_and_applying_it_ends_it(document, kind) -> None:
    (proposal,) = found(document)
    assert proposal.kind == kind
    assert proposal.kind in KINDS
    applied = merge(CURRENT, folded([proposal.patch]))
    again = compare.proposals(document, applied, "registry", "a test")
    assert list(again) == []


def test_no_feed_moves_a_known_provider_to_another_address() -> None:
    entry = {"baseUrl": "https://evil.example/v1", "auth": {"env": ["OTHER_KEY"]}, "kind": "local"}
    assert found({"groq": entry}) == []


def test_a_bad_entry_is_refused_alone_and_named() -> None:
    document = changed(context=1000)
    document["groq"]["models"]["bad"] = {"family": "f", "intelligense": 5}
    document["two words"] = {}
    document["mistral"] = {"kind": "planet"}
    checked = compare.checked({"providers": document}, CURRENT)
    assert set(checked.providers) == {"groq"}
    assert set(checked.providers["groq"]["models"]) == {GROQ}
    said = "\n".join(checked.faults)
    for word in ("groq/bad", "intelligence", "two words", "mistral.kind"):
        assert word in said


def test_a_null_takes_a_value_away_through_the_fold() -> None:
    patch = folded([{"p": {"models": {"m": {"pricing": {"cacheRead": 1}}}}},
                    {"p": {"models": {"m": {"pricing": {"cacheRead": None}}}}}])  # fmt: skip
    base = {"p": {"models": {"m": {"pricing": {"input": 1, "cacheRead": 5}}}}}
    assert merge(base, patch) == {"p": {"models": {"m": {"pricing": {"input": 1}}}}}


# ── the worse of two values ──────────────────────────────────────────────────

rates = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.25, 1.0, 3.0]))
tiers = st.lists(
    st.builds(
        lambda above, rate: {"above": above, "input": rate, "output": rate * 2},
        st.sampled_from([1000, 200_000]),
        st.sampled_from([0.5, 2.0, 9.0]),
    ),
    max_size=2,
    unique_by=lambda tier: tier["above"],
).map(lambda found: sorted(found, key=lambda tier: tier["above"]))
prices = st.fixed_dictionaries(
    {"input": st.sampled_from([0.0, 0.5, 2.0]), "output": st.sampled_from([0.0, 1.5, 8.0])},
    optional={"cacheRead": rates, "cacheWrite": rates, "tiers": tiers,
              "perRequest": st.sampled_from([0.0, 0.001])},
)  # fmt: skip
uses = st.builds(
    Meters,
    requests=st.just(1),
    input=st.integers(0, 300_000),
    cache_read=st.integers(0, 300_000),
    cache_write=st.integers(0, 1000),
    output=st.integers(0, 1000),
)


def cost(pricing: dict[str, Any], used: Meters) -> int:
    return build.price(PricingDoc.model_validate(pricing)).cost(used)


@given(prices, prices, uses)
@settings(max_examples=300, deadline=None)
def test_the_worse_price_is_never_below_either(before, after, used) -> None:
    worse = worse_price(before, after)
    assert cost(worse, used) >= max(cost(before, used), cost(after, used))


def test_an_unknown_price_is_the_worst() -> None:
    assert worse_price({"input": 1, "output": 1}, None) is None
    assert worse_price(None, {"input": 1, "output": 1}) is None


def limit(amount: int, **more: Any) -> dict[str, Any]:
    return {"metric": "requests", "amount": amount, "window": "1d", **more}


def test_the_worse_limits_are_all_of_them_at_the_lower_amount() -> None:
    minute = {"metric": "tokens", "amount": 5, "window": "1m"}
    assert worse_limits([limit(50)], [limit(20), minute]) == [limit(20), minute]
    assert worse_limits([limit(20), minute], [limit(50)]) == [limit(20), minute]
    paid = limit(9, tier="paid")
    assert worse_limits([limit(50)], [paid]) == [limit(50), paid]


@pytest.mark.parametrize(
    ("document", "reckoned"),
    [
        (changed(pricing={"input": 9.0}), {"pricing": 9.0}),
        (changed(pricing={"input": 0.0001}), None),
        (changed(free=False), {"free": False}),
        (changed(context=1000), {"context": 1000}),
        (changed(context=10**7), None),
        (changed(capabilities=["streaming"]), {"capabilities": ["streaming"]}),
        (changed(deprecatedOn="2027-01-01"), None),
        ({"groq": {"models": {"brand-new": {"family": "f"}}}}, None),
    ],
)
def test_only_the_worse_is_reckoned_with_while_it_waits(document, reckoned) -> None:
    (proposal,) = found(document)
    patch = cautious(proposal)
    if reckoned is None:
        assert patch is None
        return
    assert patch is not None
    model = patch["groq"]["models"][GROQ]
    if "pricing" in reckoned:
        assert model["pricing"]["input"] == reckoned["pricing"]
    else:
        assert model == reckoned


def test_a_caution_is_what_the_catalog_says(tmp_path: Path) -> None:
    (proposal,) = found(changed(pricing={"input": 9.0}))
    patch = cautious(proposal)
    assert patch is not None
    catalog = catalogs.load(tmp_path, prices=None, cautions=[patch])
    price = catalog.models["groq", GROQ].price
    assert price is not None
    assert price.input == 9_000_000
    assert catalog.problems == ()
    assert catalog.version != catalogs.load(tmp_path, prices=None).version
