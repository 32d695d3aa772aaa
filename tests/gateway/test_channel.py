"""The channel of a run: in order, bounded, and nobody waits for one who was cancelled."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.gateway.running.channel import Channel


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@given(st.integers(1, 4), st.lists(st.booleans(), max_size=40))
@settings(max_examples=50, deadline=None)
def test_what_goes_in_comes_out_in_order(most: int, writing: list[bool]) -> None:
    async def run() -> None:
        channel, got = Channel(most), []
        puts = [asyncio.create_task(channel.put(n)) for n in range(sum(writing))]

        async def read() -> None:
            for number, pause in enumerate(writing):
                if number < len(puts):
                    got.append(await channel.get())
                if pause:
                    await asyncio.sleep(0)

        await read()
        async with asyncio.timeout(5):
            await asyncio.gather(*puts)
        assert got == list(range(len(got)))
        assert len(got) == len(puts)

    asyncio.run(run())


async def test_a_full_one_makes_writers_wait_and_an_empty_one_its_reader() -> None:
    channel = Channel(2)
    await channel.put(1)
    await channel.put(2)
    third = asyncio.create_task(channel.put(3))
    await turns()
    assert not third.done()
    assert await channel.get() == 1
    await third
    assert [await channel.get(), await channel.get()] == [2, 3]
    reader = asyncio.create_task(channel.get())
    await turns()
    assert not reader.done()
    await channel.put(4)
    assert await reader == 4


@pytest.mark.parametrize("when", ["waiting", "its turn had come"])
async def test_a_cancelled_writer_leaves_its_turn_to_the_next(when: str) -> None:
    channel = Channel(1)
    await channel.put(0)
    first, second = (asyncio.create_task(channel.put(n)) for n in (1, 2))
    await turns()
    if when == "waiting":
        first.cancel()
        await turns()
        assert await channel.get() == 0
    else:
        assert await channel.get() == 0  # the first one's turn, which it has not taken yet
        first.cancel()
    async with asyncio.timeout(5):
        await second
    assert first.cancelled()
    assert await channel.get() == 2


async def test_a_cancelled_reader_takes_nothing_along() -> None:
    channel = Channel(1)
    reader = asyncio.create_task(channel.get())
    await turns()
    reader.cancel()
    await turns()
    await channel.put(1)
    assert await channel.get() == 1
