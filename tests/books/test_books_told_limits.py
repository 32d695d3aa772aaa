"""Limits that only the headers of answers tell of are kept to, shown and remembered; what was
learnt can be forgotten by the owner."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_ledger import TOKENS, FakeClock, FakeLedger, deployment, opened
from money_kit import code, reserve

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.core.budget import BudgetRules
from freeloader.core.model import OWN, Deployment, Limit
from freeloader.core.outcome import Outcome
from freeloader.core.outcome.headers import Observation

RULES = BudgetRules()
PER_HOUR = Limit("requests", 50, "1h", "rolling", "model")
LATER = Outcome("spent", "429", window="1h", metric="requests", scope="account")


def told(limit: int, left: int) -> list[Observation]:
    said = {"remaining": left, "limit": limit}
    return [Observation("requests", "1d", means, number) for means, number in said.items()]


async def asked(
    books: Books, clock: FakeClock, found: Deployment, seen: list[Observation], name: str
) -> None:
    hold = await reserve(books, clock, name, found)
    assert isinstance(hold, Hold)
    books.observe(found, seen, clock.now(), hold)
    await books.settle(hold, TOKENS, "reported", clock.now())
    clock.go(60)


def days(books: Books, clock: FakeClock) -> list[dict[str, object]]:
    return [row for row in books.windows_view(clock.now()) if row["window"] == "1d"]


@pytest.mark.parametrize("limits", [(), (PER_HOUR,)])
@pytest.mark.parametrize("tier", ["free", "pro"])
async def test_a_limit_that_only_headers_tell_of_is_kept_to_shown_and_remembered(
    limits: tuple[Limit, ...], tier: str
) -> None:
    found, ledger, clock = deployment(limits=limits, tier=tier), FakeLedger(), FakeClock()
    books = await opened(ledger, clock, RULES, found)
    await asked(books, clock, found, told(5, 3), "a")
    (row,) = days(books, clock)
    assert (row["limit"], row["used"], row["remaining"]) == (5, 2, 3)
    assert (row["source"], row["confidence"], row["learned"]) == ("headers", "high", True)
    assert (row["model"], row["reset"]) == ("m", "unknown")
    for name in "bcd":
        await asked(books, clock, found, [], name)
    await books.flush()
    books = Books(ledger, clock, RULES)
    books.set_deployments([found])
    await books.load()
    assert code(await reserve(books, clock, "e", found)) == "quota_exhausted"
    books.observe(found, told(9, 4), clock.now())
    (row,) = days(books, clock)
    assert (row["limit"], row["remaining"], row["source"]) == (9, 4, "headers"), "as of now"


async def test_what_headers_tell_wins_over_what_is_published_and_not_over_the_owner() -> None:
    day = Limit("requests", 50, "1d", "calendar", "model", confidence="low")
    clock = FakeClock()
    for amount in (1000, 5):
        found = deployment(limits=(day,))
        books = await opened(FakeLedger(), clock, RULES, found)
        await asked(books, clock, found, told(amount, amount - 1), "a")
        (row,) = days(books, clock)
        assert (row["limit"], row["confidence"], row["learned"]) == (amount, "high", True)
        assert row["source"] == "the provider's own answers (published: 50)"
    mine = Limit("requests", 3, "1h", "rolling", source=OWN)
    plain = deployment()
    owned = replace(plain, account=replace(plain.account, limits=(mine,)))
    books = await opened(FakeLedger(), clock, RULES, owned)
    await asked(books, clock, owned, told(5, 4), "a")
    assert days(books, clock) == []


@pytest.mark.parametrize(("limit", "window"), [(0, "1d"), (7, "month"), (7, "once")])
async def test_what_is_no_limit_to_keep_to_is_left(limit: int, window: str) -> None:
    found, clock = deployment(), FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    await asked(books, clock, found, [Observation("requests", window, "limit", limit)], "a")
    assert [row["limit"] for row in books.windows_view(clock.now())] == [None]


async def test_where_published_limits_are_the_accounts_so_is_what_headers_tell_of() -> None:
    minute = Limit("requests", 20, "1m", "rolling", "account")
    one, two = (deployment(model=name) for name in ("a", "b"))
    one, two = (replace(x, provider=replace(x.provider, limits=(minute,))) for x in (one, two))
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, RULES, one, two)
    await asked(books, clock, one, told(3, 2), "a")
    await asked(books, clock, two, [], "b")
    await asked(books, clock, two, [], "c")
    assert code(await reserve(books, clock, "d", one)) == "quota_exhausted"


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_was_learnt_is_forgotten_where_the_owner_says_so(restarted: bool) -> None:
    """A wrongly learnt limit does not bench the account again once it is reset."""
    found, other = deployment(), deployment("q")
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, RULES, found, other)
    for number in range(2):
        for name in "ab":
            await asked(books, clock, found, [], f"{name}{number}")
        books.record(found, replace(LATER, until=clock.wall + 3600), 5.0, None, 0, clock.now())
        clock.go(3700)
    await asked(books, clock, other, told(5, 4), "other")
    assert books.learnt("p", 0) == 1
    assert (books.learnt("q", None), books.learnt(None, None)) == (1, 2)
    books.reset("p", 0, clock.now())
    assert books.learnt("p", 0) == 1, "counts and pauses are another thing"
    assert books.unlearn("p", 0, clock.now()) == 1
    books.reset("p", 0, clock.now())
    if restarted:
        await books.flush()
        books = Books(ledger, clock, RULES)
        books.set_deployments([found, other])
        await books.load()
    assert (books.learnt("p", 0), books.learnt("q", 0)) == (0, 1)
    for number in range(5):
        await asked(books, clock, found, [], f"c{number}")
