"""Free accounts stop at their quota; paid ones come after what is free, and hold money."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fake_ledger import FakeClock, FakeLedger

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import deployment, profile

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.core import routing
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Level, Limit, Resolution
from freeloader.core.policy import combine
from freeloader.money import Price

PRICE = Price(1_000_000, 2_000_000)


@pytest.mark.parametrize(
    "strategy", ["balanced", "cost-first", "speed-first", "quality-first", "local-first"]
)
async def test_the_free_quota_goes_first_then_the_paid_account_with_a_hold(strategy: str) -> None:
    clock = FakeClock()
    free, paid = (
        deployment("groq", "m", idx=idx, tier=tier, price=PRICE, intelligence=8.0)
        for idx, tier in ((1, "free"), (2, "paid"))
    )
    day = Limit("requests", 1, "1d", "calendar")
    free = replace(free, account=replace(free.account, limits=(day,)))
    books = Books(FakeLedger(), clock, BudgetRules())
    books.set_deployments([paid, free])
    await books.load()
    policy = combine([Level("request", strategy=strategy)])

    async def next_one() -> Hold:
        ask = routing.Ask(profile(), policy, Resolution("auto", "auto"), clock.wall)
        winner = routing.decide(ask, books).winner
        assert winner is not None
        name = f"a{len(books.open_holds)}"
        held = await books.reserve(
            name, name, winner.deployment, profile().upper, None, "k", policy, clock.now()
        )
        assert isinstance(held, Hold)
        return held

    first, second = await next_one(), await next_one()
    assert (first.deployment.id, first.cost) == ("groq@1/m", 0)
    assert second.deployment.id == "groq@2/m"
    assert second.cost == PRICE.ceiling(profile().upper)
