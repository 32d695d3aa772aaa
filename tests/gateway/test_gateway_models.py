"""The list of models: both shapes, filters, one by its id, and what is free or available."""

from __future__ import annotations

from dataclasses import replace

import pytest
from front_fakes import CLIENT, House, well_formed

from freeloader.catalog import load
from freeloader.catalog.names import Names
from freeloader.clock import Instant
from freeloader.core.model import Verdict
from freeloader.gateway.routes.models import AUTOMATIC


async def test_models_in_both_shapes(house: House) -> None:
    status, body, _ = await house.get("/v1/models", CLIENT)
    assert status == 200
    ids = [row["id"] for row in body["data"]]
    assert ids[:3] == ["groq/org/big", "groq/small", "ollama/tiny"]
    assert set(body["data"][0]) == {"id", "object", "created", "owned_by"}
    small = body["models"][1]
    wanted = {"provider", "name", "family", "intelligence", "speed", "costPer1M", "context",
              "capabilities", "quotaRemaining", "quotaResets", "available", "unavailableReason",
              "estimatedLatency"}  # fmt: skip
    assert wanted <= set(small)
    assert small["costPer1M"] == {"input": 0.15, "output": 0.6}
    assert (small["quotaRemaining"], small["quotaResets"]) == (9, "2026-11-21T00:00:00.000Z")
    assert body["models"][0]["costPer1M"] == {"input": None, "output": None}
    assert body["models"][2]["costPer1M"] == {"input": 0.0, "output": 0.0}


async def test_a_pool_of_some_models_says_nothing_of_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of the free ones is not what is left of a paid one at the same account."""
    pool = {**house.books.windows_view(Instant(0.0, 0.0))[0], "appliesTo": ["org/*"]}
    monkeypatch.setattr(house.books, "windows_view", lambda now: [{**pool, "remaining": 3}])
    _, body, _ = await house.get("/v1/models", CLIENT)
    left = {row["name"]: row["quotaRemaining"] for row in body["models"]}
    assert left == {"org/big": 3, "small": None, "tiny": None}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["org/big", "small", "tiny"]),
        ("minIntelligence=3", ["small"]),
        ("minIntelligence=9", []),
        ("min_intelligence=3", ["small"]),
        ("capability=tools", ["small"]),
        ("capability=tools,streaming", ["small"]),
        ("capability=vision", []),
        ("provider=groq", ["org/big", "small"]),
        ("provider=groq,ollama", ["org/big", "small", "tiny"]),
        ("free=true", ["small", "tiny"]),
        ("free=false", ["org/big"]),
        ("local=true", ["tiny"]),
        ("local=1&free=true", ["tiny"]),
        ("available=true", ["org/big", "tiny"]),
        ("available=false", ["small"]),
    ],
)
async def test_model_filters(query: str, names: list[str], house: House) -> None:
    house.books.pauses = {"groq@0/small": Verdict("breaker", "upstream_failed", "open until x")}
    _, body, _ = await house.get(f"/v1/models?{query}")
    assert [row["name"] for row in body["models"]] == names
    assert len(body["data"]) - len(names) == (len(AUTOMATIC) if not query else 0)


@pytest.mark.parametrize("query", ["free=maybe", "minIntelligence=x", "minIntelligence=nan",
                                   "minInteligence=3", "free=true&free=false"])  # fmt: skip
async def test_wrong_filters_are_named(query: str, house: House) -> None:
    status, body, _ = await house.get(f"/v1/models?{query}")
    assert status == 400
    assert well_formed(body)["param"] == query.split("=")[0]


async def test_what_may_be_named_instead_of_a_model_is_listed_and_can_be_asked(
    house: House,
) -> None:
    _, body, _ = await house.get("/v1/models", CLIENT)
    names = [row["id"] for row in body["data"] if row["owned_by"] == "xswarm"]
    assert names == list(AUTOMATIC)
    assert {"auto", "auto:cost-first", "auto:multi-cast"} <= set(names)
    for name in names:
        status, one, _ = await house.get(f"/v1/models/{name}", CLIENT)
        assert (status, one["id"], one["object"]) == (200, name, "model")
        meant = Names(load(prices=None), (), {}).resolve(name)
        assert (meant.kind, meant.strategy) == ("auto", name.partition(":")[2] or None)
    house.books.deployments.clear()  # with nobody to choose from they mean nothing
    assert (await house.get("/v1/models", CLIENT))[1]["data"] == []


async def test_one_model_by_id(house: House) -> None:
    for name in ("groq/org/big", "org/big", "groq%2Forg%2Fbig"):
        status, body, _ = await house.get(f"/v1/models/{name}")
        assert (status, body["id"], body["object"]) == (200, "groq/org/big", "model")


async def test_a_model_is_available_where_one_account_is(house: House) -> None:
    first = house.books.deployments["groq@0/small"]
    second = replace(first, id="groq@1/small", account=replace(first.account, idx=1))
    house.books.deployments[second.id] = second
    house.books.pauses = {first.id: Verdict("breaker", "upstream_failed", "open")}
    _, body, _ = await house.get("/v1/models/groq/small")
    assert (body["available"], body["accounts"]) == (True, [0, 1])


async def test_a_free_allowance_is_free_while_it_lasts(house: House) -> None:
    for lasts, names in ((True, ["org/big", "small", "tiny"]), (False, ["small", "tiny"])):
        house.books.covered = {"groq@0/org/big"} if lasts else set()
        _, body, _ = await house.get("/v1/models?free=true")
        assert sorted(row["name"] for row in body["models"]) == names
