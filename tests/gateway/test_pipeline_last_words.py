"""R5: what a provider has said when a client leaves is heard; and no longer than that."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import repeat
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import deployment
from pipeline_world import PAID, Books, Lane, Rules, World, chunk, used, world

from freeloader.core.events import End, Event, Headers
from freeloader.core.model import Attempt, Timeouts
from freeloader.gateway.running import last_words

DEAR = deployment("a", "m", tier="paid", price=PAID)
FREE = deployment("a", "m")
LOCAL = deployment("a", "m", kind="local")
MANY = [chunk(f"word{n} ") for n in range(100)]


async def begun(house: World) -> None:
    """A client has left whose request had its first word."""
    run = house.begin(stream=True)
    assert await run.first(5)
    run.abandon()
    run.abandon()
    async with asyncio.timeout(10):
        while len(house.tasks):
            await asyncio.sleep(0.005)


async def test_all_that_was_said_is_counted_and_its_usage_believed() -> None:
    house = world({DEAR.id: [[*MANY, used(10, 100), End()]]}, DEAR)
    await begun(house)
    ((_, basis, meters),) = house.books.said("settle")
    assert (basis, meters.output) == ("reported", 100)
    assert house.journal.decisions[0].outcome == "abandoned"


async def test_without_a_word_on_usage_all_that_was_said_is_counted() -> None:
    house = world({DEAR.id: [list(MANY)]}, DEAR)
    await begun(house)
    ((_, basis, meters),) = house.books.said("settle")
    assert basis == "counted"
    assert meters.output >= len(MANY)
    assert house.lane.closed == [DEAR.id]


class Talker(Lane):
    """Speaks for ever: a word at each turn of the loop, or one each ``pause`` seconds."""

    pause = 0.0

    async def send(self, attempt: Attempt) -> AsyncIterator[Event]:
        self.sent.append(attempt)
        try:
            yield Headers(200, {})
            words: Iterator[str] = repeat("word ")
            for word in words:
                yield chunk(word)
                await asyncio.sleep(self.pause)
        finally:
            self.closed.append(attempt.deployment.id)


@pytest.mark.parametrize("pause", [0.0, last_words.LOOK_S / 2])
async def test_who_never_stops_is_not_listened_to_for_ever(pause: float) -> None:
    lane = Talker({})
    lane.pause = pause
    house = World(Books.of([DEAR]), lane)
    await begun(house)
    ((_, basis, _),) = house.books.said("settle")
    # Faster than any model can speak: nobody knows how much of it was there already.
    assert basis == ("counted" if pause else "hold")
    assert lane.closed == [DEAR.id]


async def test_what_runs_here_ends_at_once() -> None:
    house = world({LOCAL.id: [[*MANY, used(10, 100), End()]]}, LOCAL)
    await begun(house)
    ((_, basis, meters),) = house.books.said("settle")
    assert basis == "counted"
    assert meters.output < 100 + len(MANY)


@pytest.mark.parametrize(("what", "basis"), [(DEAR, "hold"), (FREE, "counted")])
async def test_who_is_cut_off_while_the_client_is_behind_may_have_said_more(
    what: object, basis: str
) -> None:
    """Money is held against what nobody read; a free quota is not given away for it."""
    house = World(Books.of([what]), Talker({}), Rules(limits=Timeouts(total=0.05)))
    run = house.begin(stream=True)
    assert await run.first(5)
    async with asyncio.timeout(10):
        while not house.books.said("settle"):
            await asyncio.sleep(0.005)
    assert house.books.said("settle")[0][1] == basis
    run.abandon()
