"""Budgets as they are shown: the contract's shape, alerts, projects, over restarts and zones."""

from __future__ import annotations

import asyncio

import pytest
from fake_ledger import COST, TOKENS, FakeClock, FakeLedger, opened
from money_kit import PAID, code, reserve

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.core.budget import BudgetRules


async def test_a_limit_changed_at_run_time_counts_from_the_next_request() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), PAID)
    hold = await reserve(books, clock, "a")
    assert isinstance(hold, Hold)
    await books.configure(BudgetRules(hard_daily=COST))
    assert code(await reserve(books, clock, "b")) == "budget_busy"
    await books.configure(BudgetRules(hard_daily=2 * COST))
    assert code(await reserve(books, clock, "c")) == "held"


async def test_another_time_zone_keeps_what_was_spent_and_held() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(hard_daily=3 * COST), PAID)
    for attempt in ("a", "b"):
        hold = await reserve(books, clock, attempt)
        assert isinstance(hold, Hold)
        if attempt == "a":
            await books.settle(hold, TOKENS, "reported", clock.now())
    await books.configure(BudgetRules(hard_daily=3 * COST, timezone="Asia/Kolkata"))
    view = books.budget_view(None, clock.now())["daily"]
    assert (view["spent"], view["held"]) == (0.003, 0.003)
    assert view["resetsAt"] == "2026-11-20T18:30:00.000Z"
    await books.settle(hold, TOKENS, "reported", clock.now())
    assert books.budget_view(None, clock.now())["daily"]["held"] == 0.0
    ledger.broken = True
    with pytest.raises(Exception, match="disk full"):
        await books.configure(BudgetRules(timezone="UTC"))
    assert books.rules.timezone == "Asia/Kolkata"


async def test_the_view_has_the_contracts_shape() -> None:
    rules = BudgetRules(hard_daily=10 * COST, soft_daily=COST, allocations={"x": (2 * COST, None)})
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, rules, PAID)
    hold = await reserve(books, clock, "a", project="x")
    assert isinstance(hold, Hold)
    await books.settle(hold, TOKENS, "reported", clock.now())
    await reserve(books, clock, "b", project="x")
    view = books.budget_view(None, clock.now())
    assert view["daily"] == {
        "limit": 0.03,
        "softLimit": 0.003,
        "spent": 0.003,
        "held": 0.003,
        "remaining": 0.024,
        "requests": 1,
        "resetsAt": "2026-11-21T00:00:00.000Z",
    }
    assert view["monthly"]["limit"] is None
    assert view["monthly"]["remaining"] is None
    assert view["projects"]["x"]["daily"]["remaining"] == 0.0
    assert [alert["type"] for alert in view["alerts"]] == ["soft_limit"]
    assert view["projection"]["monthlyAtCurrentRate"] > 0.003
    mine = books.budget_view("x", clock.now())
    assert (mine["daily"]["limit"], list(mine["projects"])) == (0.006, ["x"])


async def test_alerts_keep_the_moment_they_were_first_due() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(hard_daily=10 * COST), PAID)
    for i in range(10):
        hold = await reserve(books, clock, str(i))
        assert isinstance(hold, Hold)
        await books.settle(hold, TOKENS, "reported", clock.go(60))
    alerts = {a["type"]: a["at"] for a in books.budget_view(None, clock.go(60))["alerts"]}
    assert alerts == {
        "near_limit": "2026-11-20T12:08:00.000Z",
        "hard_limit": "2026-11-20T12:10:00.000Z",
    }
    clock.go(86400)
    assert books.budget_view(None, clock.now())["alerts"] == []


async def test_a_restart_shows_each_project_as_it_was() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), PAID)
    for name in ("a", "b"):
        hold = await reserve(books, clock, name)
        assert isinstance(hold, Hold)
        await books.settle(hold, TOKENS, "reported", clock.now())
    before = books.budget_view(None, clock.now())
    assert [row["daily"]["requests"] for row in before["projects"].values()] == [2]
    again = await opened(ledger, clock, BudgetRules(), PAID)
    assert again.budget_view(None, clock.now())["projects"] == before["projects"]


async def test_another_time_zone_before_the_ledger_was_read_counts_nothing_twice() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), PAID)
    hold = await reserve(books, clock, "a")
    assert isinstance(hold, Hold)
    await books.settle(hold, TOKENS, "reported", clock.now())
    books = Books(ledger, clock, BudgetRules())
    await books.configure(BudgetRules(timezone="Asia/Kolkata"))
    assert code(await reserve(books, clock, "b")) == "ledger_unavailable"
    await books.load()
    assert books.budget_view(None, clock.now())["daily"]["spent"] == 0.003


async def test_what_is_settled_while_the_ledger_is_read_anew_is_not_lost() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), PAID)
    hold = await reserve(books, clock, "a")
    assert isinstance(hold, Hold)
    ledger.gate = asyncio.Event()
    change = asyncio.create_task(books.configure(BudgetRules(timezone="Asia/Kolkata")))
    await asyncio.sleep(0)
    settling = asyncio.create_task(books.settle(hold, TOKENS, "reported", clock.now()))
    await asyncio.sleep(0)
    ledger.gate.set()
    await change
    await settling
    view = books.budget_view(None, clock.now())["daily"]
    assert view["spent"] >= 0.003
    assert view["held"] == 0.0
