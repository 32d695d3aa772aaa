"""The control API, the bill's sums, the configuration, the registry document, the program."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from freeloader.simulator import (
    FIRST_RUN,
    Config,
    default_config,
    parse_config,
    profiles,
    registry_document,
    serve,
)
from freeloader.simulator.__main__ import main
from freeloader.simulator.bill import STATES, Bill, Entry
from freeloader.simulator.config import parse_provider


async def test_faults_are_set_listed_and_cleared_from_outside(client):
    fault = {"provider": "groq", "kind": "500", "count": 3}
    got = await client.call("POST", "/_sim/faults", fault)
    assert (got.status, got.json["faults"][0]["left"]) == (201, 3)
    assert (await client.chat("groq", "openai/gpt-oss-120b")).status == 500
    listed = (await client.call("GET", "/_sim/faults")).json["faults"]
    assert (listed[0]["left"], listed[0]["hits"]) == (2, 1)
    assert (await client.call("DELETE", "/_sim/faults?provider=gemini")).json == {"cleared": 0}
    assert (await client.call("DELETE", "/_sim/faults")).json == {"cleared": 1}
    assert (await client.chat("groq", "openai/gpt-oss-120b")).status == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"provider": "grok", "kind": "500"}, "grok"),
        ({"provider": "groq", "kind": "captured", "case": "x"}, "groq_02"),
        ("words", "an object"),
    ],
)
async def test_a_senseless_control_request_is_a_400_that_says_why(client, body, said):
    got = await client.call("POST", "/_sim/faults", body)
    assert got.status == 400
    assert said in got.json["error"]


async def test_the_log_shows_what_arrived_and_with_which_key(client):
    await client.chat("groq", "openai/gpt-oss-120b", key="key-a", temperature=0.5)
    await client.chat("gemini", "gemini-3.5-flash", key="key-b", stream=True)
    (seen,) = (await client.call("GET", "/_sim/requests?provider=groq")).json["requests"]
    assert seen["key"] == "key-a"
    assert seen["headers"]["Authorization"] == "Bearer key-a"
    assert sorted(seen["fields"]) == ["messages", "model", "temperature"]
    assert seen["body"]["temperature"] == 0.5
    assert seen["status"] == 200
    assert len(seen["bodySha256"]) == 64
    other = client.running.requests("gemini")[0]
    assert (other["stream"], other["disconnectedEarly"]) == (True, False)
    assert other["chunksSent"] > 3


async def test_the_log_is_bounded_and_keeps_the_newest():
    running = await serve(config=default_config(log_size=3))
    import aiohttp

    async with aiohttp.ClientSession() as session:
        for at in range(5):
            async with session.get(f"{running.url}/groq/v1/models?n={at}") as got:
                await got.read()
    ids = [r["id"] for r in running.requests()]
    await running.stop()
    assert ids == ["sim00000003", "sim00000004", "sim00000005"]


async def test_providers_are_defined_and_altered_while_running(client):
    body = {
        "like": "groq",
        "limits": [{"metric": "requests", "amount": 2, "window": "1m", "reset": "rolling"}],
        "models": {"m": {"pricing": {"input": 1, "output": 2}}},
    }
    assert (await client.call("PUT", "/_sim/providers/mine", body)).status == 200
    assert [(await client.chat("mine", "m")).status for _ in range(3)] == [200, 200, 429]
    priced = {"models": {"m": {"pricing": {"input": 10, "output": 20}}}}
    assert (await client.call("PUT", "/_sim/providers/mine", priced)).status == 200
    assert (await client.chat("mine", "m")).status == 429, "prices changed, windows stay"
    await client.call("POST", "/_sim/clock", {"advanceSeconds": 61})
    assert (await client.chat("mine", "m")).status == 200
    cheap, *_, dear = [
        e["picodollars"] for e in client.running.bill("mine")["entries"] if e["picodollars"]
    ]
    assert dear == 10 * cheap
    typo = await client.call("PUT", "/_sim/providers/mine", {"limit": []})
    assert (typo.status, "limits" in typo.json["error"]) == (400, True)
    assert (await client.call("DELETE", "/_sim/providers/mine")).status == 200
    assert (await client.chat("mine", "m")).status == 404


async def test_reset_empties_windows_bill_log_and_faults(client):
    client.running.fault(provider="*", kind="500", forever=True)
    for _ in range(6):
        await client.chat("gemini", "gemini-3.5-flash")
    assert (await client.call("POST", "/_sim/reset")).status == 200
    state = (await client.call("GET", "/_sim/state")).json
    assert (state["requests"], state["faults"]) == (0, [])
    assert (await client.chat("gemini", "gemini-3.5-flash")).status == 200
    windows = (await client.call("GET", "/_sim/state")).json["providers"]["gemini"]["windows"]
    assert {w["left"] for w in windows if w["metric"] == "requests"} == {4, 19}


async def test_the_control_api_is_for_this_machine_and_for_who_has_the_token(client):
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
        got = await client.call("GET", "/_sim/state", headers=headers)
        assert got.status == 403
    assert (await client.call("GET", "/_sim/nothing")).status == 404
    running = await serve(config=default_config(control_token="let-me-in"))
    import aiohttp

    async with aiohttp.ClientSession() as session:
        statuses = []
        for headers in ({}, {"X-Sim-Token": "wrong"}, {"X-Sim-Token": "let-me-in"}):
            async with session.get(running.url + "/_sim/bill", headers=headers) as got:
                statuses.append(got.status)
    await running.stop()
    assert statuses == [403, 403, 200]
    assert "let-me-in" not in repr(running.engine.config)


async def test_the_bill_is_what_the_answers_said_times_the_price(client):
    expected = 0
    for at in range(5):
        got = await client.chat("groq", "openai/gpt-oss-120b", max_tokens=10 + at)
        usage = got.json["usage"]
        expected += usage["prompt_tokens"] * 150_000 + usage["completion_tokens"] * 600_000
    await client.chat("groq", "no-such-model")
    bill = (await client.call("GET", "/_sim/bill?provider=groq")).json
    (row,) = [r for r in bill["rows"] if r["model"] == "openai/gpt-oss-120b"]
    assert row["picodollars"] == bill["totals"]["picodollars"] == expected
    assert (row["requests"], row["accepted"], bill["totals"]["refused"]) == (5, 5, 1)


entries = st.builds(
    Entry,
    id=st.just("x"),
    at=st.just(0.0),
    provider=st.sampled_from("pq"),
    key=st.sampled_from("ab"),
    account=st.just("a"),
    model=st.sampled_from("mn"),
    state=st.sampled_from(STATES),
    input=st.integers(0, 10**6),
    output=st.integers(0, 10**6),
    picodollars=st.integers(0, 10**15),
)


@given(st.lists(entries, max_size=50))
def test_rows_and_totals_are_the_sums_of_the_entries(found):
    bill = Bill()
    for entry in found:
        bill.add(entry)
    for name in ("picodollars", "input", "output"):
        whole = sum(getattr(e, name) for e in found)
        assert getattr(bill.total(), name) == whole
        assert sum(getattr(row, name) for row in bill.rows().values()) == whole
    total = bill.total()
    assert total.requests == total.accepted + total.refused + total.failed == len(found)


def test_a_configuration_is_read_and_its_mistakes_are_named():
    config = parse_config({"providers": {"groq": {"keys": ["k"]}}, "pace": 0}, profiles())
    assert config.providers["groq"].keys == {"k": "k"}
    assert config.providers["groq"].models == profiles()["groq"].models
    for data, said in (
        ({"provider": {}}, "providers"),
        ({"providers": {"x": {"modles": {}}}}, "models"),
        ({"providers": {"x": {"limits": [{"metric": "requests", "window": "1y"}]}}}, "1y"),
        ({"providers": {"x": {"limits": [{"metric": "wishes"}]}}}, "wishes"),
        ({"pace": -1}, "pace"),
        ({"root": "nobody"}, "nobody"),
    ):
        with pytest.raises(ValueError, match=said):
            parse_config(data, profiles())


def test_money_limits_and_prices_become_whole_numbers():
    spec = parse_provider(
        "p",
        {
            "models": {"m": {"pricing": {"input": 0.075, "output": 0.3}}},
            "limits": [{"metric": "usd", "amount": 0.1, "window": "month"}],
        },
        {},
    )
    assert (spec.models["m"].rates.input, spec.models["m"].rates.output) == (75_000, 300_000)
    assert spec.limits[0].amount == 10**11


def test_the_first_runs_registry_document_follows_the_contract():
    document = registry_document("http://127.0.0.1:9/")
    assert tuple(document["providers"]) == FIRST_RUN
    families = []
    for name, entry in document["providers"].items():
        assert entry["kind"] == "simulated"
        assert entry["litellm"]["prefix"] == entry["wire"] == "openai"
        assert entry["baseUrl"] == f"http://127.0.0.1:9/{name}/v1"
        assert entry["auth"]["keyless"] is True
        assert entry["models"]
        for limit in entry["freeTier"]["limits"]:
            assert {"metric", "amount", "window", "reset", "scope"} <= set(limit)
        families += [model["family"] for model in entry["models"].values()]
    assert len(set(families)) < len(families), "a family at two providers, so fallback shows"
    assert json.loads(json.dumps(document)) == document
    everyone = registry_document("http://x", profiles())
    assert len(everyone["providers"]) == len(profiles())


def test_limits_survive_the_way_to_the_registry_and_back():
    for name, spec in profiles().items():
        entry = registry_document("http://x", [name])["providers"][name]
        back = parse_provider(name, {"limits": entry["freeTier"]["limits"]}, {})
        assert back.limits == spec.limits


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.com", "::"])
async def test_it_listens_on_loopback_only(host):
    with pytest.raises(ValueError, match="loopback"):
        await serve(host=host)


def test_the_program_refuses_to_listen_elsewhere_in_one_line():
    told = CliRunner().invoke(main, ["--host", "0.0.0.0"])
    assert told.exit_code == 1
    assert "loopback only" in told.output


async def test_a_taken_port_is_an_error_and_stopping_frees_it():
    first = await serve()
    with pytest.raises(OSError, match="address already in use"):
        await serve(port=first.port)
    await first.stop()
    again = await serve(port=first.port)
    await again.stop()


async def test_a_root_provider_answers_without_its_name():
    import aiohttp

    running = await serve(config=default_config(root="ollama"))
    async with aiohttp.ClientSession() as session, session.get(running.url + "/api/tags") as got:
        names = [m["name"] for m in (await got.json())["models"]]
    await running.stop()
    assert names == ["llama3.1:8b", "gpt-oss:20b"]


def test_an_empty_configuration_serves_the_bundled_providers():
    from freeloader.simulator.service.engine import Engine

    assert set(Engine(Config()).specs) == set(profiles())


async def test_the_program_prints_its_address_and_ends_cleanly_on_ctrl_c():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "freeloader.simulator", "--fault", "groq:500:1",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    first = (await process.stdout.readline()).decode()
    assert "http://127.0.0.1:" in first
    assert (await process.stdout.readline()).decode().startswith("curl -s http://127.0.0.1:")
    await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0
    assert b"Stopped: 0 requests" in out
    assert err == b""
