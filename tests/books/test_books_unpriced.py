"""Models of unknown price: counted as dear ones where a budget is; and what a request has left."""

from __future__ import annotations

import pytest
from fake_ledger import COST, TOKENS, FakeClock, FakeLedger, deployment, opened

from freeloader.books.books import Books
from freeloader.books.ports import Facts, Hold, Settlement
from freeloader.catalog.load import load
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Policy
from freeloader.money import UNKNOWN_PRICE, usd_from_pico

PAID = deployment(tier="paid")

NO_PRICE = deployment("p", tier="paid", price=None)


async def paid_for(rules: BudgetRules) -> tuple[Books, FakeLedger, Settlement]:
    """One reported answer of a model without a price."""
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, rules, NO_PRICE)
    held = await books.reserve("a", "r", NO_PRICE, TOKENS, None, "k", Policy(), clock.now())
    assert isinstance(held, Hold), held
    facts = Facts(premium_pico=10**9)
    return books, ledger, await books.settle(held, TOKENS, "reported", clock.now(), facts)


@pytest.mark.parametrize(
    "rules",
    [
        BudgetRules(soft_daily=10**12),
        BudgetRules(keys={"other": (10**12, None)}),
        BudgetRules(allocations={"other": (10**12, None)}),
    ],
)
async def test_an_unknown_price_counts_as_a_dear_one_where_any_budget_is(
    rules: BudgetRules,
) -> None:
    books, ledger, done = await paid_for(rules)
    assert done.unpriced
    assert done.cost == UNKNOWN_PRICE.cost(TOKENS) > COST
    view = books.budget_view(None, FakeClock().now())
    assert view["daily"]["spent"] == usd_from_pico(done.cost)
    (row,) = ledger.usage.values()
    assert (row.unpriced, row.premium_pico, row.cost_pico) == (True, None, done.cost)


async def test_an_unknown_price_is_unknown_where_there_is_no_budget() -> None:
    _, ledger, done = await paid_for(BudgetRules())
    assert (done.unpriced, done.cost) == (True, 0)
    (row,) = ledger.usage.values()
    assert (row.unpriced, row.premium_pico, row.cost_pico) == (True, None, 0)


def test_no_model_of_the_registry_is_dearer_than_an_unknown_one() -> None:
    models = load(prices=None).models.values()
    prices = [model.price for model in models if model.price is not None]
    assert len(prices) > 20
    assert all(UNKNOWN_PRICE.ceiling(TOKENS) >= price.ceiling(TOKENS) for price in prices)


async def test_what_earlier_attempts_left_of_a_requests_limit_is_asked_before_it_is_held() -> None:
    clock, rules = FakeClock(), BudgetRules(hard_per_request=2 * COST)
    books = await opened(FakeLedger(), clock, rules, PAID)
    first = await books.reserve("r.1", "r", PAID, TOKENS, None, "k", Policy(), clock.now())
    assert isinstance(first, Hold)
    await books.settle(first, TOKENS, "reported", clock.now())

    def left(cost: int, request: str | None) -> bool:
        now = clock.now().wall
        return books.budget(PAID, cost, None, Policy(), now, "k", request) is None

    assert left(2 * COST, None)
    assert left(COST, "r")
    assert not left(COST + 1, "r")
