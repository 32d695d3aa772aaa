"""Pacing in the books: demand over a restart, real windows, real decisions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_ledger import NOON, FakeClock, FakeLedger, deployment, opened

from freeloader.books.books import Books
from freeloader.books.pacer import KEY, Pacer
from freeloader.books.ports import Hold
from freeloader.core import quota, routing
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Deployment, Gates, Level, Limit, Profile, Resolution
from freeloader.core.policy import combine
from freeloader.core.rows import WindowRow
from freeloader.money import Meters

ONE = Meters(requests=1, input=600, output=200)
PROFILE = Profile("chat", "auto", frozenset(), ONE, ONE)
AUTO = Resolution("auto", "auto")
BEST = Limit("requests", 20, "1d", "calendar", "model")
AT_ONCE = Limit("concurrency", 1, "once", "unknown", "model")
OFTEN = Limit("requests", 90, "1h", "rolling", "model")


def house() -> tuple[Deployment, Deployment]:
    """The best model with twenty a day, and one that anybody may ask often."""
    best, other = deployment("a", limits=(BEST,)), deployment("b", limits=(OFTEN,))
    best = replace(best, model=replace(best.model, intelligence=9.4))
    return best, replace(other, model=replace(other.model, intelligence=4.0))


async def serve(books: Books, clock: FakeClock, name: str, **level: object) -> str | None:
    policy = combine([Level("request", **level)])  # type: ignore[arg-type]
    books.wanted(PROFILE, policy, clock.now())
    found = routing.decide(routing.Ask(PROFILE, policy, AUTO, clock.wall), books).winner
    if found is None:
        return None
    hold = await books.reserve(name, name, found.deployment, ONE, None, "k", policy, clock.now())
    assert isinstance(hold, Hold)
    books.taken(hold, PROFILE, policy)
    await books.settle(hold, ONE, "reported", clock.now())
    return found.deployment.provider.id


async def test_what_any_model_can_do_leaves_the_best_ones_twenty_alone() -> None:
    best, other = house()
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, BudgetRules(), best, other)
    served = []
    for i in range(40):
        served.append(await serve(books, clock, f"any{i}"))
        clock.go(180)
    assert served == [other.provider.id] * 40
    strong = [
        await serve(books, clock, f"s{i}", gates=Gates(min_intelligence=9)) for i in range(20)
    ]
    assert strong == [best.provider.id] * 20


@pytest.mark.parametrize(
    ("given", "limits", "planned"),
    [
        ("unlimited", (), False),
        ("unlimited", (AT_ONCE,), False),
        ("unlimited", (BEST,), True),  # so it is called, and somebody knows better
        ("recurring", (), True),  # nobody publishes how much it is
    ],
)
async def test_what_is_given_without_limit_is_kept_for_nobody(
    given: str, limits: tuple[Limit, ...], planned: bool
) -> None:
    one, clock = deployment("a", limits=limits), FakeClock()
    one = replace(one, provider=replace(one.provider, free_type=given))
    books = await opened(FakeLedger(), clock, BudgetRules(), one)
    assert (books.strain(one, ONE, 0.0, clock.wall) is not None) == planned


async def test_nobody_is_refused_for_what_is_kept() -> None:
    best, _ = house()
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, BudgetRules(), best)
    served = [await serve(books, clock, f"any{i}") for i in range(21)]
    assert served == [best.provider.id] * 20 + [None]


async def test_the_first_hour_is_planned_once_some_of_it_was_seen_and_leaves_nobody_out() -> None:
    best, other = house()
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, BudgetRules(), best, other)
    planned = []
    for i in range(80):
        assert await serve(books, clock, f"any{i}") is not None
        clock.go(20)
        for _ in range(100):
            await books.flush_dirty()
        found = books.strain(best, ONE, 0.0, clock.wall)
        assert found is not None
        assert found.left is None
        planned.append(found.plain is not None or found.whole is not None)
    assert planned.index(True) == 600 // 20 - 1
    assert all(planned[30:])


async def test_before_its_reset_what_is_left_is_for_anybody() -> None:
    best, other = house()
    clock = FakeClock(wall=NOON - 12 * 3600 + 60)
    books = await opened(FakeLedger(), clock, BudgetRules(), best, other)
    early = books.strain(best, ONE, 0.0, clock.wall)
    late = books.strain(best, ONE, 0.0, clock.go(24 * 3600 - 300).wall)
    assert early is not None
    assert late is not None
    assert early.value > 0.5 > 0.1 > late.value


async def test_demand_is_kept_over_a_restart() -> None:
    best, other = house()
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), best, other)
    for i in range(10):
        await serve(books, clock, f"s{i}", strategy="quality-first")
        clock.go(600)
    await books.flush()
    again = await opened(ledger, clock, BudgetRules(), best, other)
    before, after = (b.strain(best, ONE, 0.0, clock.wall) for b in (books, again))
    assert before is not None
    assert after is not None
    assert after.value == before.value
    assert after.wanted == before.wanted
    assert after.wanted.label == "quality-first"


async def test_what_cannot_be_read_is_learnt_from_the_ledger() -> None:
    best, other = house()
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), best, other)
    for i in range(30):
        await serve(books, clock, f"r{i}")
        clock.go(240)
    await ledger.save_windows([WindowRow(KEY, {"rates": "nonsense"}, NOON)])
    again = await opened(ledger, clock, BudgetRules(), best, other)
    start = clock.wall - 2 * 3600
    assert again.strain(best, ONE, 9.0, start + 86400) is not None


async def test_money_is_never_paced() -> None:
    paid = deployment("a", tier="paid", limits=(BEST,))
    books = await opened(FakeLedger(), FakeClock(), BudgetRules(), paid)
    assert books.strain(paid, ONE, 0.0, NOON) is None


async def planned(books: Books, clock: FakeClock) -> None:
    """Ten minutes of the daemon's loop: a plan in each."""
    for _ in range(600):
        clock.go(1)
        await books.flush_dirty()


async def test_shares_are_planned_from_demand_and_anew_after_a_restart() -> None:
    best, other = house()
    other = replace(other, model=replace(other.model, limits=(replace(OFTEN, amount=2),)))
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), best, other)
    for i in range(90):
        await serve(books, clock, f"s{i}", gates=Gates(min_intelligence=9 * (i % 2)))
        clock.go(60)
    await books.flush()
    again = await opened(ledger, clock, BudgetRules(), best, other)
    for one in (books, again):
        before = one.strain(best, ONE, 0.0, clock.wall)
        assert before is not None
        assert before.plain is None  # nothing is planned yet
        await planned(one, clock)
        anybody, needy = (one.strain(best, ONE, need, clock.wall) for need in (0.0, 9.0))
        assert anybody is not None
        assert needy is not None
        assert anybody.plain is not None
        assert anybody.spares  # those who need it go first
        assert needy.value < anybody.value


async def test_a_plan_for_other_deployments_is_not_gone_by() -> None:
    best, other = house()
    best = replace(best, model=replace(best.model, limits=(replace(BEST, amount=200),)))
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, BudgetRules(), best)
    for i in range(100):
        await serve(books, clock, f"alone{i}")
        clock.go(10)
    await planned(books, clock)
    assert await serve(books, clock, "the only one") == best.provider.id
    books.set_deployments([best])  # nobody new: the plan holds
    still = books.strain(best, ONE, 0.0, clock.wall)
    assert still is not None
    assert still.whole is not None or still.plain is not None
    books.set_deployments([best, other])
    served = []
    for i in range(30):  # until the next plan is made
        await books.flush_dirty()
        served.append(await serve(books, clock, f"any{i}"))
    assert served == [other.provider.id] * 30


async def test_who_serves_is_less_due_and_what_answers_come_to_is_learnt() -> None:
    one, other = (deployment(name, limits=(replace(BEST, amount=40),)) for name in "ab")
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, BudgetRules(), one, other)
    for i in range(8):
        await serve(books, clock, f"s{i}")
        clock.go(600)
    await planned(books, clock)
    served = [await serve(books, clock, f"t{i}") for i in range(8)]
    assert abs(served.count("a") - served.count("b")) <= 1


async def test_who_is_known_by_a_minute_alone_is_not_taken_for_endless() -> None:
    """Were it, nothing would be worth anything, and the day's twenty would go with the hour's."""
    daily, hourly = deployment("a", limits=(BEST,)), deployment("b", limits=(OFTEN,))
    hidden = deployment("c", limits=())
    minute = quota.window_for(Limit("requests", 5, "1m", "rolling", "model"), "learnt", NOON)
    windows = {
        daily.id: quota.window_for(BEST, "daily", NOON),
        hourly.id: quota.window_for(OFTEN, "hourly", NOON),
        hidden.id: minute,
    }
    pacer = Pacer()
    for i in range(60):
        pacer.note(0.0, "", ONE, NOON + 120 * i)
    now = NOON + 7200
    for _ in range(200):
        pacer.step([daily, hourly, hidden], lambda d, m, _: ((windows[d.id],), m), now)
    strains = [
        pacer.strain(one, [windows[one.id]], ONE, ONE, 0.0, now).value
        for one in (daily, hourly, hidden)
    ]
    assert strains[1:] == [0.0, 0.0]  # one is due, one takes its turn
    assert strains[0] >= 1.0
