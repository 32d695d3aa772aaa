"""Multi-cast against real processes: losers are cancelled upstream, all are billed right,
a vote stops early, and the price asked for before is the price held."""

from __future__ import annotations

import json
import threading
import urllib.request
from typing import Any

import pytest
from farm import House, Simulator, until

FREE, PAID = ("alpha", "beta"), "gold"
ASKED = {"strategy": "multi-cast", "targets": 3, "max_tokens": 200}
PICO = 10**12


@pytest.fixture(autouse=True)
def _fresh(house: House) -> None:
    house.call("POST", "/v1/free-tiers/reset", {}, role="admin")


def says(simulator: Simulator, provider: str, text: str, **more: Any) -> None:
    """The provider's next answer, word for word."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [choice], "usage": usage}  # fmt: skip
    simulator.fault(provider, "reply", status=200, body=body, **more)


def states(body: Any) -> dict[str, str]:
    return {m["provider"]: m["state"] for m in body["routing"]["multiCast"]["members"]}


def newest(simulator: Simulator, provider: str) -> Any:
    rows = [r for r in simulator.requests()["requests"] if r["provider"] == provider]
    return rows[-1] if rows else {}


def billed(simulator: Simulator) -> int:
    return int(simulator.bill()["totals"]["picodollars"])


def spent(house: House) -> float:
    return float(house.get("/v1/budget")["daily"]["spent"])


@pytest.mark.parametrize("stream", [False, True])
def test_first_cancels_the_losers_upstream_and_bills_all(
    house: House, simulator: Simulator, stream: bool
) -> None:
    before, bill = spent(house), billed(simulator)
    simulator.fault("beta", "hang", seconds=30)
    simulator.fault("gold", "slow", seconds=30)
    if stream:
        raw = {"messages": [{"role": "user", "content": "hello"}], "stream": True, **ASKED}
        request = urllib.request.Request(
            f"{house.url}/v1/chat/completions", data=json.dumps(raw).encode(),
            headers={"Authorization": f"Bearer {house.key()}", "Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=60) as answer:
            lines = [x[6:] for x in answer.read().decode().split("\n") if x.startswith("data: ")]
        assert lines[-1] == "[DONE]"
        body = json.loads(lines[0])
    else:
        status, headers, body = house.chat("hello", **ASKED)
        assert status == 200, body
        assert headers["x-freeloader-attempts"] == "3"
    assert states(body) == {"alpha": "won", "beta": "cancelled", "gold": "cancelled"}
    for loser in ("beta", "gold"):
        until(lambda name=loser: newest(simulator, name).get("disconnectedEarly"), 10, "cancelled")
    until(lambda: house.get("/v1/budget")["daily"]["held"] == 0, 10, "every hold is settled")
    assert (spent(house) - before) * PICO >= billed(simulator) - bill


def test_all_gives_every_answer_with_its_model_cost_and_latency(
    house: House, simulator: Simulator
) -> None:
    before, bill = spent(house), billed(simulator)
    status, headers, body = house.chat("hello", aggregation="all", **ASKED)
    assert status == 200, body
    assert {c["provider"] for c in body["choices"]} == {"alpha", "beta", "gold"}
    assert [c["index"] for c in body["choices"]] == [0, 1, 2]
    assert all(c["message"]["content"] and c["latencyMs"] > 0 for c in body["choices"])
    costs = {c["provider"]: c["costUsd"] for c in body["choices"]}
    assert costs["alpha"] == costs["beta"] == 0
    assert round(costs["gold"] * PICO) == billed(simulator) - bill
    assert spent(house) - before == pytest.approx(costs["gold"])
    assert body["usage"]["costUsd"] == pytest.approx(costs["gold"])
    decision = house.get(f"/v1/decisions/{headers['x-freeloader-decision-id']}")
    assert [a["outcome"] for a in decision["attempts"]] == ["ok"] * 3


def test_consensus_stops_as_soon_as_two_of_three_agree(house: House, simulator: Simulator) -> None:
    says(simulator, "alpha", "The answer is 42.")
    says(simulator, "beta", "42")
    simulator.fault("gold", "slow", seconds=30)
    status, _, body = house.chat("6 times 7?", aggregation="consensus", **ASKED)
    assert status == 200, body
    assert "42" in body["choices"][0]["message"]["content"]
    vote = body["routing"]["multiCast"]["vote"]
    assert (vote["agreed"], vote["votes"], vote["of"], vote["by"]) == (True, 2, 3, "number")
    assert states(body)["gold"] == "cancelled"
    until(lambda: newest(simulator, "gold").get("disconnectedEarly"), 10, "cancelled upstream")


def test_best_is_judged_by_a_cheap_model_and_the_scores_are_shown(
    house: House, simulator: Simulator
) -> None:
    scores = [{"answer": n, "score": s} for n, s in ((1, 2), (2, 9), (3, 4))]
    says(simulator, "alpha", json.dumps({"scores": scores}), model="alpha-only")
    status, _, body = house.chat("hello", aggregation="best", **ASKED)
    assert status == 200, body
    told = body["routing"]["multiCast"]
    assert [m["score"] for m in told["members"]] == [2, 9, 4]
    assert told["members"][1]["state"] == "won"
    assert body["model"] == told["members"][1]["model"]
    assert told["judge"]["model"] == "alpha/alpha-only"


def test_the_dry_run_names_the_price_that_is_then_held(house: House, simulator: Simulator) -> None:
    body = {"messages": [{"role": "user", "content": "hello"}], **ASKED, "aggregation": "best"}
    _, _, dry = house.call("POST", "/v1/router/debug", body)
    plan = dry["multiCast"]
    assert {m["provider"] for m in plan["members"]} == {"alpha", "beta", "gold"}
    assert plan["judge"]["model"] == "alpha/alpha-only"
    assert plan["holdUsd"] > 0
    simulator.fault("gold", "slow", seconds=2)
    done: list[Any] = []
    asking = threading.Thread(target=lambda: done.append(house.call(
        "POST", "/v1/chat/completions", body)))  # fmt: skip
    asking.start()
    held = until(lambda: house.get("/v1/budget")["daily"]["held"], 10, "something is held")
    asking.join(30)
    assert held == pytest.approx(plan["holdUsd"])
    assert done[0][2]["routing"]["multiCast"]["holdUsd"] == plan["holdUsd"]
    assert simulator.bill()["totals"]["requests"] > 0


def test_the_official_client_reads_every_answer_of_a_stream(house: House) -> None:
    from openai import OpenAI

    client = OpenAI(base_url=f"{house.url}/v1", api_key=house.key(), max_retries=0)
    said: dict[int, str] = {}
    ended: dict[int, str] = {}
    with client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "hello"}], stream=True,
        stream_options={"include_usage": True}, extra_body={**ASKED, "aggregation": "all"},
    ) as stream:  # fmt: skip
        for event in stream:
            for choice in event.choices:
                said[choice.index] = said.get(choice.index, "") + (choice.delta.content or "")
                if choice.finish_reason:
                    ended[choice.index] = choice.finish_reason
            usage = event.usage
    assert len(said) == len(ended) == 3
    assert all(said.values())
    assert usage is not None
    assert usage.completion_tokens > 0


def debug(house: House, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    body = {"prompt": "hello", "max_tokens": 50, **fields}
    status, _, answer = house.call("POST", "/v1/router/debug", body, headers=headers)
    assert status == 200, answer
    return answer


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"selection": "best", "targets": 2}, ["gold", "alpha"]),
        ({"selection": "cheapest", "targets": 2}, ["alpha", "beta"]),
        ({"model": "twins"}, ["alpha", "beta"]),
        ({"qualityGates": {"blockedProviders": ["alpha"]}}, ["gold", "beta"]),
        ({"qualityGates": {"freeOnly": True}, "targets": 1}, ["alpha"]),
    ],
)
def test_who_is_asked(house: House, fields: dict[str, Any], asked: list[str]) -> None:
    plan = debug(house, strategy="multi-cast", **fields)["multiCast"]
    assert {m["provider"] for m in plan["members"]} == set(asked)
    assert (plan["note"] is None) == (len(asked) >= plan["targets"])


@pytest.mark.parametrize(
    ("fields", "headers", "strategy"),
    [
        ({"priority": "cheap"}, {}, "cost-first"),
        ({"priority": "balanced"}, {}, "balanced"),
        ({"freeloader": {"priority": "best"}}, {}, "quality-first"),
        ({"latencyPref": "fast"}, {}, "speed-first"),
        ({"priority": "cheap", "targets": 2}, {}, "multi-cast"),
        ({}, {"X-Freeloader-Targets": "2", "X-Freeloader-Max-Cost": "0.5"}, "multi-cast"),
    ],
)
def test_priority_latency_and_cost_are_policy_and_say_whose(
    house: House, fields: dict[str, Any], headers: dict[str, str], strategy: str
) -> None:
    costs = {} if headers else {"max_cost": 0.5}
    policy = debug(house, headers, **fields, **costs)["policy"]
    assert policy["strategy"] == strategy
    assert policy["origins"]["strategy"] == "request"
    assert (policy["maxCostUsd"], policy["origins"]["maxCost"]) == (0.5, "request")
