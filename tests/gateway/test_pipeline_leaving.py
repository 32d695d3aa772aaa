"""Clients that leave: the call ends, and what it cost is known or held against it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import deployment
from pipeline_world import (
    FIRST,
    PAID,
    Books,
    Lane,
    World,
    chunk,
    fault,
    used,
    whole,
    world,
)

from freeloader.core.events import End, Event, Headers
from freeloader.core.model import (
    Attempt,
)
from freeloader.money import Meters


async def test_a_client_that_leaves_ends_the_upstream_call_and_is_still_charged() -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    house = world({paid.id: [[chunk("one"), chunk("two")]]}, paid)
    run = house.begin(stream=True)
    assert await run.first(5)
    run.abandon()
    assert await house.tasks.drain(5) == 0
    assert house.lane.closed == [paid.id]
    (settled,) = house.books.said("settle")
    assert settled[1] == "counted"
    assert house.journal.decisions[0].outcome == "abandoned"
    assert house.journal.decisions[0].cost_pico > 0
    assert house.books.said("record") == []


async def test_leaving_before_anything_came_charges_the_hold() -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    house = world({paid.id: [[Headers(200, {})]]}, paid)
    run = house.begin(stream=True)
    assert not await run.first(0.05)
    run.abandon()
    await house.tasks.drain(5)
    assert house.books.said("settle")[0][1] == "hold"


@dataclass
class SlowLane(Lane):
    """Gives the last events of a script only once it is let go on."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, attempt: Attempt) -> AsyncIterator[Event]:
        self.sent.append(attempt)
        try:
            yield Headers(200, {})
            await self.go_on.wait()
            for event in self.scripts[attempt.deployment.id].pop(0):
                yield event
        finally:
            self.closed.append(attempt.deployment.id)


async def test_a_paid_answer_whose_client_left_is_drained_for_its_true_usage() -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    lane = SlowLane({paid.id: [[whole(), used(10, 5), End()]]})
    house = World(Books.of([paid]), lane)
    run = house.begin()
    assert not await run.first(0.01)
    run.abandon()
    run.abandon()
    assert lane.closed == []
    lane.go_on.set()
    assert await house.tasks.drain(5) == 0
    assert house.books.said("settle") == [(paid.id, "reported", Meters(1, 10, output=5))]
    (decision,) = house.journal.decisions
    assert (decision.outcome, decision.cost_pico) == (
        "abandoned",
        PAID.cost(Meters(1, 10, 0, 0, 5)),
    )


async def test_draining_is_bounded_and_then_the_hold_is_charged() -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    lane = SlowLane({paid.id: [[]]})
    house = World(Books.of([paid]), lane)
    house.leave_seconds = 0.02
    run = house.begin()
    assert not await run.first(0.01)
    run.abandon()
    async with asyncio.timeout(5):
        while len(house.tasks):
            await asyncio.sleep(0.005)
    assert lane.closed == [paid.id]
    assert house.books.said("settle")[0][1] == "hold"


async def test_nobody_is_asked_a_second_time_for_a_client_that_left() -> None:
    first = deployment("a", "m", tier="paid", price=PAID, speed=9.0)
    second = deployment("b", "m", tier="paid", price=PAID, speed=1.0)
    lane = SlowLane({first.id: [[fault(500)]], second.id: [[whole(), used(), End()]]})
    house = World(Books.of([first, second]), lane)
    run = house.begin()
    assert not await run.first(0.01)
    run.abandon()
    lane.go_on.set()
    await house.tasks.drain(5)
    assert [a.deployment.id for a in lane.sent] == [first.id]


async def test_what_costs_nothing_is_not_waited_for() -> None:
    lane = SlowLane({FIRST.id: [[whole(), used(), End()]]})
    house = World(Books.of([FIRST]), lane)
    run = house.begin()
    assert not await run.first(0.01)
    run.abandon()
    assert await house.tasks.drain(5) == 0
    assert lane.closed == [FIRST.id]
