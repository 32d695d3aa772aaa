"""H9: a crowd begins in turn, others have turns in between, and a line that is full says so."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.errors import Unavailable
from freeloader.gateway.guards.turnstile import Turnstile


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
