"""Strategies, rules, the fallback tree and the four scenarios, over HTTP against pretend providers.

One daemon (``shops``) for the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from farm import House, Simulator
from shops import FREE, NEAR, PAID, calls, only, question, served, spend

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def _fresh(shop: House, market: Simulator) -> Iterator[None]:
    shop.call("POST", "/v1/free-tiers/reset", {}, role="admin")
    yield
    market.calm()


# ── strategies ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("strategy", "among", "expected"),
    [
        ("cost-first", [*FREE, *PAID], FREE),
        ("cost-first", PAID, ["cheap"]),
        ("speed-first", [*FREE, *PAID], FREE),
        ("quality-first", [*FREE, *PAID], ["dear"]),
        ("quality-first", [*FREE, "cheap"], ["wise"]),
        ("local-first", [*FREE, "home"], ["home"]),
        ("balanced", [*FREE, "home"], [*FREE, "home"]),
        ("priority", [*FREE, *PAID, *NEAR], ["quick"]),
    ],
)
def test_who_a_strategy_takes(
    shop: House, strategy: str, among: list[str], expected: list[str]
) -> None:
    fields = {"strategy": strategy, **only(*among)}
    debug = shop.call("POST", "/v1/router/debug", question(**fields))[2]
    assert debug["winner"]["provider"] in expected
    assert served(shop, **fields) == debug["winner"]["provider"]


def test_local_first_takes_turns_over_the_rest(shop: House) -> None:
    fields = {"strategy": "local-first", **only("quick", "wise", "cheap")}
    seen = [served(shop, **fields) for _ in range(4)]
    assert sorted(seen[:3]) == ["cheap", "quick", "wise"]
    assert seen[3] == seen[0]


def test_the_decision_says_where_its_policy_came_from(shop: House) -> None:
    _, headers, body = shop.chat(project="thrifty", weights={"cost": 1, "speed": 0, "quality": 0})
    routing = body["routing"]
    assert (routing["strategy"], routing["rule"]) == ("cost-first", "cheaply")
    kept = shop.get(f"/v1/decisions/{headers['x-freeloader-decision-id']}")
    origins = kept["policy"]["origins"]
    assert (origins["strategy"], origins["weights"]) == ("rule", "request")
    assert origins["minIntelligence"] == "preset"
    assert kept["rule"] == "cheaply"


# ── rules ────────────────────────────────────────────────────────────────────


def test_rules_redirect_narrow_and_reject(shop: House) -> None:
    status, headers, body = shop.chat(model="gpt-old")
    assert (status, headers["x-freeloader-provider"]) == (200, "cheap"), body
    assert headers["x-freeloader-substituted"] == "gpt-old"
    _, headers, _ = shop.call(
        "POST", "/v1/chat/completions", question(), headers={"X-Shift": "night"}
    )
    assert headers["x-freeloader-provider"] in NEAR
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    status, _, body = shop.chat(project="strict", tools=tools)
    assert status == 403
    assert "No agents in this project." in body["error"]["message"]
    assert body["error"]["details"]["rule"] == "no agents"


# ── the four scenarios ───────────────────────────────────────────────────────


def test_quota_gone_with_budget_left_goes_to_the_cheapest_paid(
    shop: House, market: Simulator
) -> None:
    spend(market, *FREE)
    assert served(shop, strategy="cost-first", **only(*FREE, *PAID)) == "cheap"
    assert served(shop, **only(*FREE, *PAID)) == "cheap", "and it is remembered"


def test_budget_gone_with_local_allowed_is_answered_at_home(shop: House, market: Simulator) -> None:
    spend(market, *FREE)
    fields = {"strategy": "cost-first", "project": "broke"}
    assert served(shop, **fields, **only(*FREE, *PAID, *NEAR)) == "home", "of quality, not the dull"
    status, _, body = shop.chat(**fields, **only(*FREE, *PAID))
    assert status in (402, 429)
    assert body["error"]["code"] in ("budget_exceeded", "quota_exhausted")


def test_quality_first_never_steps_down_because_a_budget_is_gone(shop: House) -> None:
    among = only("wise", "dear")
    assert served(shop, strategy="quality-first", **among) == "dear"
    status, _, body = shop.chat(strategy="quality-first", project="broke", **among)
    assert (status, body["error"]["code"]) == (402, "budget_exceeded"), body
    assert served(shop, strategy="quality-first", project="broke", **only("wise")) == "wise"


def test_a_floor_that_free_models_miss_is_met_by_a_paid_one_or_refused(shop: House) -> None:
    gates = {"minIntelligence": 9, "allowedProviders": [*FREE, *PAID]}
    assert served(shop, strategy="cost-first", qualityGates=gates) == "dear"
    status, _, body = shop.chat(qualityGates={**gates, "freeOnly": True})
    assert status == 422
    error = body["error"]
    assert error["code"] == "no_model_passes_gates"
    told = {row["gate"]: row["refused"] for row in error["details"]["gates"]}
    assert told["minIntelligence"] >= 2
    relaxed = error["details"]["relaxation"]
    assert served(shop, qualityGates={**gates, "freeOnly": True, **relaxed})


def test_blocked_providers_hold_under_every_strategy_and_failure(
    shop: House, market: Simulator
) -> None:
    market.fault("home", "500", forever=True)
    gates = {"blockedProviders": [*FREE, *PAID], "localOnly": True}
    before = calls(market)
    for strategy in ("balanced", "cost-first", "quality-first", "local-first", "priority"):
        shop.call("POST", "/v1/free-tiers/reset", {}, role="admin")
        status, headers, body = shop.chat(strategy=strategy, qualityGates=gates)
        if status == 200:
            assert headers["x-freeloader-provider"] in NEAR
        else:
            assert status in (422, 502), body
    after = calls(market)
    assert after["home"] > before["home"], "it was tried"
    assert all(after[name] == before[name] for name in (*FREE, *PAID))


# ── the fallback tree ────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({"onQuotaExceeded": "next-cheapest"}, ["wise", "home"]),
        ({"onQuotaExceeded": "local"}, NEAR),
        ({"onQuotaExceeded": "error"}, None),
        ({"maxRetries": 0}, None),
        ("fail", None),
        ("local", NEAR),
    ],
)
def test_a_quota_that_ran_out_elsewhere(
    shop: House, market: Simulator, plan: Any, expected: list[str] | None
) -> None:
    market.fault("quick", "day", forever=True)
    fields = {"strategy": "priority", "fallback": plan}
    status, headers, body = shop.chat(**fields, **only("quick", "wise", "home"))
    if expected is None:
        assert (status, body["error"]["code"]) == (429, "quota_exhausted")
        assert len(body["error"]["details"]["attempts"]) == 1
    else:
        assert status == 200, body
        assert headers["x-freeloader-provider"] in expected
        assert headers["x-freeloader-attempts"] == "2"


FLAWED = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}


def _reply(content: Any, finish: str = "stop", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": content, **message}
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    choice = {"index": 0, "message": said, "finish_reason": finish}
    return {**FLAWED, "choices": [choice], "usage": usage}


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": '}}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "n",
        "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    },
}


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        (_reply(""), {}),
        (_reply("half a sen", "length"), {}),
        (_reply('{"n": "seven"}'), {"response_format": SCHEMA}),
        (_reply(None, "tool_calls", tool_calls=[CALL]), {"tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]}),
        (_reply("over and over " * 90), {}),
    ],
    ids=["empty", "cut-off", "schema", "tool-call", "repetition"],
)  # fmt: skip
def test_a_poor_answer_is_asked_of_somebody_stronger_and_paid(
    shop: House, market: Simulator, body: dict[str, Any], asked: dict[str, Any]
) -> None:
    market.fault("cheap", "reply", status=200, body=body)
    fields = {"strategy": "cost-first", **only("cheap", "dear"), **asked}
    status, headers, answer = shop.chat(**fields)
    assert status == 200, answer
    assert headers["x-freeloader-provider"] == "dear"
    kept = shop.get(f"/v1/decisions/{headers['x-freeloader-decision-id']}")
    first, second = kept["attempts"]
    assert (first["outcome"], second["outcome"]) == ("quality_failure", "ok")
    assert first["costUsd"] > 0, "it answered, so it is paid"
    market.fault("cheap", "reply", status=200, body=body)
    status, _, answer = shop.chat(**{**fields, "fallback": {"onQualityFailure": "error"}})
    assert (status, answer["error"]["code"]) == (502, "upstream_failed")


# ── gates ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("gate", "value", "refused"),
    [
        ("minIntelligence", 6, {"quick", "home", "dull"}),
        ("maxIntelligence", 6, {"wise", "dear"}),
        ("blockedProviders", ["quick", "dear"], {"quick", "dear"}),
        ("allowedProviders", ["wise"], {*FREE, *PAID, *NEAR} - {"wise"}),
        ("requiredCapabilities", ["vision"], {*FREE, *PAID, *NEAR}),
        ("minContext", 100_000, {*FREE, *PAID, *NEAR}),
        ("blockLocal", True, {*NEAR}),
        ("localOnly", True, {*FREE, *PAID}),
        ("freeOnly", True, {*PAID}),
        ("paidOnly", True, {*FREE, *NEAR}),
        ("noTraining", True, {*FREE, *PAID}),
    ],
)
def test_each_gate_refuses_whom_it_says(
    shop: House, gate: str, value: Any, refused: set[str]
) -> None:
    debug = shop.call("POST", "/v1/router/debug", question(qualityGates={gate: value}))[2]
    told = {c["provider"]: c["reason"] for c in debug["candidates"] if c.get("refusedBy") == gate}
    assert set(told) == refused, told
    assert all(told.values())
    if refused == {*FREE, *PAID, *NEAR}:
        status, _, body = shop.chat(qualityGates={gate: value})
        assert (status, body["error"]["code"]) == (422, "no_model_passes_gates")
        assert body["error"]["details"]["gates"][0]["refused"] == len(refused)
    else:
        assert served(shop, qualityGates={gate: value}) not in refused
