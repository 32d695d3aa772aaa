"""The first minutes: nothing there at all, keys in the environment, servers on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from farm import CANARY, House, Simulator, model, provider, running, until

pytestmark = pytest.mark.timeout(240)


def _told(house: House) -> list[str]:
    return until(lambda: "curl -sS" in house.said(), 90, "it greets") and house.said().splitlines()


def _paste(line: str) -> dict[str, Any]:
    """The line as pasted into a shell."""
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def _providers(house: House) -> set[str]:
    return {row["provider"] for row in house.get("/v1/models")["models"]}


def _simulated(house: House) -> bool:
    return bool(house.get("/v1/health")["simulated"])


def test_from_an_empty_home_to_an_answer_and_to_a_real_account(
    tmp_path: Path, simulator: Simulator
) -> None:
    house = House(tmp_path / "home")
    with running(house):
        lines = _told(house)
        key = house.key()
        assert any(house.url in line for line in lines)
        assert not any(key in line for line in lines), "a file is no place for it"
        assert any(str(house.home / "client.key") in line for line in lines)
        assert any("simulator answers" in line for line in lines)
        pasted = [line for line in lines if line.startswith("curl ")]
        assert len(pasted) == 1
        body = _paste(pasted[0])
        assert body["choices"][0]["message"]["content"]
        pretend = _providers(house)
        assert body["routing"]["provider"] in pretend
        assert _simulated(house)

        entry = provider(f"{simulator.url}/alpha/v1", {"twin": model("twins")})
        house.overlay("mine", {"version": "2026.11.20", "providers": {"mine": entry}})
        assert house.daemon is not None
        os.kill(house.daemon.pid, signal.SIGHUP)
        # A signal has no answer: the provider is there when the reload is through.
        added = ("account", "add", "mine", "-")
        until(lambda: "mine@1" in house.xswarm(*added, stdin="k\n", ok=False), 40, "it is added")
        assert _providers(house) == {"mine"}, "no pretend provider is left"
        assert not _simulated(house)
        assert _paste(pasted[0])["model"] == "mine/twin"

        house.xswarm("account", "remove", "mine@1")
        assert _providers(house) == pretend
        assert _simulated(house)
        assert _paste(pasted[0])["routing"]["provider"] in pretend
        assert house.get("/v1/health")["child"]["restarts"] == 0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Simulator]]:
    """What looks like Ollama and LM Studio on their ports."""
    started = {
        name: Simulator(tmp_path_factory.mktemp(name), {"root": name, "pace": 0.1})
        for name in ("ollama", "lm_studio")
    }
    yield started
    for one in started.values():
        one.stop()


@pytest.fixture(scope="module")
def settled_in(
    tmp_path_factory: pytest.TempPathFactory, simulator: Simulator, servers: dict[str, Simulator]
) -> Iterator[House]:
    """A daemon that found a key in its environment, and two local servers."""
    found = {
        "PRETEND_API_KEY": CANARY,
        "OLLAMA_HOST": f"127.0.0.1:{servers['ollama'].port}",
        "LMSTUDIO_URL": servers["lm_studio"].url,
    }
    house = House(tmp_path_factory.mktemp("found") / "home", found)
    house.xswarm("init")
    entry = provider(f"{simulator.url}/beta/v1", {"twin-b": model("twins")})
    entry["auth"]["env"] = ["PRETEND_API_KEY"]
    house.overlay("mine", {"version": "2026.11.20", "providers": {"mine": entry}})
    with running(house):
        yield house


def test_a_key_in_the_environment_becomes_an_account_and_is_said(
    settled_in: House, simulator: Simulator
) -> None:
    said = "\n".join(_told(settled_in))
    assert "mine: taken over from PRETEND_API_KEY" in said
    assert CANARY not in said
    accounts = {row["provider"] for row in settled_in.get("/v1/accounts")["accounts"]}
    assert accounts == {"mine", "ollama", "lm_studio"}
    status, _, body = settled_in.chat(model="mine/twin-b")
    assert status == 200, body
    assert simulator.requests()["requests"][-1]["key"] == CANARY


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("ollama", "ollama/llama3.1:8b"), ("lm_studio", "lm_studio/llama-3.1-8b-instruct")],
)
def test_local_servers_are_found_and_answer(
    settled_in: House, servers: dict[str, Simulator], name: str, wanted: str
) -> None:
    assert f"{name}: taken over from" in "\n".join(_told(settled_in))
    rows = settled_in.get(f"/v1/models?provider={name}")["models"]
    assert rows
    assert all(row["local"] and row["free"] for row in rows)
    assert all(set(row["costPer1M"].values()) == {0} for row in rows)

    status, headers, body = settled_in.chat(model=wanted)
    assert status == 200, body
    assert body["model"] == wanted
    assert body["choices"][0]["message"]["content"]
    assert body["usage"]["completion_tokens"] > 0
    assert body["usage"]["costUsd"] == 0
    assert float(headers["x-freeloader-cost-usd"]) == 0

    status, _, text = settled_in.chat(
        model=wanted, stream=True, stream_options={"include_usage": True}
    )
    assert status == 200, text
    events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    spoken = "".join(c["delta"].get("content") or "" for e in chunks for c in e["choices"])
    assert spoken
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    assert chunks[-1]["usage"]["costUsd"] == 0
    assert servers[name].state()["running"] == 0
