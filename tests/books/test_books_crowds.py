"""How many calls may run at once, where only refusals tell: learnt, kept to, remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from fake_ledger import TOKENS, FakeClock, FakeLedger, deployment, opened
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Deployment, Limit, Policy
from freeloader.core.outcome import Outcome

CROWDED = Outcome("slow_down", "429 too many concurrent requests", metric="concurrency",
                  scope="account")  # fmt: skip


class Crowd:
    """A provider that refuses whatever comes while ``most`` calls run, and says so."""

    def __init__(self, books: Books, clock: FakeClock, most: int, *models: Deployment) -> None:
        self.books, self.clock, self.most, self.models = books, clock, most, models
        self.running: list[Hold] = []
        self.refusals = self.asked = 0

    async def begin(self, which: int = 0) -> bool:
        """False: it was not sent, or refused."""
        self.asked += 1
        found = self.models[which % len(self.models)]
        hold = await self.books.reserve(
            f"a{self.asked}", "r", found, TOKENS, None, "k", Policy(), self.clock.now()
        )
        if not isinstance(hold, Hold):
            return False
        if len(self.running) < self.most:
            self.running.append(hold)
            return True
        self.refusals += 1
        await self.books.release(hold, self.clock.now(), sent=True)
        until = self.clock.wall + 1
        outcome = replace(CROWDED, until=until)
        self.books.record(found, outcome, 5.0, None, 0, self.clock.now())
        self.clock.go(2)
        return False

    async def end(self) -> None:
        hold = self.running.pop(0)
        await self.books.settle(hold, TOKENS, "reported", self.clock.now())
        self.books.record(hold.deployment, None, 5.0, 1.0, 10, self.clock.now())


def limit_of(books: Books, clock: FakeClock) -> int | None:
    rows = books.windows_view(clock.now())
    return next((r["limit"] for r in rows if r["metric"] == "concurrency"), None)


@given(st.integers(1, 5), st.lists(st.tuples(st.booleans(), st.integers(0, 1)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_two_refusals_teach_how_many_may_run_and_there_is_no_third(
    most: int, steps: Sequence[tuple[bool, int]]
) -> None:
    async def law() -> None:
        models = [deployment("a", model=name, limits=()) for name in ("m", "n")]
        clock = FakeClock()
        books = await opened(FakeLedger(), clock, BudgetRules(), *models)
        crowd = Crowd(books, clock, most, *models)
        for ends, which in steps:
            if ends and crowd.running:
                await crowd.end()
            else:
                await crowd.begin(which)
        assert crowd.refusals <= 2
        assert limit_of(books, clock) == (most if crowd.refusals == 2 else None)

    asyncio.run(law())


async def taught(limits: tuple[Limit, ...] = ()) -> tuple[Crowd, FakeLedger]:
    ledger, clock, found = FakeLedger(), FakeClock(), deployment(limits=limits)
    crowd = Crowd(await opened(ledger, clock, BudgetRules(), found), clock, 2, found)
    for _ in range(2):
        for _ in range(3):
            await crowd.begin()
        while crowd.running:
            await crowd.end()
    return crowd, ledger


async def test_what_was_learnt_is_kept_over_a_restart_until_the_owner_says_it_is_wrong() -> None:
    crowd, ledger = await taught()
    await crowd.books.flush()
    again = await opened(ledger, crowd.clock, BudgetRules(), *crowd.models)
    assert limit_of(again, crowd.clock) == 2
    assert again.learnt(None, None) == 1
    again.unlearn(None, None, crowd.clock.now())
    assert limit_of(again, crowd.clock) is None


async def test_what_is_reached_for_long_without_a_refusal_is_stretched() -> None:
    crowd, _ = await taught()
    crowd.most = 9
    for _ in range(3):
        crowd.clock.go(121)
        while await crowd.begin():
            pass
        while crowd.running:
            await crowd.end()
    assert crowd.refusals == 2
    assert limit_of(crowd.books, crowd.clock) == 5


async def test_a_published_limit_is_not_learnt_anew() -> None:
    crowd, _ = await taught((Limit("concurrency", 4, "once"),))
    assert crowd.refusals == 2
    assert limit_of(crowd.books, crowd.clock) == 4
