"""Multi-cast within its walls, over HTTP: who may be asked (the judge too), what it may cost
in all, and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from farm import House, Simulator
from shops import FREE, MODELS, NEAR, PAID, calls, only, question

pytestmark = pytest.mark.timeout(180)

CAST = {"strategy": "multi-cast", "max_tokens": 50}


@pytest.fixture(autouse=True)
def _fresh(shop: House, market: Simulator) -> Iterator[None]:
    shop.call("POST", "/v1/free-tiers/reset", {}, role="admin")
    yield
    market.calm()


def planned(shop: House, **fields: Any) -> Any:
    """The dry run."""
    status, _, told = shop.call("POST", "/v1/router/debug", question(**CAST, **fields))
    assert status == 200, told
    return told


def members(told: Any) -> set[str]:
    return {m["provider"] for m in told["routing"]["multiCast"]["members"]}


def spent(shop: House) -> float:
    return float(shop.get("/v1/budget")["daily"]["spent"])


def settings(shop: House, **changes: Any) -> None:
    status, _, said = shop.call("POST", "/v1/config", changes, role="admin")
    assert status == 200, said


@pytest.mark.parametrize(
    ("gates", "allowed"),
    [
        ({"localOnly": True}, {*NEAR}),
        ({"noTraining": True}, {*NEAR}),
        ({"blockedProviders": [*FREE, "dull", "dear"]}, {"cheap", "home"}),
        ({"freeOnly": True, "blockLocal": True}, {*FREE}),
    ],
)
@pytest.mark.parametrize("aggregation", ["all", "best"])
def test_walls_hold_for_members_and_for_the_judge(
    shop: House, market: Simulator, gates: dict[str, Any], allowed: set[str], aggregation: str
) -> None:
    before = calls(market)
    fields = {**CAST, "targets": 4, "aggregation": aggregation, "qualityGates": gates}
    status, _, told = shop.chat(**fields)
    assert status == 200, told
    assert members(told) == allowed
    assert set(calls(market) - before) <= allowed, "nobody else was asked anything"
    if aggregation == "best":
        assert told["routing"]["multiCast"]["judge"]["model"].partition("/")[0] in allowed


def test_a_failing_member_is_replaced_only_within_the_walls(shop: House, market: Simulator) -> None:
    market.fault("quick", "500", forever=True)
    market.fault("wise", "500", forever=True)
    before = calls(market)
    gates = {"freeOnly": True, "blockedProviders": ["dull"]}
    status, _, told = shop.chat(**CAST, targets=2, qualityGates=gates)
    assert (status, members(told) & {*PAID, "dull"}) == (200, set())
    assert not set(calls(market) - before) & {*PAID, "dull"}


@pytest.mark.parametrize("whose", ["request", "settings"])
def test_a_limit_on_one_request_bounds_the_whole_price(shop: House, whose: str) -> None:
    among = {"targets": 2, **only(*PAID)}
    whole = planned(shop, **among)["multiCast"]
    assert {m["provider"] for m in whole["members"]} == {*PAID}
    singles = [m["holdUsd"] for m in whole["members"]]
    assert whole["holdUsd"] == pytest.approx(sum(singles))

    def told(limit: float) -> Any:
        if whose == "request":
            return planned(shop, **among, max_cost=limit)
        settings(shop, budget={"hard": {"per_request": limit}})
        return planned(shop, **among)

    try:
        assert len(told(whole["holdUsd"] * 1.001)["multiCast"]["members"]) == 2
        fewer = told(max(singles) * 1.001)["multiCast"]
        assert fewer["holdUsd"] <= max(singles) * 1.001, "each alone would fit, not both"
        assert fewer["note"] is not None or any(m.get("maxTokens") for m in fewer["members"])
        nothing = told(min(singles) / 1e6)
        assert nothing["error"]["code"] == "budget_exceeded"
    finally:
        settings(shop, budget={"hard": {"per_request": None}})


def test_the_limit_holds_for_what_is_sent_and_every_call_is_billed(
    shop: House, market: Simulator
) -> None:
    before, bill = spent(shop), market.bill()["totals"]["picodollars"]
    limit = planned(shop, targets=2, **only(*PAID))["multiCast"]["holdUsd"]
    status, _, told = shop.chat(**CAST, targets=2, aggregation="all", max_cost=limit, **only(*PAID))
    assert status == 200, told
    cost = sum(choice["costUsd"] for choice in told["choices"])
    assert 0 < cost <= limit
    assert spent(shop) - before == pytest.approx(cost)
    assert (market.bill()["totals"]["picodollars"] - bill) / 1e12 <= cost * 1.000001


def test_every_answer_of_all_is_in_the_decision_and_in_the_export(shop: House) -> None:
    settings(shop, logging={"save_responses": True})
    try:
        status, headers, told = shop.chat(**CAST, targets=3, aggregation="all", project="exported",
                                          **only(*FREE, *PAID))  # fmt: skip
    finally:
        settings(shop, logging={"save_responses": False})
    assert status == 200, told
    kept = shop.get(f"/v1/decisions/{headers['x-freeloader-decision-id']}")
    rows = [json.loads(x) for x in shop.xswarm("export", "--project", "exported").splitlines()]
    (row,) = rows
    for place in (kept["routing"], row["routing"]["routing"]):
        cast = place["multiCast"]
        assert {m["provider"] for m in cast["members"]} == members(told)
        assert all(m["latencyMs"] > 0 and m["costUsd"] is not None for m in cast["members"])
    assert row["attempts"] == 3
    assert row["costUsd"] == pytest.approx(sum(c["costUsd"] for c in told["choices"]))
    said = {one["model"]: one["content"] for one in json.loads(row["response"])}
    assert said == {c["model"]: c["message"]["content"] for c in told["choices"]}


def test_one_member_failing_is_not_the_request_failing(shop: House, market: Simulator) -> None:
    for aggregation in ("first", "all", "consensus", "best"):
        shop.call("POST", "/v1/free-tiers/reset", {}, role="admin")
        market.fault("quick", "500")
        status, _, told = shop.chat(**CAST, targets=3, aggregation=aggregation, **only(*MODELS))
        assert status == 200, (aggregation, told)
        market.calm()
