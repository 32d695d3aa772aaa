"""The owner's actions: which limit sets which in force, and what it changes for whom."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from houses import PlainSnapshot, deployment, profile

from freeloader.core import budget
from freeloader.core.budget import BudgetRules, actions
from freeloader.core.budget.actions import BLOCK, DOWNGRADE, LOCAL_ONLY, WARN, Spending
from freeloader.core.budget.balances import Balances
from freeloader.core.model import Level, Policy, Resolution, Verdict
from freeloader.core.policy import combine
from freeloader.core.routing import Ask, decide, explain
from freeloader.money import Price

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
DAY_END = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
EVERY = (WARN, DOWNGRADE, LOCAL_ONLY, BLOCK)


def spent(amount: int, project: str | None = None) -> Balances:
    balances = Balances("UTC")
    for scope in budget.scopes(project, None):
        budget.settle(balances.both(scope, NOW), 0, amount)
    return balances


@pytest.mark.parametrize("action", EVERY)
@pytest.mark.parametrize("amount", [99, 100, 101])
def test_a_soft_limit_is_in_force_from_the_last_picodollar_on(action: str, amount: int) -> None:
    rules = BudgetRules(soft_daily=100, on_soft=action)
    found = actions.in_force(rules, spent(amount), None, NOW)
    assert [one.action for one in found] == ([action] if amount >= 100 else [])
    stop = actions.stopped(found)
    assert (stop is not None) == (amount >= 100 and action in (LOCAL_ONLY, BLOCK))
    if stop is not None:
        assert (stop.code, stop.until) == ("budget_exceeded", DAY_END)
        assert "daily soft budget" in stop.reason
        assert stop.facts["setting"] == "budget.soft.daily"
        assert stop.facts["action"] == action


@pytest.mark.parametrize(
    ("action", "strategy"),
    [(WARN, None), (DOWNGRADE, "cost-first"), (LOCAL_ONLY, "local-first"), (BLOCK, None)],
)
def test_an_action_stands_nearer_than_the_request(action: str, strategy: str | None) -> None:
    rules = BudgetRules(soft_monthly=100, on_soft=action)
    level = Spending(actions.in_force(rules, spent(100), None, NOW)).level
    asked = Level("request", strategy="quality-first")
    policy = combine([asked] if level is None else [level, asked])
    assert policy.strategy == (strategy or "quality-first")


def test_the_strongest_action_comes_first() -> None:
    rules = BudgetRules(
        soft_daily=1, on_soft=DOWNGRADE, allocations={"a": (1, None)}, on_project=WARN, hard_daily=1
    )
    found = actions.in_force(rules, spent(5, "a"), "a", NOW)
    assert [(one.action, one.kind) for one in found] == [
        (BLOCK, "hard"),
        (DOWNGRADE, "soft"),
        (WARN, "project"),
    ]


@pytest.mark.parametrize("action", EVERY)
def test_a_hard_limit_is_hard_under_any_action(action: str) -> None:
    rules = BudgetRules(hard_daily=100, on_hard=action)
    verdict = budget.admit(rules, spent(60), 41, None, None, NOW)
    assert verdict is not None
    assert verdict.code == "budget_exceeded"
    assert verdict.facts["action"] == action


@pytest.mark.parametrize("action", EVERY)
def test_a_projects_limit_is_hard_under_any_action(action: str) -> None:
    rules = BudgetRules(allocations={"a": (100, None)}, on_project=action)
    verdict = budget.admit(rules, spent(100, "a"), 1, "a", None, NOW)
    assert verdict is not None
    assert (verdict.code, verdict.facts["action"]) == ("budget_exceeded", action)
    assert rules.in_force("a", None, None)
    assert budget.admit(rules, spent(100, "a"), 1, "b", None, NOW) is None


@pytest.mark.parametrize("action", EVERY)
def test_what_costs_nothing_is_never_stopped(action: str) -> None:
    free, local = deployment("f"), deployment("l", kind="local", tier="paid")
    paid = deployment("p", tier="paid", price=Price(1, 1))
    stop = Verdict("budget", "budget_exceeded", "x", facts={"action": action})
    ask = Ask(profile(), Policy(), Resolution("auto", "auto"), NOW, no_paid=stop)
    passing = {
        c.deployment.id
        for c in explain(ask, PlainSnapshot.of([free, local, paid]))
        if c.verdict is None
    }
    assert passing == {free.id, local.id}


def test_local_only_prefers_what_is_local() -> None:
    local = deployment("l", kind="local", tier="paid", intelligence=1.0, speed=1.0)
    strong = deployment("f", intelligence=9.0, speed=9.0)
    level = actions.level_of(LOCAL_ONLY)
    assert level is not None
    policy = combine([level, Level("request", strategy="quality-first")])
    ask = Ask(profile(), policy, Resolution("auto", "auto"), NOW)
    winner = decide(ask, PlainSnapshot.of([strong, local])).winner
    assert winner is not None
    assert winner.deployment is local


@pytest.mark.parametrize(("action", "found"), [(DOWNGRADE, True), (LOCAL_ONLY, True),
                                               (WARN, False), (BLOCK, False)])  # fmt: skip
def test_an_action_is_the_last_resort_where_it_can_help(action: str, found: bool) -> None:
    refused = Verdict("budget", "budget_exceeded", "x", facts={"action": action})
    other = Verdict("minIntelligence", "no_model_passes_gates", "y")
    assert (actions.last_resort([None, other, refused]) is not None) == found
