"""A real LiteLLM child behind the lane: what providers do comes through as it is."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from fake_upstream import RAW_429, FakeUpstream
from upstream_entries import entries_for

from freeloader.child.config import Entry
from freeloader.child.keeper import Keeper
from freeloader.core.events import Delta, End, Event, Fault, Headers, Usage
from freeloader.core.model import Account, Attempt, Deployment, Model, Profile, Provider, Timeouts
from freeloader.gateway.lanes.litellm import LiteLLMLane
from freeloader.money import Meters

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),
]

KEY = "planted-secret-in-body"


def attempt(
    entry: str, stream: bool = False, timeouts: Timeouts | None = None, **payload: object
) -> Attempt:
    provider_id, model_id = entry.split("/", 1)
    provider = Provider(provider_id, provider_id, "cloud", "active", "openai", "openai", None)
    deployment = Deployment(
        f"{provider_id}@1/{model_id}",
        provider,
        Account(provider_id, 1),
        Model(model_id, provider_id, model_id),
        entry,
        None,
    )
    body = payload or {"messages": [{"role": "user", "content": "hi"}]}
    profile = Profile("chat", entry, frozenset(), Meters(), Meters(), stream=stream, payload=body)
    limits = timeouts or Timeouts(connect=2, first_byte=20, idle=20, total=40)
    return Attempt("a1", "r1", 1, deployment, profile, limits, {"api_key": KEY})


async def run(keeper: Keeper, entry: str, stream: bool = False, **more: object) -> list[Event]:
    lane = LiteLLMLane(keeper)
    return [event async for event in lane.send(attempt(entry, stream, **more))]  # type: ignore[arg-type]


async def test_a_redirect_is_not_followed(keeper: Keeper, upstream: FakeUpstream) -> None:
    answer = fault(await run(keeper, "sim/redirect")).answer
    assert answer.status == 307
    assert not [model for model, _ in upstream.seen if model == "elsewhere"]


async def test_an_account_without_a_key_sends_none(keeper: Keeper, upstream: FakeUpstream) -> None:
    lane = LiteLLMLane(keeper)
    keyless = replace(attempt("sim/ok"), credentials={})
    assert isinstance([event async for event in lane.send(keyless)][-1], End)
    assert upstream.seen[-1] == ("ok", "")


def fault(events: list[Event]) -> Fault:
    last = events[-1]
    assert isinstance(last, Fault), events
    return last


def text(events: list[Event]) -> str:
    found = ""
    for event in events:
        if isinstance(event, Delta):
            for choice in event.data["choices"]:
                part = choice.get("delta") or choice.get("message") or choice
                found += part.get("content") or part.get("text") or ""
    return found


async def test_json_answer(keeper: Keeper, upstream: FakeUpstream) -> None:
    head, delta, usage, end = await run(keeper, "sim/ok")
    assert isinstance(head, Headers)
    assert head.status == 200
    assert head.headers["x-ratelimit-remaining-requests"] == "9"
    assert isinstance(delta, Delta)
    assert delta.content
    assert text([delta]) == "hello"
    assert usage == Usage(Meters(requests=1, input=20, output=510), True, usage.raw)  # type: ignore[union-attr]
    assert end == End("stop")
    assert upstream.seen[-1] == ("ok", f"Bearer {KEY}")


async def test_stream_with_the_usage_that_the_provider_sent(keeper: Keeper) -> None:
    events = await run(keeper, "sim/ok", stream=True)
    assert isinstance(events[0], Headers)
    assert events[0].headers["x-seen"] == "yes"
    assert text(events) == "word0 word1 word2 word3 "
    usage = events[-2]
    assert isinstance(usage, Usage)
    assert usage.reported
    assert usage.meters == Meters(requests=1, input=20, output=510)
    assert events[-1] == End("stop")
    assert not any("usage" in e.data for e in events if isinstance(e, Delta))
    assert sum(1 for e in events if isinstance(e, Delta) and e.content) == 4


async def test_text_completion(keeper: Keeper) -> None:
    events = await run(keeper, "sim/ok", prompt="x")
    assert text(events) == "hi"
    assert isinstance(events[-1], End)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (401, "AuthenticationError"),
        (402, "APIError"),
        (413, "APIError"),
        (500, "InternalServerError"),
    ],
)
async def test_refusals_come_back_as_the_provider_gave_them(
    keeper: Keeper, upstream: FakeUpstream, status: int, error_class: str, stream: bool
) -> None:
    before = len(upstream.seen)
    answer = fault(await run(keeper, f"sim/{status}", stream)).answer
    assert (answer.status, answer.code, answer.error_class) == (status, f"c{status}", error_class)
    assert json.loads(answer.body)["error"]["message"] == f"no {status}"
    assert answer.headers["x-seen"] == "yes"
    assert answer.phase == "head"
    assert not answer.lane_fault
    assert len(upstream.seen) == before + 1, "LiteLLM must not retry"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_429_keeps_its_headers_and_its_raw_body(keeper: Keeper, stream: bool) -> None:
    answer = fault(await run(keeper, "sim/429", stream)).answer
    assert answer.status == 429
    assert answer.headers["retry-after"] == "17"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert json.loads(answer.body) == RAW_429
    assert answer.code == "tpd"


@pytest.mark.parametrize("stream", [False, True])
async def test_hang_reset_and_nobody_there(keeper: Keeper, stream: bool) -> None:
    limits = Timeouts(connect=2, first_byte=0.7, idle=5, total=10)
    answer = fault(await run(keeper, "sim/hang", stream, timeouts=limits)).answer
    assert (answer.status, answer.timeout, answer.phase) == (None, True, "head")
    answer = fault(await run(keeper, "sim/reset", stream)).answer
    assert (answer.status, answer.timeout, answer.phase) == (None, False, "head")
    assert not answer.lane_fault
    answer = fault(await run(keeper, "dead/x", stream)).answer
    assert (answer.status, answer.phase, answer.lane_fault) == (None, "connect", False)


async def test_garbage_and_empty_answers_are_faults(keeper: Keeper) -> None:
    for entry, stream in (("sim/badjson", False), ("sim/empty", False), ("sim/garbage", True)):
        answer = fault(await run(keeper, entry, stream)).answer
        assert answer.status == 200
        assert answer.phase == "stream", "it may have been billed"
        assert not answer.lane_fault


@pytest.mark.parametrize("entry", ["sim/cut", "sim/cleancut", "sim/midstream"])
async def test_a_stream_that_breaks_off_ends_in_a_fault(keeper: Keeper, entry: str) -> None:
    events = await run(keeper, entry, stream=True)
    assert text(events).startswith("word0 word1 ")
    answer = fault(events).answer
    assert answer.phase == "stream"
    assert not answer.lane_fault
    assert "word0" not in answer.body, "no generated text in an error"
    if entry == "sim/midstream":
        assert json.loads(answer.body)["error"]["code"] == "overloaded"


@pytest.mark.parametrize("stream", [False, True])
async def test_usage_that_nobody_sent_is_not_reported(keeper: Keeper, stream: bool) -> None:
    for entry in ("sim/nousage", *(() if stream else ("sim/badusage",))):
        events = await run(keeper, entry, stream)
        usage = next(event for event in events if isinstance(event, Usage))
        assert not usage.reported
        assert isinstance(events[-1], End)


async def test_groq_without_service_tier(keeper: Keeper) -> None:
    assert text(await run(keeper, "groq/ok")) == "hello"


@pytest.mark.parametrize("entry", ["gemini/nousage", "gemini/oddusage"])
async def test_an_answer_of_geminis_outlives_its_usage(keeper: Keeper, entry: str) -> None:
    events = await run(keeper, entry)
    assert text(events) == "hello"
    assert not next(event for event in events if isinstance(event, Usage)).reported
    assert isinstance(events[-1], End)


async def test_an_entry_it_does_not_know_is_the_lanes_fault(keeper: Keeper) -> None:
    answer = fault(await run(keeper, "sim/nope")).answer
    assert answer.lane_fault
    assert answer.error_class == "UnknownEntry"


@pytest.mark.parametrize(
    ("entry", "stream"), [("sim/long", True), ("sim/hang", True), ("sim/hang", False)]
)
async def test_leaving_closes_the_providers_connection(
    keeper: Keeper, upstream: FakeUpstream, entry: str, stream: bool
) -> None:
    upstream.closed.clear()
    got = asyncio.Event()

    async def read() -> None:
        async for event in LiteLLMLane(keeper).send(attempt(entry, stream)):
            if isinstance(event, Delta) and event.content:
                got.set()

    task = asyncio.create_task(read())
    if entry == "sim/long":
        await got.wait()
    else:
        while not upstream.seen or upstream.seen[-1][0] != "hang":
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
    task.cancel()
    async with asyncio.timeout(5):
        while not upstream.closed:
            await asyncio.sleep(0.02)
    with pytest.raises(asyncio.CancelledError):
        await task
    upstream.seen.clear()


async def test_only_the_needed_routes_can_be_reached(keeper: Keeper) -> None:
    with keeper.lease() as lease:
        for path in ("/", "/routes", "/v1/models", "/model/info", "/ui", "/health", "/public/x"):
            async with lease.session.get(path) as answer:
                assert answer.status == 404, path
        wrong = {"Authorization": "Bearer sk-wrong"}
        body = {"model": "sim/ok", "messages": []}
        async with lease.session.post("/v1/chat/completions", json=body, headers=wrong) as answer:
            assert answer.status == 401


async def test_no_secret_can_be_seen_from_outside(keeper: Keeper, home_of: Path) -> None:
    await run(keeper, "sim/ok")
    await run(keeper, "sim/401")
    pid = keeper.status()["pid"]
    with keeper.lease() as lease:
        secrets = [KEY, "planted-secret-in-pipe", lease.master_key]
    seen = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    files = [path for path in home_of.rglob("*") if path.is_file()]
    assert any(path.name == "litellm.yaml" for path in files)
    for path in files:
        seen += path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0, path
    seen += json.dumps(keeper.status()).encode()
    for secret in secrets:
        assert secret.encode() not in seen
    sockets = [path for path in (home_of / "run").rglob("*") if path.is_socket()]
    for path in sockets:
        assert path.parent.stat().st_mode & 0o077 == 0


async def test_the_child_opens_no_port_and_no_connection(keeper: Keeper) -> None:
    await run(keeper, "sim/ok")
    connections = psutil.Process(keeper.status()["pid"]).net_connections("inet")
    assert not [c for c in connections if c.status == psutil.CONN_LISTEN]
    assert {c.raddr.ip for c in connections if c.raddr} <= {"127.0.0.1"}


async def test_a_changed_config_loses_no_request(keeper: Keeper, upstream: FakeUpstream) -> None:
    generation = keeper.status()["generation"]
    failures, most, done = [], 0, asyncio.Event()

    async def traffic(stream: bool) -> None:
        while not done.is_set():
            events = await run(keeper, "sim/slow", stream)
            if not isinstance(events[-1], End):
                failures.append(events[-1])

    clients = [asyncio.create_task(traffic(number % 2 == 0)) for number in range(4)]
    keeper.configure(entries_for(upstream))
    extra = Entry("sim/new", "openai/ok", upstream.url)
    keeper.configure((*entries_for(upstream), extra))
    while not keeper.serves("sim/new"):
        most = max(most, keeper.status()["generations"])
        await asyncio.sleep(0.02)
    while keeper.status()["generations"] > 1:
        await asyncio.sleep(0.02)
    done.set()
    await asyncio.gather(*clients)
    assert failures == []
    assert most == 2
    assert keeper.status()["generation"] == generation + 1, "two changes at once are one"
    assert text(await run(keeper, "sim/new")) == "hello"


async def test_s1_kill_nine_fails_what_is_in_flight_and_it_comes_back(keeper: Keeper) -> None:
    before = keeper.status()
    task = asyncio.create_task(run(keeper, "sim/long", True))
    await asyncio.sleep(0.5)
    os.kill(before["pid"], signal.SIGKILL)
    answer = fault(await task).answer
    assert answer.lane_fault
    status = keeper.status()
    while status["state"] == "ready":
        await asyncio.sleep(0.02)
        status = keeper.status()
    assert status["lastExit"]["signal"] == "SIGKILL"
    assert status["restarts"] == before["restarts"] + 1
    assert status["state"] != "ready"
    assert isinstance((await run(keeper, "sim/ok"))[-1], End), "it waited for the next child"


async def test_s3_a_stopped_process_is_found_killed_and_replaced(keeper: Keeper) -> None:
    pid = keeper.status()["pid"]
    os.kill(pid, signal.SIGSTOP)
    while psutil.pid_exists(pid) and keeper.status()["pid"] == pid:
        await asyncio.sleep(0.1)
    assert "hung" in keeper.status()["lastExit"]["reason"]
    await keeper.wait_ready(90)
    assert keeper.status()["pid"] != pid


DAEMON = """
    import asyncio, os, sys
    from pathlib import Path
    from freeloader.child.keeper import Keeper
    from freeloader.clock import SystemClock

    async def main():
        home = Path(sys.argv[1])
        environ = dict(os.environ)
        keeper = Keeper(home / "run", home / "logs", SystemClock(), environ=environ, workers=2)
        await keeper.start(())
        while keeper.status()["workers"] < 2:
            await asyncio.sleep(0.05)
        print("up", flush=True)
        await asyncio.sleep(600)

    asyncio.run(main())
"""


async def test_s4_no_orphan_after_the_daemon_is_killed(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    daemon = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(DAEMON), str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert daemon.stdout is not None
    assert await asyncio.to_thread(daemon.stdout.readline) == b"up\n"
    children = psutil.Process(daemon.pid).children(recursive=True)
    assert len(children) == 2
    daemon.kill()
    daemon.wait()
    _, left = await asyncio.to_thread(psutil.wait_procs, children, 5)
    assert left == []
