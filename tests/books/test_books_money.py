"""Holds against budgets, durable before they are given out; settled, released, recovered."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fake_ledger import COST, NOON, TOKENS, FakeClock, FakeLedger, deployment, opened
from money_kit import FREE, LOCAL, PAID, code, reserve

from freeloader.books.books import Books
from freeloader.books.ports import Facts, Hold
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Deployment, Limit, Policy
from freeloader.money import Meters


async def test_a_paid_hold_is_on_disk_before_it_is_given_out() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(hard_daily=COST), PAID)
    hold = await reserve(books, clock, "a", project="x")
    assert isinstance(hold, Hold)
    row = ledger.holds["a"]
    assert (row.amount_pico, row.project, row.key_id, row.at) == (COST, "x", "k", NOON)
    assert code(await reserve(books, clock, "b")) == "budget_busy"
    done = await books.settle(hold, Meters(1, 1000), "reported", clock.now())
    assert (done.cost, done.overrun, done.estimated) == (10**9, 0, False)
    assert ledger.holds == {}
    assert ledger.usage["a"].cost_pico == 10**9


async def test_the_same_attempt_is_reserved_settled_and_released_once() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(hard_daily=10 * COST), PAID)
    hold = await reserve(books, clock, "a")
    assert isinstance(hold, Hold)
    assert await reserve(books, clock, "a") is hold
    first = await books.settle(hold, TOKENS, "reported", clock.now())
    assert await books.settle(hold, Meters(1, 9, output=9), "reported", clock.now()) is first
    assert await books.release(hold, clock.now()) is first
    view = books.budget_view(None, clock.now())
    assert (view["daily"]["spent"], view["daily"]["held"]) == (0.003, 0.0)
    assert view["daily"]["requests"] == 1


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_request_is_one_however_many_were_asked_for_it(restarted: bool) -> None:
    """As in the analytics: a multi-cast of three, or a billed fallback, asked once."""
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), PAID)
    for attempt in ("a", "b", "c"):
        hold = await reserve(books, clock, attempt, request="one")
        assert isinstance(hold, Hold)
        await books.settle(hold, TOKENS, "reported", clock.now())
    hold = await reserve(books, clock, "d", request="two")
    assert isinstance(hold, Hold)
    await books.settle(hold, TOKENS, "reported", clock.now())
    if restarted:
        books = await opened(ledger, clock, BudgetRules(), PAID)
    day = books.budget_view(None, clock.now())["daily"]
    assert (day["requests"], day["spent"]) == (2, 0.012)


async def test_a_release_restores_the_balance_on_disk_too() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(hard_daily=COST), PAID)
    for attempt in ("a", "b", "c"):
        hold = await reserve(books, clock, attempt)
        assert isinstance(hold, Hold)
        await books.release(hold, clock.now())
    assert ledger.holds == {}
    assert books.budget_view(None, clock.now())["daily"]["held"] == 0.0


@pytest.mark.parametrize("found", [FREE, LOCAL])
async def test_free_and_local_never_touch_money_or_wait_for_the_disk(found: Deployment) -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(hard_daily=0), found)
    ledger.broken, ledger.gate = True, asyncio.Event()
    async with asyncio.timeout(5):
        hold = await reserve(books, clock, "a", found)
        assert isinstance(hold, Hold)
        done = await books.settle(hold, TOKENS, "reported", clock.now())
    assert (hold.cost, done.cost) == (0, 0)
    assert ledger.usage["a"].meters == TOKENS


async def test_a_broken_ledger_refuses_paid_and_lets_free_go_on() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(hard_daily=10 * COST), PAID, FREE)
    ledger.broken = True
    assert code(await reserve(books, clock, "a")) == "ledger_unavailable"
    assert code(await reserve(books, clock, "b", FREE)) == "held"
    assert books.budget_view(None, clock.now())["daily"]["held"] == 0.0
    ledger.mend()
    assert code(await reserve(books, clock, "c")) == "held"


async def test_an_unread_ledger_is_not_an_empty_one() -> None:
    ledger, clock = FakeLedger(broken=True), FakeClock()
    books = Books(ledger, clock, BudgetRules())
    with pytest.raises(Exception, match="disk full"):
        await books.load()
    ledger.mend()
    assert code(await reserve(books, clock, "a")) == "ledger_unavailable"
    assert code(await reserve(books, clock, "b", FREE)) == "held"
    await books.load()
    assert code(await reserve(books, clock, "c")) == "held"


async def test_a_settlement_during_a_fault_is_right_in_memory_and_follows_on_disk() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(hard_daily=COST), PAID)
    hold = await reserve(books, clock, "a")
    assert isinstance(hold, Hold)
    ledger.broken = True
    await books.settle(hold, Meters(1, 1000), "reported", clock.now())
    assert books.budget_view(None, clock.now())["daily"]["spent"] == 0.001
    assert "a" in ledger.holds
    ledger.mend()
    assert ledger.usage["a"].cost_pico == 10**9


async def test_a_cancelled_reservation_leaves_nothing_behind() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(hard_daily=COST), PAID)
    ledger.gate = asyncio.Event()
    task = asyncio.create_task(reserve(books, clock, "a"))
    await asyncio.sleep(0)
    assert "a" in ledger.holds
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ledger.gate = None
    assert books.budget_view(None, clock.now())["daily"]["held"] == 0.0
    await books.flush_dirty()
    assert ledger.holds == {}


async def test_between_check_and_disk_nobody_slips_through() -> None:
    """Two hundred at once against room for ten."""
    ledger, clock = FakeLedger(gate=None), FakeClock()
    books = await opened(ledger, clock, BudgetRules(hard_daily=10 * COST), PAID)
    ledger.gate = asyncio.Event()
    tasks = [asyncio.create_task(reserve(books, clock, str(i))) for i in range(200)]
    await asyncio.sleep(0)
    ledger.gate.set()
    codes = [code(await task) for task in tasks]
    assert codes.count("held") == 10
    assert codes.count("budget_busy") == 190


@pytest.mark.parametrize(
    ("rules", "max_cost", "wanted"),
    [
        (BudgetRules(), None, "held"),
        (BudgetRules(soft_daily=1), None, "held"),
        (BudgetRules(hard_daily=10**15), None, "price_unknown"),
        (BudgetRules(), 10**15, "price_unknown"),
        (BudgetRules(allocations={"default": (10**15, None)}), None, "price_unknown"),
    ],
)
async def test_an_unknown_price_is_refused_where_a_hard_budget_applies(
    rules: BudgetRules, max_cost: int | None, wanted: str
) -> None:
    found = deployment(tier="paid", price=None)
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, rules, found)
    got = await reserve(books, clock, "a", found, max_cost=max_cost)
    assert code(got) == wanted
    if isinstance(got, Hold):
        assert got.estimated
        assert bool(got.cost) is rules.limits_anything
        done = await books.settle(got, TOKENS, "reported", clock.now())
        assert done.estimated
    else:
        early = books.budget(found, None, None, Policy(max_cost=max_cost), clock.wall)
        assert early is not None
        assert early.gate == "price"


@pytest.mark.parametrize(
    ("basis", "used", "cost", "overrun"),
    [
        ("reported", Meters(1, 10, output=10), 3 * 10**7, 0),
        ("reported", Meters(1, 1000, output=2000), 5 * 10**9, 2 * 10**9),
        ("counted", Meters(1, 1000, output=2000), COST, 0),
        ("counted", Meters(1, 10, output=10), 3 * 10**7, 0),
        ("hold", Meters(), COST, 0),
        ("reported", Meters(1, -5, output=10), 2 * 10**7, 0),
    ],
)
async def test_what_is_charged(basis: str, used: Meters, cost: int, overrun: int) -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), PAID)
    hold = await reserve(books, clock, "a")
    assert isinstance(hold, Hold)
    done = await books.settle(hold, used, basis, clock.now(), Facts(task="code", latency_ms=12.0))
    assert (done.cost, done.overrun) == (cost, overrun)
    assert done.estimated is (basis != "reported" or used.input < 0)
    assert (ledger.usage["a"].task, ledger.usage["a"].latency_ms) == ("code", 12.0)


async def test_an_absurd_report_neither_breaks_nor_is_free() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), PAID)
    hold = await reserve(books, clock, "a")
    assert isinstance(hold, Hold)
    done = await books.settle(hold, Meters(1, 10**30, output=10**30), "reported", clock.now())
    assert done.estimated
    assert COST < done.cost <= 10**18


async def test_attempts_of_one_request_count_together() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(hard_per_request=2 * COST), PAID)
    first = await reserve(books, clock, "r.1", request="r")
    assert isinstance(first, Hold)
    await books.settle(first, TOKENS, "hold", clock.now())
    assert code(await reserve(books, clock, "r.2", request="r")) == "held"
    assert code(await reserve(books, clock, "r.3", request="r")) == "budget_exceeded"
    assert code(await reserve(books, clock, "s.1", request="s")) == "held"


async def test_a_requests_own_cap_counts_what_its_attempts_hold() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), PAID)
    assert code(await reserve(books, clock, "r.1", request="r", max_cost=COST)) == "held"
    refused = await reserve(books, clock, "r.2", request="r", max_cost=2 * COST - 1)
    assert code(refused) == "budget_exceeded"
    assert code(await reserve(books, clock, "r.3", request="r", max_cost=2 * COST)) == "held"


@pytest.mark.parametrize(
    ("free", "basis", "covered", "cost"),
    [
        (True, "reported", True, 0),
        (True, "reported", False, COST),
        (True, "counted", True, COST),
        (False, "reported", True, COST),
    ],
)
async def test_a_billable_call_is_free_only_on_evidence_and_held_all_the_same(
    free: bool, basis: str, covered: bool, cost: int
) -> None:
    ledger, clock = FakeLedger(), FakeClock()
    found = replace(PAID, model=replace(PAID.model, free=covered))
    books = await opened(ledger, clock, BudgetRules(hard_daily=10 * COST), found)
    hold = await reserve(books, clock, "a", found)
    assert isinstance(hold, Hold)
    assert hold.cost == COST
    facts = Facts(proven_free=free)
    assert (await books.settle(hold, TOKENS, basis, clock.now(), facts)).cost == cost


@pytest.mark.parametrize("end", ["settle", "release"])
async def test_what_is_not_on_disk_ends_without_waiting(end: str) -> None:
    """Its caller need not shield it: nothing in it can be cut short."""
    found, clock = deployment(limits=(Limit("requests", 500, "1d", "rolling"),)), FakeClock()
    books = await opened(FakeLedger(), clock, BudgetRules(), found)
    hold = await books.reserve("a", "a", found, TOKENS, None, "k", Policy(), clock.now())
    assert isinstance(hold, Hold)
    assert not hold.durable
    work = (
        books.settle(hold, TOKENS, "reported", clock.now())
        if end == "settle"
        else books.release(hold, clock.now())
    )
    with pytest.raises(StopIteration):
        work.send(None)
    assert books.open_holds == ()
