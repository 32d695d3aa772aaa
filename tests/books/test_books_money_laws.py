"""Money over any life: spent and held cover the bill, and no hold passes a limit."""

from __future__ import annotations

import asyncio

from fake_ledger import COST, TOKENS, FakeClock, FakeLedger, opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from money_kit import PAID, reserve

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.core.budget import BudgetRules
from freeloader.money import Meters

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["reserve", "settle", "overrun", "release", "crash", "break", "mend", "cancel", "day"]
        ),
        st.integers(0, 9),
        st.sampled_from([None, "a"]),
    ),
    max_size=40,
)


class Provider:
    """The other side: what it has billed and may still bill."""

    def __init__(self) -> None:
        self.billed: dict[str, int] = {}
        self.day: dict[str, float] = {}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.integers(1, 8), st.integers(1, 12))
def test_spent_and_held_cover_the_bill_and_no_hold_passes_a_limit(
    plan: list[tuple[str, int, str | None]], daily: int, monthly: int
) -> None:
    checked = asyncio.run(_random_life(plan, daily * COST, monthly * COST))
    assert checked == len(plan)


async def _random_life(plan: list[tuple[str, int, str | None]], daily: int, monthly: int) -> int:
    """Lives it; after how many steps the laws were asserted."""
    rules = BudgetRules(
        hard_daily=daily, hard_monthly=monthly, allocations={"a": (daily // 2, None)}
    )
    ledger, clock, theirs = FakeLedger(), FakeClock(), Provider()
    books = await opened(ledger, clock, rules, PAID)
    holds: list[Hold] = []
    overrun = checked = 0
    for i, (what, number, project) in enumerate(plan):
        if what == "reserve":
            got = await reserve(books, clock, str(i), project=project)
            if isinstance(got, Hold):  # sent at once: the provider bills up to the hold
                holds.append(got)
                theirs.billed[got.attempt_id] = 0
        elif what in ("settle", "overrun") and holds:
            hold = holds.pop(number % len(holds))
            used = Meters(1, 100 * number, output=100 * number)
            if what == "overrun":
                used = Meters(1, 1000, output=1000 + number)
                overrun += 2 * 10**6 * number
            theirs.billed[hold.attempt_id] = (used.input + 2 * used.output) * 10**6
            await books.settle(hold, used, "reported", clock.now())
            await books.settle(hold, TOKENS, "reported", clock.now())
        elif what == "release" and holds:
            hold = holds.pop(number % len(holds))
            await books.release(hold, clock.now())
            await books.release(hold, clock.now())
        elif what == "cancel" and not ledger.broken:
            await _cancelled(books, clock, ledger, str(i))
        elif what == "crash":
            for hold in holds:  # in flight: the provider bills all of it
                theirs.billed[hold.attempt_id] = hold.cost
            holds.clear()
            ledger.mend()  # the disk is looked after before the next start
            ledger.recover()
            books = await opened(ledger, clock, rules, PAID)
        elif what == "break":
            ledger.broken = True
        elif what == "mend":
            ledger.mend()
        elif what == "day":
            clock.go(8 * 3600)
        _check(books, clock, theirs, holds, (daily, monthly), overrun)
        checked += 1
    return checked


async def _cancelled(books: Books, clock: FakeClock, ledger: FakeLedger, attempt: str) -> None:
    ledger.gate = asyncio.Event()
    task = asyncio.create_task(reserve(books, clock, attempt))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and isinstance(task.result(), Hold):
        raise AssertionError("the disk did not answer, so there cannot be a hold")
    ledger.gate = None
    await books.flush_dirty()


def _check(
    books: Books,
    clock: FakeClock,
    theirs: Provider,
    holds: list[Hold],
    limits: tuple[int, int],
    overrun: int,
) -> None:
    now = clock.wall
    balances = books._sums.purse.balances
    day, month = balances.both("global", now)
    open_ = sum(hold.cost for hold in holds)
    billed = sum(theirs.billed.values())
    assert month.spent + month.held >= billed + open_ - sum(
        theirs.billed[hold.attempt_id] for hold in holds
    )
    assert month.held == open_
    assert min(day.spent, day.held, month.spent) >= 0
    assert day.spent + day.held <= limits[0] + overrun
    assert month.spent + month.held <= limits[1] + overrun
