"""The running daemon keeps its own description: no 5xx, no drift, no spend on what is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from farm import House, Simulator, model, pretend, provider

PRICED = {"input": 1.0, "output": 2.0}
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ignored_auth",
)
#: What would lock the test itself out, or takes minutes by design.
SPARED = r"^/v1/(keys|config|accounts|jobs|benchmarks/run|notifications)"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    place = tmp_path_factory.mktemp("openapi")
    simulator = Simulator(place, pretend({"gold": {"ingot": {"pricing": PRICED}}}))
    made = House(place / "home")
    made.xswarm("init")
    ingot = model("ingots", free=False, pricing=PRICED)
    document = provider(f"{simulator.url}/gold/v1", {"ingot": ingot})
    made.overlay("gold", {"version": "2026.11.20", "providers": {"gold": document}})
    made.xswarm("account", "add", "gold", "-", "--tier", "paid", stdin="key-g\n")
    made.start()
    yield made
    made.stop()
    simulator.stop()


def schemathesis(house: House, *more: str) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("schemathesis")
    assert tool.exists() or shutil.which("schemathesis"), "schemathesis is a development tool"
    return subprocess.run(
        [
            *(str(tool), "run", f"{house.url}/openapi.json", "--seed", "1", "--no-color"),
            # Both ways to show a key, and the same one: two different ones are refused, and then
            # half of the cases would see nothing but that.
            *("-H", f"Authorization: Bearer {house.key('admin')}"),
            *("-H", f"x-api-key: {house.key('admin')}"),
            *("--checks", ",".join(CHECKS), "--request-timeout", "30"),
            *("--suppress-health-check", "all", "--exclude-path-regex", SPARED, *more),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(house.home.parent), "LANG": "C.UTF-8"},
        cwd=house.home.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_h7_no_5xx_and_no_drift(house: House) -> None:
    done = schemathesis(house, "--phases", "coverage,fuzzing,stateful", "--max-examples", "3")
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Selected:" in done.stdout


def test_h7_what_is_refused_costs_nothing(house: House) -> None:
    before = house.get("/v1/budget")["daily"]
    fine = {"model": "gold/ingot", "messages": [{"role": "user", "content": "hi"}]}
    for wrong in (
        {**fine, "messages": []},
        {**fine, "n": 0},
        {**fine, "max_tokens": "many"},
        {**fine, "stream": "perhaps"},
        {**fine, "strategy": "no-such"},
        {**fine, "model": "gold/nothing-like-it"},
        {**fine, "freeloader": {"qualityGates": {"minIntelligence": 10}}},
        {**fine, "budget": {"perRequest": 0}},
    ):
        status, _, answer = house.call("POST", "/v1/chat/completions", wrong)
        assert 400 <= status < 500, (wrong, answer)
    after = house.get("/v1/budget")["daily"]
    assert (after["spent"], after["held"]) == (before["spent"], 0)
