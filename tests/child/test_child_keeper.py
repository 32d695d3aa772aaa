"""The keeper with children that are no LiteLLM: quick ones, broken ones, stubborn ones."""

from __future__ import annotations

import asyncio
import logging
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from freeloader.child.config import WARM_ENTRY, Entry
from freeloader.child.keeper import Keeper
from freeloader.child.machine.states import Rules
from freeloader.clock import SystemClock
from freeloader.errors import Unavailable

#: Answers every request with 200, on the socket it was given; dies with its standard input.
CHILD = """
    import asyncio, os, signal, sys, threading
    if "stubborn" in sys.argv[1]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdin.readline()
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()

    async def serve(reader, writer):
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            for line in head.lower().split(b"\\r\\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.split(b":")[1]))
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
            await writer.drain()

    async def main():
        await asyncio.start_unix_server(serve, sys.argv[2])
        await asyncio.sleep(600)

    print("serving", flush=True)
    asyncio.run(main())
"""
RULES = Rules(
    start=20, warm=20, drain=20, end=0.3, gather=0.05, backoff_first=0.01, backoff_cap=0.05
)
ENTRY = Entry("a", "openai/a")

Make = Callable[..., Awaitable[Keeper]]


@pytest_asyncio.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    kept: list[Keeper] = []

    async def build(
        code: str = CHILD, flavour: str = "plain", rules: Rules = RULES, **more: object
    ) -> Keeper:
        command = (sys.executable, "-c", textwrap.dedent(code), flavour)
        keeper = Keeper(
            tmp_path / "run",
            tmp_path / "logs",
            SystemClock(),
            rules=rules,
            command=command,
            **more,  # type: ignore[arg-type]
        )
        kept.append(keeper)
        await keeper.start([ENTRY])
        return keeper

    yield build
    for keeper in kept:
        await keeper.stop()


async def test_a_config_that_cannot_start_is_fatal_and_its_last_lines_are_shown(make: Make) -> None:
    keeper = await make("import sys; print('launcher: no model_list'); sys.exit(78)")
    with pytest.raises(Unavailable) as refused:
        await keeper.wait_ready(20)
    assert "no model_list" in refused.value.message
    status = keeper.status()
    assert status["state"] == "fatal"
    assert status["restarts"] == 1, "a permanent error is not tried again"
    assert status["lastExit"]["code"] == 78
    assert "launcher: no model_list" in status["logTail"]
    with pytest.raises(Unavailable) as refused:
        keeper.lease()
    assert refused.value.retry_after is not None


async def test_a_crash_loop_ends_in_fatal_and_a_new_config_is_a_new_chance(make: Make) -> None:
    keeper = await make("import sys; print('boom'); sys.exit(1)")
    with pytest.raises(Unavailable):
        await keeper.wait_ready(30)
    status = keeper.status()
    assert status["restarts"] == RULES.crash_limit
    assert "boom" in status["problem"]
    keeper.configure([Entry("b", "openai/b")])
    while keeper.status()["restarts"] == RULES.crash_limit:
        await asyncio.sleep(0.01)


async def test_s2_in_a_crash_loop_nobody_waits_for_a_child(make: Make) -> None:
    """Once it is given up for a while, the refusal comes in the same turn of the loop, and says
    when to come again. (How many milliseconds that is over HTTP: `scripts/bench faults`.)"""
    keeper = await make("import sys; sys.exit(1)")
    with pytest.raises(Unavailable):
        await keeper.wait_ready(30)
    assert keeper.status()["state"] == "fatal"
    for ask in (lambda: keeper.wait_ready(30).send(None), keeper.lease):
        with pytest.raises(Unavailable) as refused:
            ask()
        assert refused.value.retry_after is not None
        assert 0 < refused.value.retry_after < float("inf")


async def test_a_command_that_is_not_there_does_not_hang_it(tmp_path: Path) -> None:
    keeper = Keeper(
        tmp_path / "r", tmp_path / "l", SystemClock(), rules=RULES, command=("/nonexistent",)
    )
    await keeper.start([ENTRY])
    with pytest.raises(Unavailable):
        await keeper.wait_ready(20)
    assert "could not be started" in keeper.status()["problem"]
    await keeper.stop()
    assert keeper.status()["state"] == "stopped"


async def test_s1_a_crew_that_died_unheard_serves_nothing(make: Make) -> None:
    """Between the death and the machine's hearing of it: who asks waits for the next child."""
    keeper = await make()
    await keeper.wait_ready(20)
    assert keeper.served()
    crew = keeper._serving()
    assert crew is not None
    for worker in crew.workers:
        worker.exited = -9
    assert keeper.status()["state"] == "ready", "nobody told the machine"
    assert not keeper.served()
    with pytest.raises(Unavailable):
        await keeper.wait_ready(0.01)


async def test_leases_go_to_the_least_loaded_worker(make: Make) -> None:
    keeper = await make(workers=3)
    await keeper.wait_ready(20)
    assert keeper.status()["workers"] == 3
    leases = [keeper.lease() for _ in range(1)]
    keys = []
    for _ in range(6):
        lease = keeper.lease()
        lease.__enter__()
        leases.append(lease)
        keys.append(lease.master_key)
    assert all(keys.count(key) == 2 for key in keys)
    assert keeper.status()["inFlight"] == 6
    for lease in leases[1:]:
        lease.__exit__(None, None, None)
    assert keeper.status()["inFlight"] == 0
    turns = []
    for _ in range(6):  # one after the other: idle workers take turns
        with keeper.lease() as lease:
            turns.append(lease.master_key)
    assert all(turns.count(key) == 2 for key in turns)


async def test_a_lost_worker_is_replaced_with_its_whole_generation_beside(make: Make) -> None:
    keeper = await make(workers=2)
    await keeper.wait_ready(20)
    before = keeper.status()
    psutil.Process(before["pid"]).kill()
    while keeper.status()["generation"] == before["generation"]:
        keeper.lease()  # there is always one to be had
        await asyncio.sleep(0.01)
    assert keeper.status()["workers"] == 2


async def test_an_unchanged_config_needs_no_child_a_changed_one_waits_for_the_lease(
    make: Make,
) -> None:
    keeper = await make()
    await keeper.wait_ready(20)
    assert keeper.serves(WARM_ENTRY), "every child has it: who asks for it asks whether one serves"
    keeper.configure([ENTRY])
    assert await keeper.wait_settled(20)
    assert keeper.status()["generation"] == 1

    keeper.configure([Entry("b", "openai/b"), ENTRY])
    waiting = [asyncio.create_task(keeper.wait_settled(20)) for _ in range(3)]
    await asyncio.wait(waiting)
    assert keeper.serves("b"), "a change just asked for is not settled, whoever runs first"
    keeper.configure([ENTRY])
    assert await keeper.wait_settled(20)
    assert keeper.status()["generation"] == 3

    with keeper.lease() as lease:
        keeper.configure([ENTRY, Entry("b", "openai/b")])
        while not keeper.serves("b"):
            await asyncio.sleep(0.01)
        for number in range(5):
            keeper.configure([Entry(f"c{number}", "openai/c")])
            await asyncio.sleep(0.1)
        assert keeper.status()["generations"] == 2, "the old one serves its last request"
        async with lease.session.get("/health/liveliness") as answer:
            assert answer.status == 200
    assert await keeper.wait_settled(20)
    assert keeper.serves("c4")
    assert not keeper.serves("b")


async def test_memory_over_the_limit_recycles(make: Make) -> None:
    rules = Rules(end=0.3, gather=0.05, recycle_after=0.5)
    keeper = await make(rules=rules, recycle_rss_mb=1)
    await keeper.wait_ready(20)
    pid = keeper.status()["pid"]
    while keeper.status()["pid"] == pid:
        keeper.lease()
        assert keeper.status()["generations"] <= 2
        await asyncio.sleep(0.02)
    assert keeper.status()["restarts"] == 0


async def test_a_child_that_ignores_sigterm_is_killed(make: Make, tmp_path: Path) -> None:
    keeper = await make(flavour="stubborn")
    await keeper.wait_ready(20)
    process = psutil.Process(keeper.status()["pid"])
    await keeper.stop()
    assert not process.is_running()
    assert keeper.status()["state"] == "stopped"
    assert list((tmp_path / "run").iterdir()) == [], "no file is left"
    await keeper.stop()


async def test_stop_while_it_is_starting_leaves_nothing(make: Make) -> None:
    others = set(psutil.Process().children())  # of tests that share a child for the session
    for wait in (0.0, 0.02, 0.1):
        keeper = await make()
        await asyncio.sleep(wait)
        await keeper.stop()
        assert set(psutil.Process().children()) <= others


async def test_what_an_earlier_daemon_left_is_ended_at_start(make: Make, tmp_path: Path) -> None:
    first = await make()
    await first.wait_ready(20)
    pid = first.status()["pid"]
    second = await make()  # the same home, as after a kill -9 of the first daemon
    await second.wait_ready(20)
    assert second.status()["pid"] != pid
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


#: Answers requests, but probes only for the first second: as a child does that is out of breath.
BUSY = CHILD.replace(
    'head = await reader.readuntil(b"\\r\\n\\r\\n")',
    'head = await reader.readuntil(b"\\r\\n\\r\\n")\n'
    '            if head.startswith(b"GET") and loop.time() > start + 1:\n'
    "                await asyncio.sleep(600)",
).replace("async def main():", "async def main():\n        global loop, start\n"
          "        loop = asyncio.get_running_loop(); start = loop.time()")  # fmt: skip


@pytest.mark.parametrize("answering", [True, False])
async def test_a_busy_child_is_not_taken_for_one_that_hangs(
    make: Make, monkeypatch: pytest.MonkeyPatch, answering: bool
) -> None:
    monkeypatch.setattr("freeloader.child.watching._PROBE_EVERY", 0.2)
    monkeypatch.setattr("freeloader.child.watching._PROBE_SECONDS", 0.3)
    keeper = await make(BUSY)
    await keeper.wait_ready(20)
    clock = SystemClock()
    until = clock.now().mono + 5
    while clock.now().mono < until and keeper.status()["restarts"] == 0:
        if answering:
            with keeper.lease() as lease:
                async with lease.session.post("/v1/chat/completions", json={}) as answer:
                    assert answer.status == 200
                    lease.heard()
        await asyncio.sleep(0.05)
    assert keeper.status()["restarts"] == (0 if answering else 1)


async def test_each_change_of_state_is_one_event(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    keeper = await make()
    await keeper.wait_ready(20)
    await keeper.stop()
    told = [record.fields for record in caplog.records if hasattr(record, "fields")]
    assert {row["event"] for row in told} == {"child.state"}
    states = [row["state"] for row in told]
    assert "ready" in states
    assert states[-1] == "stopped"
    assert all(row["before"] != row["state"] for row in told)
    assert [row["before"] for row in told[1:]] == states[:-1]
