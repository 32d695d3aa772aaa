"""Benchmarks of pretend models of known speed and quality: ranked right, sparing, resumed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from farm import House, Simulator, model, pretend, provider, until

from freeloader.benchmarks.suite import suite

PRICED = {"input": 1.0, "output": 2.0}
DAY = {"metric": "requests", "amount": 200, "window": "1d", "reset": "calendar", "scope": "model"}


def knows(share: float) -> dict[str, str]:
    """Right answers to the first prompts of each task, by their text."""
    right = json.loads((Path(__file__).parent / "right_answers.json").read_text("utf-8"))
    prompts = suite().prompts
    return {p.text: right[p.id] for n, p in enumerate(prompts) if n % 10 < share * 10}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    fast, slow = ({"firstMs": 5, "tokensPerSecond": speed} for speed in (2000, 100))
    simulator = Simulator(tmp_path, pretend({
        "alpha": {"clever": {"free": True, "answers": knows(0.9), "latency": slow},
                  "dull": {"free": True, "answers": knows(0.2), "latency": fast}},
        "gold": {"ingot": {"pricing": PRICED, "answers": knows(0.5)}},
    }))  # fmt: skip
    made = House(tmp_path / "home")
    made.xswarm("init")
    free = {"type": "recurring", "confidence": "high", "limits": [DAY]}
    made.overlay("market", {"version": "2026.11.20", "providers": {
        "alpha": provider(f"{simulator.url}/alpha/v1", freeTier=free, models={
            name: model(name, intelligence=None) for name in ("clever", "dull")}),
        "gold": provider(f"{simulator.url}/gold/v1",
                         {"ingot": model("ingots", free=False, pricing=PRICED)}),
    }})  # fmt: skip
    made.xswarm("account", "add", "alpha", "-", stdin="key-a\n")
    made.xswarm("account", "add", "gold", "-", "--tier", "paid", stdin="key-g\n")
    made.start()
    yield made
    made.stop()
    simulator.stop()


def results(house: House) -> dict[str, dict[str, Any]]:
    return {row["model"]: row for row in house.get("/v1/benchmarks")["benchmarks"]}


def test_ranked_right_within_the_share_and_resumed_after_kill_9(house: House) -> None:
    # Nothing is asked of cloud models before the owner allows it.
    plan = json.loads(house.xswarm("bench", "run", "--dry-run", "--json"))
    assert plan["requests"] == 0
    reasons = {row["deployment"]: row["reason"] for row in plan["leftOut"]}
    assert "quota_share" in reasons["alpha@1/clever"]
    assert "budget.monthly" in reasons["gold@1/ingot"]

    house.xswarm("config", "set", "benchmarking.quota_share", "0.4")
    plan = json.loads(house.xswarm("bench", "run", "--dry-run", "--json"))
    assert {row["deployment"]: row["requests"] for row in plan["models"]} == {
        "alpha@1/clever": 45,
        "alpha@1/dull": 45,
    }
    # Cut short by kill -9: what was answered is kept, the rest is asked by the next run.
    running = threading.Thread(target=house.xswarm, args=("bench", "run"), kwargs={"ok": False})
    running.start()
    until(lambda: sum(r["samples"] for r in results(house).values()) >= 12, 60, "some answers")
    house.kill()
    running.join(30)
    house.start()
    before = {name: row["samples"] for name, row in results(house).items()}
    assert 0 < sum(before.values()) < 90
    house.xswarm("bench", "run", "--models", "alpha")
    after = results(house)
    assert {name: row["samples"] for name, row in after.items()} == {"clever": 45, "dull": 45}
    assert "rated in this round already" in house.xswarm("bench", "run", "--models", "alpha")

    # Known qualities and speeds are found, in the right order, and become evidence.
    clever, dull = after["clever"], after["dull"]
    assert clever["quality"]["overall"] > 0.85
    assert dull["quality"]["overall"] < 0.6
    assert dull["tokensPerSecond"] > clever["tokensPerSecond"]
    assert clever["successRate"] == dull["successRate"] == 1.0
    models = {m["name"]: m for m in house.get("/v1/models?provider=alpha")["models"]}
    ranks = {name.rpartition("/")[2]: m["intelligence"] for name, m in models.items()}
    assert ranks["clever"] > ranks["dull"] > 0

    # Money stays within its budget, however much is asked.
    house.xswarm("config", "set", "benchmarking.budget.monthly", "0.002")
    house.xswarm("bench", "run", "--models", "gold")
    spent = house.get("/v1/budget?project=benchmarks")["projects"]["benchmarks"]["monthly"]["spent"]
    assert 0 < spent <= 0.002
    assert results(house)["ingot"]["samples"] >= 1
