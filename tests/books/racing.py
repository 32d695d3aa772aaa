"""One race for a budget: many clients at once, holds far above the cost, retries until it ends.

Used by a test with few rounds and by ``scripts/bench races`` with a thousand. Money is fake,
the books are real; the ledger is in memory and yields to others at random moments, so that
every round is another interleaving (the seed repeats it).
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from fake_ledger import FakeClock, FakeLedger, deployment

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Policy
from freeloader.money import Meters, Price

DOLLAR = 10**12
#: Picodollars a token: no meter of one call counts a milliard.
RATE = 1000
PAID = deployment(tier="paid", price=Price(RATE, RATE))


@dataclass
class Round:
    """What a race came to, in picodollars; ``worst`` is the highest spent + held ever seen."""

    limit: int
    hold: int
    spent: int = 0
    worst: int = 0
    admitted: int = 0
    busy: int = 0

    @property
    def overspent(self) -> int:
        return max(0, self.worst - self.limit, self.spent - self.limit)

    @property
    def unused(self) -> int:
        """More than one hold's worth left: something that fits was refused."""
        return max(0, self.limit - self.hold - self.spent)


class Fickle(FakeLedger):
    """Lets others run before and after it is done, as a disk does."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    async def _write(self) -> None:
        for _ in range(self._chance.randrange(3)):
            await asyncio.sleep(0)


async def race(seed: int, ratio: int, clients: int, limit: int = DOLLAR) -> Round:
    """``clients`` each want one answer that costs ``limit / (clients / 2)`` and holds ``ratio``
    times that: half of them can be served."""
    chance = random.Random(seed)
    tokens = limit // (clients // 2) // RATE
    found = Round(limit, tokens * ratio * RATE)
    ledger, clock = Fickle(chance), FakeClock()
    books = Books(ledger, clock, BudgetRules(hard_daily=limit))
    await books.load()
    books.set_deployments((PAID,))
    held: set[str] = set()

    def look() -> None:
        found.worst = max(found.worst, found.spent + found.hold * len(held))

    async def client(name: str) -> None:
        while True:
            got = await books.reserve(
                name, name, PAID, Meters(1, tokens * ratio), None, "k", Policy(), clock.now()
            )
            if isinstance(got, Hold):
                break
            if got.code != "budget_busy":
                assert got.code == "budget_exceeded", got
                return
            found.busy += 1
            for _ in range(1 + chance.randrange(8)):
                await asyncio.sleep(0)
        found.admitted += 1
        held.add(name)
        look()
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        if chance.random() < 0.05:
            held.remove(name)
            await books.release(got, clock.now())
            return
        held.remove(name)
        used = chance.randrange(tokens // 2, tokens + 1)
        found.spent += used * RATE
        look()
        done = await books.settle(got, Meters(1, used), "reported", clock.now())
        assert done.cost == used * RATE

    names = [f"c{i}" for i in range(clients)]
    chance.shuffle(names)
    while names:  # whoever was refused for good came too late; new ones until nobody fits
        before = found.spent
        await asyncio.gather(*(client(name) for name in names))
        names = [f"{name}." for name in names] if found.spent > before else []
    day = books.budget_view(None, clock.now())["daily"]
    assert day["held"] == 0
    assert round(day["spent"] * DOLLAR) == found.spent == sum(
        row.cost_pico for row in ledger.usage.values()
    )  # fmt: skip
    return found
