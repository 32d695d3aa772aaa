"""An owner changes limits or a key: nothing that was counted is lost, nothing stays refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_ledger import TOKENS, FakeClock, FakeLedger, deployment, opened
from money_kit import code, reserve

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.core.budget import BudgetRules
from freeloader.core.model import OWN, Deployment, Limit, Verdict
from freeloader.core.outcome import Outcome

DAY = Limit("requests", 3, "1d", "calendar")
MINE = Limit("requests", 100, "1m", "rolling", source=OWN)


def owned(found: Deployment, *limits: Limit) -> Deployment:
    return replace(found, account=replace(found.account, limits=limits))


async def use(books: Books, clock: FakeClock, found: Deployment, *names: str) -> None:
    for name in names:
        hold = await reserve(books, clock, name, found)
        assert isinstance(hold, Hold)
        await books.settle(hold, TOKENS, "reported", clock.now())


@pytest.mark.parametrize("killed", [False, True])
async def test_a_published_day_counts_on_while_the_owners_limit_is_in_its_place(
    killed: bool,
) -> None:
    """Taken away again, the owner's limit leaves no day that was never used."""
    found, ledger, clock = deployment(limits=(DAY,)), FakeLedger(), FakeClock()
    mine = owned(found, MINE)
    books = await opened(ledger, clock, BudgetRules(), found)
    await use(books, clock, found, "a")
    books.set_deployments([mine])
    assert [row["limit"] for row in books.windows_view(clock.now())] == [100]
    await use(books, clock, mine, "b", "c", "d")
    if killed:
        books = await opened(ledger, clock, BudgetRules(), mine)
    books.set_deployments([found])
    (row,) = books.windows_view(clock.now())
    assert (row["used"], row["remaining"]) == (3, 0)
    assert code(await reserve(books, clock, "e", found)) == "quota_exhausted"


async def test_the_smaller_of_two_limits_of_one_bucket_refills_at_its_own_rate() -> None:
    large = deployment(model="large", limits=(Limit("requests", 60, "1m", "refill"),))
    small = deployment(model="small", limits=(Limit("requests", 6, "1m", "refill"),))
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, BudgetRules(), large, small)
    assert len(books.windows_view(clock.now())) == 1
    await use(books, clock, small, *"abcdef")
    clock.go(11)
    await use(books, clock, small, "g")
    assert code(await reserve(books, clock, "h", small)) == "quota_exhausted"


async def test_another_key_is_not_refused_for_the_former_one() -> None:
    """Also where nothing else of the account changed, or the account was gone meanwhile."""
    one, clock = deployment(), FakeClock()
    books = await opened(FakeLedger(), clock, BudgetRules(), one)
    books.record(one, Outcome("key_bad", "401", scope="account"), 10, None, 0, clock.now())
    books.set_deployments([])
    books.set_deployments([one])
    assert books.paused(one, clock.wall) is not None, "the same key, as far as is known"
    books.renewed("p", 0)
    assert books.paused(one, clock.wall) is None


@pytest.mark.parametrize("killed", [False, True])
async def test_a_key_said_to_be_anothers_account_brings_along_what_it_used(killed: bool) -> None:
    """Two calls of one key and one of the other are three of the bucket that they share."""
    one, two = deployment(idx=1, limits=(DAY,)), deployment(idx=2, limits=(DAY,))
    twin = replace(two, account=replace(two.account, same_account_as=1))
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), one, two)
    await use(books, clock, one, "a")
    await use(books, clock, two, "b", "c")
    books.set_deployments([one, twin])
    assert code(await reserve(books, clock, "d", one)) == "quota_exhausted"
    await books.flush_dirty()
    if killed:
        books = await opened(ledger, clock, BudgetRules(), one, twin)
    books.set_deployments([one, twin])
    (row,) = books.windows_view(clock.now())
    assert (row["account"], row["used"]) == (1, 3), "once"


async def test_money_is_told_in_dollars_and_a_meter_by_its_public_name() -> None:
    cent = Limit("usd", 10**10, "1d", "rolling", source=OWN)
    read = Limit("cache_read", 1000, "1d", "rolling", source=OWN)
    found, clock = owned(deployment(), cent, read), FakeClock()
    books = await opened(FakeLedger(), clock, BudgetRules(), found)
    await use(books, clock, found, "a", "b", "c")
    refused = await reserve(books, clock, "d", found)
    assert isinstance(refused, Verdict)
    assert "usd per 1d of p@0: $0.009000 of $0.010000 used, $0.00 held" in refused.reason
    assert "$0.003000 may be needed" in refused.reason
    (alert,) = books.quota_alerts(clock.now())
    assert "$0.009000 of $0.010000 used" in alert["message"]
    assert {row["metric"] for row in books.windows_view(clock.now())} == {"usd", "cacheRead"}


async def test_a_reset_of_a_second_key_is_one_of_what_it_shares() -> None:
    one, twin = deployment(idx=1, limits=(DAY,)), deployment(idx=2, same=1, limits=(DAY,))
    other = deployment(idx=3, limits=(DAY,))
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, BudgetRules(), one, twin, other)
    await use(books, clock, twin, "a", "b", "c")
    await use(books, clock, other, "d")
    spent = Outcome("spent", "429", window="1d", metric="requests", scope="account")
    books.record(twin, spent, 10, None, 0, clock.now())
    assert books.reset("p", 2, clock.now()) == 1
    assert code(await reserve(books, clock, "e", twin)) == "held"
    used = {row["account"]: row["used"] for row in books.windows_view(clock.now())}
    assert used == {1: 0, 3: 1}
