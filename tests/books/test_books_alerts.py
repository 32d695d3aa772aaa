"""What the owner is told: once per period each, also over a restart; spikes stop and go on."""

from __future__ import annotations

import pytest
from fake_ledger import COST, NOON, TOKENS, FakeClock, FakeLedger, deployment, opened

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Deployment, Policy, Verdict
from freeloader.errors import Unavailable
from freeloader.money import Meters

PAID = deployment(tier="paid")
FREE = deployment("f")
QUARTER = 900


async def ask(
    books: Books,
    clock: FakeClock,
    name: str,
    found: Deployment = PAID,
    upper: Meters = TOKENS,
    project: str | None = None,
) -> Hold | Verdict:
    return await books.reserve(name, name, found, upper, project, "k", Policy(), clock.now())


async def spend(
    books: Books, clock: FakeClock, name: str, project: str | None = None, times: int = 1
) -> None:
    upper = Meters(1, 1000 * times, output=1000 * times)
    hold = await ask(books, clock, name, PAID, upper, project)
    assert isinstance(hold, Hold), hold
    await books.settle(hold, upper, "reported", clock.now())


def types(books: Books, clock: FakeClock, project: str | None = None) -> list[str]:
    return [a["type"] for a in books.budget_view(project, clock.now())["alerts"]]


async def test_near_soft_and_hard_are_told_once_also_over_a_restart() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    rules = BudgetRules(hard_daily=10 * COST, soft_daily=5 * COST, alert_at=0.8)
    books = await opened(ledger, clock, rules, PAID)
    told: list[list[str]] = []
    for i in range(10):
        await spend(books, clock, str(i))
        told.append([row.type for row in ledger.alerts.values()])
    assert told[3] == []
    assert told[4] == ["soft_limit"]
    assert told[7] == ["soft_limit", "near_limit"]
    assert told[9] == ["soft_limit", "near_limit", "hard_limit"]
    again = await opened(ledger, clock, rules, PAID)
    assert types(again, clock) == told[9]
    assert len(ledger.alerts) == 3
    clock.go(86_400)
    assert types(again, clock) == []
    await spend(again, clock, "next", times=5)
    assert types(again, clock) == ["soft_limit"]
    assert len(ledger.alerts) == 4


async def test_a_budget_that_nothing_fits_any_more_is_told_as_used_up() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    rules = BudgetRules(hard_daily=3 * COST // 2, allocations={"a": (COST, None)})
    books = await opened(ledger, clock, rules, PAID)
    await spend(books, clock, "1", "a")
    refused = await ask(books, clock, "2")
    assert isinstance(refused, Verdict)
    books.refused(refused, clock.now())
    books.refused(refused, clock.now())
    assert types(books, clock).count("hard_limit") == 2  # the whole's, and project a's
    assert types(books, clock, "a") == ["hard_limit", "near_limit"]
    huge = await ask(books, clock, "3", upper=Meters(1, 10**9))
    assert isinstance(huge, Verdict)
    other = await opened(FakeLedger(), clock, rules, PAID)
    other.refused(huge, clock.now())
    assert types(other, clock) == []  # nothing is used up: the request was too large


async def test_an_alert_of_a_limit_that_was_changed_is_shown_no_more() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(hard_daily=COST), PAID)
    await spend(books, clock, "1")
    assert set(types(books, clock)) == {"hard_limit", "near_limit"}
    await books.configure(BudgetRules(hard_daily=100 * COST))
    assert types(books, clock) == []


async def test_an_alert_that_the_disk_does_not_take_is_written_later() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(hard_daily=COST), PAID)
    hold = await ask(books, clock, "1")
    assert isinstance(hold, Hold)
    ledger.broken = True
    await books.settle(hold, TOKENS, "reported", clock.now())
    assert ledger.alerts == {}
    ledger.mend()
    await books.flush_dirty()
    assert {row.type for row in ledger.alerts.values()} == {"hard_limit", "near_limit"}


async def test_the_end_of_the_months_budget_is_foretold_once() -> None:
    past = {int((NOON - day * 86_400) // QUARTER): 10 * COST for day in range(1, 15)}
    ledger, clock = FakeLedger(past=past), FakeClock()
    # The fake's month is what was charged: the history before it is only a rate.
    books = await opened(ledger, clock, BudgetRules(hard_monthly=50 * COST), PAID)
    (alert,) = books.budget_view(None, clock.now())["alerts"]
    assert alert["type"] == "projected"
    assert "ends on the 25th" in alert["message"]
    projection = books.budget_view(None, clock.now())["projection"]
    assert projection["exhaustedAt"].startswith("2026-11-25")
    again = await opened(ledger, clock, BudgetRules(hard_monthly=50 * COST), PAID)
    assert types(again, clock) == ["projected"]
    assert len(ledger.alerts) == 1
    plenty = BudgetRules(hard_monthly=5000 * COST)
    calm = await opened(FakeLedger(past=past), clock, plenty, PAID)
    assert types(calm, clock) == []


def busy(ledger: FakeLedger) -> None:
    for quarter in range(2, 12):
        ledger.past[int(NOON // QUARTER) - quarter] = COST


async def test_a_spike_alerts_and_where_so_set_stops_until_confirmed() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    busy(ledger)
    rules = BudgetRules(spike_factor=10, spike_stops_paid=True)
    books = await opened(ledger, clock, rules, PAID, FREE)
    await spend(books, clock, "1", times=6)
    assert types(books, clock) == []
    await spend(books, clock, "2")
    assert types(books, clock) == ["spike"]
    refused = await ask(books, clock, "3")
    assert isinstance(refused, Verdict)
    assert (refused.code, refused.facts["confirm"]) == ("budget_exceeded", "xswarm budget confirm")
    assert isinstance(await ask(books, clock, "free", FREE), Hold)

    books = await opened(ledger, clock, rules, PAID, FREE)  # over a restart
    assert isinstance(await ask(books, clock, "4"), Verdict)
    clock.go(90_000)  # and for as long as it takes
    assert isinstance(await ask(books, clock, "5"), Verdict)
    ledger.broken = True
    with pytest.raises(Unavailable):
        await books.confirm_spike(clock.now())
    assert isinstance(await ask(books, clock, "6"), Verdict)
    ledger.mend()
    assert await books.confirm_spike(clock.now())
    assert not await books.confirm_spike(clock.now())
    await spend(books, clock, "7")
    books = await opened(ledger, clock, rules, PAID, FREE)
    await spend(books, clock, "8")


async def test_a_spike_only_alerts_by_default_and_old_spending_is_none() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    busy(ledger)
    books = await opened(ledger, clock, BudgetRules(spike_factor=10), PAID)
    for i in range(20):  # ten minutes never hold more than the usual
        await spend(books, clock, str(i))
        clock.go(601)
    assert types(books, clock) == []
    await spend(books, clock, "much", times=12)
    await spend(books, clock, "more", times=12)
    assert types(books, clock) == ["spike"]


async def test_a_provider_that_counts_more_than_was_held_is_told_once_a_day() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), PAID)
    for name in ("1", "2"):
        hold = await ask(books, clock, name)
        assert isinstance(hold, Hold)
        done = await books.settle(hold, TOKENS + TOKENS, "reported", clock.now())
        assert done.overrun == COST
    assert types(books, clock) == ["overrun"]
    clock.go(86_400)
    assert types(books, clock) == []
