"""H9: a crowd begins in turn, others have turns in between, and a line that is full says so."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson
import pytest
from front_fakes import ADMIN, CLIENT, HELLO, House
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_world import FIRST, world

from freeloader.errors import Unavailable
from freeloader.gateway.guards.turnstile import Turnstile
from freeloader.gateway.pipeline import IN_FLIGHT_MAX


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(0, 40))
def test_h9_so_many_begin_in_a_turn_in_the_order_they_came(
    crowd: int, per_turn: int, line: int
) -> None:
    async def run() -> None:
        stile = Turnstile(per_turn, line)
        begun: list[int] = []
        shed: list[Unavailable] = []

        async def one(number: int) -> None:
            try:
                await stile.enter()
            except Unavailable as refused:
                shed.append(refused)
            else:
                begun.append(number)

        tasks = [asyncio.create_task(one(number)) for number in range(crowd)]
        before = 0
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            # Two turns of the line can lie in one of ours, never more.
            assert len(begun) - before <= 2 * per_turn
            before = len(begun)
        assert begun == sorted(begun)
        assert len(begun) == min(crowd, per_turn + line)
        assert len(shed) == crowd - len(begun)
        assert all(one.code == "overloaded" and one.retry_after for one in shed)
        assert len(stile) == 0

    asyncio.run(run())


async def test_h9_who_left_the_line_takes_nobodys_turn() -> None:
    stile = Turnstile(1, 10)
    tasks = [asyncio.create_task(stile.enter()) for _ in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    tasks[2].cancel()
    await asyncio.wait_for(tasks[3], 5)
    assert tasks[1].cancelled()
    await stile.enter()


async def test_h9_nobody_stands_in_line_for_ever() -> None:
    stile = Turnstile(1, 10, patience=-1.0)
    await stile.enter()
    with pytest.raises(Unavailable, match="too long"):
        await stile.enter()


# ── The door before the line ─────────────────────────────────────────────────────

FULL = Unavailable("1024 requests are in flight.", code="overloaded", retry_after=1)


@settings(max_examples=60)
@given(
    st.integers(0, IN_FLIGHT_MAX + 1),
    st.integers(0, IN_FLIGHT_MAX + 1),
    st.floats(0, 1, exclude_max=True),
)
def test_h9_who_is_in_line_and_who_is_in_flight_are_all_that_may_be(
    flying: int, waiting: int, roll: float
) -> None:
    house = world({FIRST.id: []})
    pipeline = house.pipeline()
    tools = pipeline._tools
    pipeline._tools = replace(tools, roll=lambda: roll)
    for _ in range(flying):
        tools.load.begin()
    if flying + waiting < IN_FLIGHT_MAX:
        pipeline.admit(waiting)
        return
    with pytest.raises(Unavailable) as refused:
        pipeline.admit(waiting)
    assert refused.value.code == "overloaded"
    assert refused.value.retry_after == 1 + int(3 * roll)


@pytest.fixture
async def front():
    one = House()
    await one.start()
    yield one
    await one.stop()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("expects", [False, True])
async def test_h9_who_is_refused_is_told_so_before_the_body_comes(
    front: House, path: str, expects: bool
) -> None:
    front.pipeline.full = FULL
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {CLIENT}\r\n"
    head += "Content-Type: application/json\r\n" + "Expect: 100-continue\r\n" * expects
    body = orjson.dumps(HELLO if "chat" in path else {"prompt": "hello"})
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
    told = await asyncio.wait_for(reader.readuntil(b"}}"), 10)
    assert b" 503 " in told
    assert b"Retry-After: 1\r\n" in told
    # The body that comes after all is no request; the connection is as good as before.
    writer.write(body)
    front.pipeline.full = None
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    answered = await asyncio.wait_for(reader.readuntil(b"200 OK"), 10)
    assert answered.count(b"HTTP/1.1 ") == 1 + expects
    writer.close()


async def test_h9_what_begins_nothing_is_not_refused_for_what_is_in_flight(front: House) -> None:
    front.pipeline.full = FULL
    status, _, _ = await front.ask(HELLO, "/v1/router/debug")
    assert status == 200
    for path in ("/health", "/v1/health", "/v1/config", "/v1/models"):
        async with front.call("GET", path, ADMIN) as response:
            assert response.status == 200, path
    assert front.pipeline.waiting == []
