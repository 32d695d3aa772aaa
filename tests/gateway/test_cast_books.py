"""Multi-cast with the real books: whatever members do, and whenever a client leaves or the
daemon dies, no hold is lost, no limit is passed, and nothing that was used is free."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
sys.path.insert(0, str(Path(__file__).parents[1] / "books"))
from fake_ledger import FakeLedger
from houses import deployment
from pipeline_world import PAID, Lane, Rules, World, chunk, collect, fault, whole

from freeloader.books.books import Books
from freeloader.clock import SystemClock
from freeloader.core.budget import BudgetRules
from freeloader.core.events import End, Event, Headers, Usage
from freeloader.core.model import Attempt, FallbackPlan, Level
from freeloader.errors import FreeloaderError
from freeloader.money import Meters

EACH = 2_000_000_000  # 1,000 in at $1/M and 500 out at $2/M, in picodollars
USED = Usage(Meters(1, 900, output=400))
SCRIPTS: dict[str, list[Any]] = {
    "answers": [Headers(200, {}), whole("42"), USED, End()],
    "differs": [Headers(200, {}), whole("43"), USED, End()],
    "streams": [Headers(200, {}), chunk("4"), chunk("2"), USED, End()],
    "fails": [fault(500)],
    "unreachable": [fault(None, "connect")],
    "flawed": [Headers(200, {}), whole(""), USED, End()],
    "hangs": [Headers(200, {}), chunk()],
    "breaks": [Headers(200, {}), chunk("4"), fault(None, "stream")],
}
BILLED = frozenset({"answers", "differs", "streams", "flawed"})
HOUSE = [
    deployment(p, "m", tier="free" if p == "e" else "paid", price=PAID, intelligence=6.0)
    for p in "abcde"
]


@dataclass
class KeepsBounds(Lane):
    """Providers that write no more than was asked for: a budget may have lowered the bound, and
    one that writes more than it was held for is what ``test_books_money`` is about. ``bill``:
    picodollars of each answer, by attempt."""

    bill: dict[str, int] = field(default_factory=dict)

    def send(self, attempt: Attempt) -> AsyncIterator[Event]:
        script, asked = self.scripts[attempt.deployment.id], attempt.profile
        most = asked.upper.output if asked.bounded else USED.meters.output
        wrote = replace(USED.meters, output=min(most, USED.meters.output))
        self.bill[attempt.id] = wrote.input * 1_000_000 + wrote.output * 2_000_000
        script[0] = [replace(e, meters=wrote) if isinstance(e, Usage) else e for e in script[0]]
        return super().send(attempt)


async def world(acts: list[str], limit: int | None) -> tuple[World, Books, FakeLedger]:
    ledger = FakeLedger()
    books = Books(ledger, SystemClock(), BudgetRules(hard_daily=limit))
    books.set_deployments(HOUSE)
    await books.load()
    scripts = {d.id: [SCRIPTS[act] for _ in range(8)] for d, act in zip(HOUSE, acts, strict=True)}
    house = World(books, KeepsBounds(scripts), Rules(), leave_seconds=0.0)  # type: ignore[arg-type]
    return house, books, ledger


def spent(ledger: FakeLedger) -> int:
    return sum(row.cost_pico for row in ledger.usage.values())


@given(
    st.lists(st.sampled_from(sorted(SCRIPTS)), min_size=5, max_size=5),
    st.sampled_from(["first", "all", "consensus", "best"]),
    st.integers(1, 5),
    st.one_of(st.none(), st.integers(0, 8 * EACH)),
    st.one_of(st.none(), st.integers(1, 60)),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_laws_of_money(
    acts: list[str], aggregation: str, targets: int, limit: int | None,
    leaves: int | None, stream: bool,
) -> None:  # fmt: skip
    async def scene() -> None:
        house, books, ledger = await world(acts, limit)
        level = Level("request", strategy="multi-cast", targets=targets, aggregation=aggregation,
                      max_wait_ms=0, fallback=FallbackPlan(retry_delay_ms=0))  # fmt: skip
        plan = house.explain(level=level, stream=stream).get("multiCast")
        run = house.begin(level=level, stream=stream, payload={"messages": []})
        if leaves is None and "hangs" not in acts:
            try:
                await run.first(5)
                await collect(run)
            except FreeloaderError:
                pass
        for _ in range(leaves if leaves is not None else 40):
            await asyncio.sleep(0)
        held = sum(hold.cost for hold in books.open_holds)
        assert limit is None or spent(ledger) + held <= limit
        assert plan is None or held <= round(plan["holdUsd"] * 10**12) + 5 * EACH
        run.abandon()
        await house.tasks.drain(5)
        assert books.open_holds == ()
        assert ledger.holds == {}
        assert limit is None or spent(ledger) <= limit
        ended = [(a.id, a.deployment[0]) for a in house.journal.attempts if a.outcome == "ok"]
        worked = [i for i, p in ended if acts["abcde".index(p)] in BILLED and p != "e"]
        assert spent(ledger) >= sum(house.lane.bill[i] for i in worked)
        assert len(house.journal.decisions) == 1

    asyncio.run(scene())


async def test_after_a_crash_every_members_hold_is_charged() -> None:
    house, books, ledger = await world(["hangs"] * 5, None)
    level = Level("request", strategy="multi-cast", targets=4, aggregation="best")
    house.begin(level=level, payload={"messages": []})
    while len(house.lane.sent) < 4:
        await asyncio.sleep(0)
    held = {hold.attempt_id: hold.cost for hold in books.open_holds if hold.cost}
    assert {name: row.amount_pico for name, row in ledger.holds.items()} == held
    assert len(held) >= 3
    ledger.recover()  # what a boot finds of a daemon that is gone
    assert spent(ledger) == sum(held.values())
    await house.tasks.drain(0)
