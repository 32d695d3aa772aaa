"""Places in a pool: never more than there are, in the order asked for; none is lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.gateway.lanes.direct.pool import Full, Pool

MOST = 2


async def turns() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["come", "go", "give up"]), st.integers(0, 5)),
                max_size=40))  # fmt: skip
def test_no_place_is_given_twice_or_lost(moves: list[tuple[str, int]]) -> None:
    async def live() -> None:
        pool, inside, coming = Pool(None, None, MOST), [], []

        def look() -> None:
            inside.extend(task.result() for task in coming if task.done())
            coming[:] = [task for task in coming if not task.done()]
            assert len(inside) <= MOST

        for move, number in moves:
            look()
            if move == "come":
                coming.append(asyncio.create_task(pool.enter(60)))
            elif move == "go" and inside:
                pool.leave(inside.pop(number % len(inside)))
            elif move == "give up" and coming:
                coming.pop(number % len(coming)).cancel()
            if number % 2:  # else it happens in the same turn as the next one
                await turns()
        await turns()
        look()
        while inside or coming:
            assert inside, "somebody waits, and nobody is in there"
            pool.leave(inside.pop())
            await turns()
            look()
        assert pool.calls == 0
        pool.leave(await pool.enter(0))
        await pool.close()

    asyncio.run(live())


async def test_who_waits_too_long_is_told_so_and_the_next_one_comes() -> None:
    pool = Pool(None, None, 1)
    first = await pool.enter(0)
    with pytest.raises(Full):
        await pool.enter(0.01)
    second = asyncio.create_task(pool.enter(60))
    await asyncio.sleep(0)
    pool.leave(first)
    third = asyncio.create_task(pool.enter(60))  # the place is promised already
    kept = await second
    assert not third.done()
    pool.leave(kept)
    pool.leave(await third)
    await pool.close()
