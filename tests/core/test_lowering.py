"""A hold that would never fit: the bound is lowered to exactly what fits, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from houses import PlainSnapshot, deployment, profile
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core import budget
from freeloader.core.budget import GLOBAL, BudgetRules
from freeloader.core.budget.balances import Balances
from freeloader.core.model import Policy, Profile, Resolution
from freeloader.core.routing import Ask, decide, explain
from freeloader.core.routing.bounds import LEAST_OUTPUT, answer_bound, bounded, hold_for
from freeloader.money import Meters, Price, PriceTier, Surcharge

AUTO = Resolution("auto", "auto")
PRICE = Price(1_000_000, 2_000_000, per_request=5)


def ask(asked: Profile, max_cost: int | None = None) -> Ask:
    return Ask(asked, Policy(max_cost=max_cost), AUTO, 0.0)


@given(
    left=st.integers(0, 4 * 10**10),
    output=st.integers(1, 8_000),
    choices=st.integers(1, 4),
    dear=st.booleans(),
    unbounded=st.booleans(),
)
def test_lowered_to_the_last_token_that_fits_and_never_below_the_least(
    left: int, output: int, choices: int, dear: bool, unbounded: bool
) -> None:
    tiers = (PriceTier(900, 3_000_000, 4_000_000),) if dear else ()
    paid = deployment("a", tier="paid", price=replace(PRICE, tiers=tiers))
    asked = profile(
        upper=Meters(requests=1, input=1_000, output=0 if unbounded else output * choices),
        bounded=not unbounded,
        choices=choices,
        surcharge=Surcharge(2, 7),
    )
    winner = decide(ask(asked), PlainSnapshot.of([paid], budget_left=left)).winner
    whole = hold_for(asked, paid)
    assert whole is not None
    if whole <= left:
        assert winner is not None
        assert winner.output is None
        return
    bound = answer_bound(asked, paid)

    def fits(tokens: int) -> bool:
        cost = hold_for(bounded(asked, tokens), paid)
        return cost is not None and cost <= left

    if winner is None:
        assert bound <= LEAST_OUTPUT or not fits(LEAST_OUTPUT)
        return
    lowered = winner.output
    assert lowered is not None
    assert LEAST_OUTPUT <= lowered < bound
    assert fits(lowered)
    assert not fits(lowered + 1)


@pytest.mark.parametrize("output", [1, 100, 256])
def test_the_clients_own_smaller_bound_is_never_lowered(output: int) -> None:
    paid = deployment("a", tier="paid", price=PRICE)
    asked = profile(upper=Meters(requests=1, input=0, output=output))
    assert decide(ask(asked), PlainSnapshot.of([paid], budget_left=1)).winner is None


def test_the_requests_own_limit_lowers_too_and_explain_says_so() -> None:
    paid = deployment("a", tier="paid", price=PRICE)
    asked = profile(upper=Meters(requests=1, input=0, output=4_000))
    question = ask(asked, max_cost=2_000_000 * 1_000 + 5)
    winner = decide(question, PlainSnapshot.of([paid])).winner
    assert winner is not None
    assert winner.output == 1_000
    first = explain(question, PlainSnapshot.of([paid]))[0]
    assert (first.output, first.verdict) == (1_000, None)


def test_what_costs_nothing_keeps_its_bound() -> None:
    free = deployment("a", price=PRICE)
    asked = profile(upper=Meters(requests=1, input=0, output=4_000))
    winner = decide(ask(asked), PlainSnapshot.of([free], budget_left=0)).winner
    assert winner is not None
    assert winner.output is None


def test_a_budget_that_is_used_up_says_so_and_not_that_the_request_was_too_large() -> None:
    paid = deployment("a", tier="paid", price=PRICE)
    balances, rules = Balances("UTC"), BudgetRules(hard_daily=10**9)
    budget.settle(balances.both(GLOBAL, 0.0), 0, 9 * 10**8)

    class Books(PlainSnapshot):
        def budget(self, deployment, cost, project, policy, now, key_id=None, *_):  # type: ignore[no-untyped-def]
            return budget.admit(rules, balances, cost, project, key_id, now)

    asked = profile(upper=Meters(requests=1, input=0, output=4_000))
    (refused,) = explain(ask(asked), Books.of([paid]))
    assert refused.verdict is not None
    assert "$0.000900 of $0.001000 spent" in refused.verdict.reason
    assert refused.verdict.until == 86_400.0
