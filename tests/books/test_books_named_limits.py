"""A refusal that names its limit in numbers is believed: no second one is needed to keep to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_ledger import TOKENS, FakeClock, FakeLedger, deployment, opened
from money_kit import reserve

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.core.budget import BudgetRules
from freeloader.core.model import OWN, Deployment, Limit
from freeloader.core.outcome import Outcome

RULES = BudgetRules()
MINUTE = Limit("requests", 30, "1m", "refill", "model")
DAY = Limit("tokens", 200_000, "1d", "refill", "model")
SMALLER = Outcome("slow_down", "429", window="1m", metric="requests", limit=6)
SPENT = Outcome("spent", "429", window="1d", metric="tokens", limit=200_000)


async def refused(
    books: Books, clock: FakeClock, found: Deployment, outcome: Outcome, wait: float = 5
) -> None:
    hold = await reserve(books, clock, f"a{clock.mono}", found)
    assert isinstance(hold, Hold)
    await books.release(hold, clock.now(), sent=True)
    outcome = replace(outcome, until=clock.wall + wait)
    books.record(found, outcome, 5.0, None, 0, clock.now(), TOKENS)


def window(books: Books, clock: FakeClock, span: str) -> dict[str, object]:
    (row,) = (row for row in books.windows_view(clock.now()) if row["window"] == span)
    return row


def room(books: Books, clock: FakeClock, found: Deployment) -> bool:
    return books.quota(found, TOKENS, clock.wall) is None


async def test_a_smaller_limit_is_kept_to_shown_remembered_and_doubted_after_a_day() -> None:
    found, ledger, clock = deployment(limits=(MINUTE,)), FakeLedger(), FakeClock()
    books = await opened(ledger, clock, RULES, found)
    await refused(books, clock, found, SMALLER)
    row = window(books, clock, "1m")
    assert (row["limit"], row["used"], row["learned"]) == (6, 6, True)
    assert row["source"] == "the provider's own answers (published: 30)"
    await books.flush()
    again = await opened(ledger, clock, RULES, found)
    clock.go(80_000)
    hold = await reserve(again, clock, "b", found)
    assert isinstance(hold, Hold)
    assert window(again, clock, "1m")["limit"] == 6
    clock.go(7_000)
    await reserve(again, clock, "c", found)
    assert window(again, clock, "1m")["limit"] == 30, "it may have been raised again"


@pytest.mark.parametrize(
    ("limit", "outcome", "wait"), [(DAY, SPENT, 5), (MINUTE, replace(SMALLER, limit=None), 2)]
)
async def test_when_the_pause_is_over_what_was_asked_for_is_there_and_no_more(
    limit: Limit, outcome: Outcome, wait: float
) -> None:
    found, clock = deployment(limits=(limit,)), FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    await refused(books, clock, found, outcome, wait)
    assert not room(books, clock, found)
    clock.go(wait + 0.001)
    assert room(books, clock, found)
    await reserve(books, clock, "b", found)
    assert not room(books, clock, found), "the key is used elsewhere, and that is counted"


async def test_the_owners_limit_is_only_ever_lowered_and_an_accounts_is_not_a_models() -> None:
    mine = replace(MINUTE, amount=4, source=OWN)
    plain = deployment(limits=(MINUTE,))
    owned = replace(plain, account=replace(plain.account, limits=(mine,)))
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, RULES, owned)
    await refused(books, clock, owned, SMALLER)
    assert window(books, clock, "1m")["limit"] == 4
    both = deployment(limits=(MINUTE, replace(MINUTE, amount=90, scope="account")))
    books = await opened(FakeLedger(), clock, RULES, both)
    await refused(books, clock, both, replace(SMALLER, scope="model"))
    assert {r["scope"]: r["limit"] for r in books.windows_view(clock.now())} == {
        "model": 6, "account": 90
    }  # fmt: skip


async def test_an_unpublished_limit_is_kept_to_after_the_first_refusal_that_names_it() -> None:
    found, clock = deployment(limits=()), FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    await refused(books, clock, found, replace(SMALLER, limit=2))
    clock.go(61)
    for name in "ab":
        hold = await reserve(books, clock, name, found)
        assert isinstance(hold, Hold)
        await books.settle(hold, TOKENS, "reported", clock.now())
    assert not room(books, clock, found)
    row = window(books, clock, "1m")
    assert (row["limit"], row["confidence"]) == (2, "medium")
