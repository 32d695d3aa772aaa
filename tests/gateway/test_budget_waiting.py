"""A hold that does not fit now waits for others to settle; one that never fits does not wait."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "books"))
from fake_ledger import FakeLedger, opened
from pipeline_world import (
    OWNER,
    PAID,
    Journal,
    Lane,
    Rules,
    deployment,
    profile,
    ready,
    used,
    whole,
)

from freeloader.books.books import Books
from freeloader.clock import SystemClock
from freeloader.core.budget import BudgetRules
from freeloader.core.events import End
from freeloader.core.model import Attempt, Level
from freeloader.errors import BudgetBusy, BudgetExceeded
from freeloader.gateway.pipeline import Pipeline
from freeloader.gateway.tools import Tasks, Tools
from freeloader.gateway.waiting import Room
from freeloader.money import Meters

GOLD = deployment("a", "m", tier="paid", price=PAID)
#: What the profile of the tests holds: 1,000 in at $1 and 200 out at $2 a million.
UPPER = Meters(requests=1, input=1_000, output=200)
HOLD = PAID.ceiling(UPPER)


@dataclass
class Gated(Lane):
    """Each answer comes when its gate opens."""

    gates: list[asyncio.Event] = field(default_factory=list)

    async def send(self, attempt: Attempt) -> Any:
        gate = asyncio.Event()
        self.gates.append(gate)
        await gate.wait()
        for event in (whole(), used(10, 5), End()):
            yield event


@dataclass
class House:
    books: Books
    lane: Gated
    pipeline: Pipeline
    tasks: Tasks

    def begin(self, **asked: Any) -> Any:
        return self.pipeline.begin(profile(upper=UPPER, **asked), OWNER, "r")

    async def sent(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.lane.gates) < count:
                await asyncio.sleep(0.001)


async def house(limit: int, max_wait_ms: int = 5000) -> House:
    async def credentials(_: Any) -> dict[str, str]:
        return {}

    clock = SystemClock()
    books = await opened(FakeLedger(), clock, BudgetRules(hard_daily=limit), GOLD)  # type: ignore[arg-type]
    tasks, lane, numbers = Tasks(), Gated({}), iter(range(1000))
    tools = Tools(
        books,
        lane,
        Rules(level=Level("settings", max_wait_ms=max_wait_ms)),  # type: ignore[arg-type]
        Journal(),
        clock,
        tasks,
        credentials,
        ready,
        lambda kind: f"{kind}-{next(numbers)}",
        room=Room(),
    )
    books.watch(tools.room.changed)
    return House(books, lane, Pipeline(tools), tasks)


async def test_a_held_budget_is_waited_for_and_given_on_in_turn() -> None:
    one = await house(HOLD + PAID.cost(Meters(1, 10, output=5)) * 3)
    runs = [one.begin() for _ in range(4)]
    await one.sent(1)
    for count in range(1, 5):
        await one.sent(count)
        assert len(one.lane.gates) == count, "one hold fits at a time"
        one.lane.gates[-1].set()
    for run in runs:
        assert await run.first(5)
    assert await one.tasks.drain(5) == 0


async def test_who_will_not_wait_is_told_busy_and_when_to_come_back() -> None:
    one = await house(HOLD + HOLD // 2, max_wait_ms=0)
    first = one.begin()
    await one.sent(1)
    with pytest.raises(BudgetBusy) as busy:
        await one.begin().first(5)
    assert busy.value.retry_after is not None
    assert "held by requests in flight" in busy.value.message
    one.lane.gates[0].set()
    assert await first.first(5)
    await one.tasks.drain(5)


async def test_what_would_never_fit_does_not_wait() -> None:
    one = await house(HOLD - 1)
    with pytest.raises(BudgetExceeded):
        async with asyncio.timeout(2):
            await one.begin().first(5)
