"""Budgets: hard means hard, in any interleaving; the refusal says what and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core import budget
from freeloader.core.budget import GLOBAL, BudgetRules
from freeloader.core.budget.balances import SCOPES_MAX, Balance, Balances

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
CENT = 10**10
DAY_END = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
MONTH_END = datetime(2026, 12, 1, tzinfo=UTC).timestamp()


def spend(
    balances: Balances, amount: int, project: str | None = None, key: str = "", now: float = NOW
) -> None:
    touched = tuple(b for scope in budget.scopes(project, key) for b in balances.both(scope, now))
    budget.hold(touched, amount)
    budget.settle(touched, amount, amount)


def held(balances: Balances, amount: int, now: float = NOW) -> tuple[Balance, ...]:
    touched = balances.both(GLOBAL, now)
    budget.hold(touched, amount)
    return touched


def test_without_limits_everything_fits() -> None:
    assert budget.admit(BudgetRules(), Balances("UTC"), 10**15, None, "k", NOW) is None


def test_to_the_last_picodollar_and_not_one_more() -> None:
    rules, balances = BudgetRules(hard_daily=100), Balances("UTC")
    spend(balances, 60)
    assert budget.admit(rules, balances, 40, None, None, NOW) is None
    verdict = budget.admit(rules, balances, 41, None, None, NOW)
    assert verdict is not None
    assert (verdict.code, verdict.until) == ("budget_exceeded", DAY_END)


def test_held_by_others_is_busy_and_spent_is_exceeded() -> None:
    rules, balances = BudgetRules(hard_daily=100), Balances("UTC")
    touched = held(balances, 80)
    busy = budget.admit(rules, balances, 30, None, None, NOW)
    assert busy is not None
    assert (busy.code, busy.until) == ("budget_busy", NOW + budget.RECHECK)
    budget.settle(touched, 80, 75)
    exceeded = budget.admit(rules, balances, 30, None, None, NOW)
    assert exceeded is not None
    assert exceeded.code == "budget_exceeded"
    assert "daily budget" in exceeded.reason


def test_a_hold_above_the_whole_budget_never_fits() -> None:
    verdict = budget.admit(BudgetRules(hard_daily=100), Balances("UTC"), 101, None, None, NOW)
    assert verdict is not None
    assert (verdict.code, verdict.until) == ("budget_exceeded", None)


def test_the_longest_refusal_is_named() -> None:
    rules = BudgetRules(hard_daily=100, hard_monthly=100)
    balances = Balances("UTC")
    spend(balances, 90)
    verdict = budget.admit(rules, balances, 20, None, None, NOW)
    assert verdict is not None
    assert verdict.until == MONTH_END
    assert "monthly budget" in verdict.reason


@pytest.mark.parametrize(
    ("rules", "project", "key", "named"),
    [
        (BudgetRules(allocations={"a": (100, None)}), "a", "", "daily budget of project a"),
        (BudgetRules(allocations={"a": (None, 100)}), "a", "", "monthly budget of project a"),
        (BudgetRules(allocations={"default": (100, None)}), None, "", "project default"),
        (BudgetRules(allocations={"default": (100, None)}), "x", "", "project x"),
        (BudgetRules(keys={"k1": (100, None)}), None, "k1", "daily budget of key k1"),
        (BudgetRules(keys={"k1": (None, 100)}), None, "k1", "monthly budget of key k1"),
        (BudgetRules(hard_monthly=100), "a", "k1", "monthly budget"),
    ],
)
def test_every_budget_stops(rules: BudgetRules, project: str | None, key: str, named: str) -> None:
    balances = Balances("UTC")
    spend(balances, 90, project, key)
    assert budget.admit(rules, balances, 10, project, key, NOW) is None
    verdict = budget.admit(rules, balances, 11, project, key, NOW)
    assert verdict is not None
    assert named in verdict.reason
    assert rules.in_force(project, key, None)


def test_projects_and_keys_do_not_pay_for_each_other() -> None:
    rules = BudgetRules(
        allocations={"a": (100, None), "default": (50, None)}, keys={"k1": (100, None)}
    )
    balances = Balances("UTC")
    spend(balances, 100, "a", "k1")
    assert budget.admit(rules, balances, 50, "b", "k2", NOW) is None
    assert budget.admit(rules, balances, 50, None, "k2", NOW) is None
    spend(balances, 50, "b", "k2")
    assert budget.admit(rules, balances, 50, "c", "k2", NOW) is None


def test_what_costs_nothing_is_never_refused() -> None:
    rules, balances = BudgetRules(hard_daily=100), Balances("UTC")
    spend(balances, 100)
    assert budget.admit(rules, balances, 0, None, None, NOW) is None


@pytest.mark.parametrize(
    ("limit", "before", "cost", "fits"),
    [(100, 0, 100, True), (100, 0, 101, False), (100, 60, 40, True), (100, 60, 41, False)],
)
def test_attempts_of_a_request_count_together(
    limit: int, before: int, cost: int, fits: bool
) -> None:
    assert (budget.admit_request(limit, before, cost, "per-request") is None) is fits


@pytest.mark.parametrize(
    ("rules", "max_cost", "project", "key", "wanted"),
    [
        (BudgetRules(), None, None, None, False),
        (BudgetRules(soft_daily=1, soft_monthly=1), None, None, None, False),
        (BudgetRules(), 5, None, None, True),
        (BudgetRules(hard_per_request=5), None, None, None, True),
        (BudgetRules(hard_daily=5), None, None, None, True),
        (BudgetRules(hard_monthly=5), None, None, None, True),
        (BudgetRules(allocations={"a": (1, None)}), None, "b", None, False),
        (BudgetRules(keys={"k": (1, None)}), None, None, "k", True),
        (BudgetRules(keys={"k": (1, None)}), None, None, "other", False),
    ],
)
def test_in_force(
    rules: BudgetRules, max_cost: int | None, project: str | None, key: str | None, wanted: bool
) -> None:
    assert rules.in_force(project, key, max_cost) is wanted


@pytest.mark.parametrize(
    ("zone", "moment", "ends"),
    [
        ("America/Los_Angeles", "2026-03-08T12:00", "2026-03-09T07:00"),
        ("America/Los_Angeles", "2026-11-01T12:00", "2026-11-02T08:00"),
        ("Europe/London", "2026-10-25T12:00", "2026-10-26T00:00"),
        ("Asia/Kolkata", "2026-11-20T12:00", "2026-11-20T18:30"),
    ],
)
def test_a_day_of_the_budget_is_a_day_of_its_zone(zone: str, moment: str, ends: str) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    end = datetime.fromisoformat(ends).replace(tzinfo=UTC).timestamp()
    rules, balances = BudgetRules(hard_daily=100, timezone=zone), Balances(zone)
    spend(balances, 100, now=now)
    for at, fits in ((now, False), (end - 1, False), (end, True)):
        assert (budget.admit(rules, balances, 1, None, None, at) is None) is fits


def test_an_unknown_zone_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="not a time zone"):
        Balances("Mars/Olympus")


def test_a_hold_is_settled_in_the_day_it_was_made() -> None:
    balances = Balances("UTC")
    touched = held(balances, 70, DAY_END - 1)
    budget.settle(touched, 70, 60)
    assert balances.day(GLOBAL, DAY_END - 1).spent == 60
    assert balances.day(GLOBAL, DAY_END).spent == 0
    assert balances.month(GLOBAL, DAY_END).spent == 60


def test_a_clock_set_to_and_fro_finds_every_day_as_it_was() -> None:
    rules, balances = BudgetRules(hard_daily=100), Balances("UTC")
    spend(balances, 100)
    spend(balances, 30, now=NOW + 40 * 86400)
    assert budget.admit(rules, balances, 1, None, None, NOW) is not None
    assert budget.admit(rules, balances, 71, None, None, NOW + 40 * 86400) is not None
    assert budget.admit(rules, balances, 100, None, None, NOW + 86400) is None


def test_projects_beyond_all_measure_share_one_sum() -> None:
    balances = Balances("UTC")
    for i in range(SCOPES_MAX + 50):
        balances.month(f"project:{i}", NOW).spent += 1
        balances.day(f"project:{i}", NOW).spent += 1
    assert len(list(balances.scopes())) <= SCOPES_MAX + 1
    assert balances.month("project:new", NOW).spent > 1


steps = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "release", "hour"]),
        st.integers(0, 60),
        st.sampled_from([None, "a", "b"]),
        st.sampled_from(["k1", "k2"]),
    ),
    max_size=60,
)


@given(steps, st.integers(1, 200), st.integers(1, 400), st.integers(1, 100))
def test_no_admitted_hold_passes_a_hard_limit(
    plan: list[tuple[str, int, str | None, str]], daily: int, monthly: int, project_daily: int
) -> None:
    """Any order of reserve, settle (up to its hold), release and time."""
    rules = BudgetRules(
        hard_daily=daily,
        hard_monthly=monthly,
        allocations={"a": (project_daily, None)},
        keys={"k1": (project_daily, monthly)},
    )
    balances, now = Balances("UTC"), NOW
    open_: list[tuple[tuple[Balance, ...], int]] = []
    spent = 0
    for what, number, project, key in plan:
        if what == "hour":
            now += 3600
        elif what == "reserve":
            verdict = budget.admit(rules, balances, number, project, key, now)
            if verdict is not None:
                continue
            touched = tuple(
                b for scope in budget.scopes(project, key) for b in balances.both(scope, now)
            )
            budget.hold(touched, number)
            open_.append((touched, number))
        elif open_:
            touched, amount = open_.pop(number % len(open_))
            cost = min(amount, number) if what == "settle" else 0
            if what == "settle":
                budget.settle(touched, amount, cost)
            else:
                budget.release(touched, amount)
            spent += cost
        limits = [
            (balances.day(GLOBAL, now), daily),
            (balances.month(GLOBAL, now), monthly),
            (balances.day("project:a", now), project_daily),
            (balances.day("key:k1", now), project_daily),
            (balances.month("key:k1", now), monthly),
        ]
        for balance, limit in limits:
            assert 0 <= balance.spent + balance.held <= limit
            assert balance.held >= 0
    assert balances.month(GLOBAL, now).spent == spent
    assert balances.month(GLOBAL, now).held == sum(amount for _, amount in open_)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(1, 300))
def test_a_tighter_limit_never_lets_more_through(
    spent: int, cost: int, limit: int, tighter: int
) -> None:
    balances = Balances("UTC")
    spend(balances, spent)
    small = BudgetRules(hard_daily=min(limit, tighter))
    large = BudgetRules(hard_daily=limit)
    if budget.admit(small, balances, cost, None, None, NOW) is None:
        assert budget.admit(large, balances, cost, None, None, NOW) is None


def test_a_refusal_names_its_setting_its_numbers_and_its_reset() -> None:
    rules = BudgetRules(
        hard_daily=100, allocations={"a": (None, 50)}, keys={"k": (10, None)}, timezone="UTC"
    )
    balances = Balances("UTC")
    found = {
        cost: budget.admit(rules, balances, cost, project, key, 0.0)
        for cost, project, key in ((101, None, None), (60, "a", None), (20, None, "k"))
    }
    settings = [verdict.facts["setting"] if verdict else "" for verdict in found.values()]
    assert settings == ["budget.hard.daily", "budget.allocations.a.monthly", None]
    for cost, verdict in found.items():
        assert verdict is not None
        assert verdict.facts["needsUsd"] == cost / 1e12
        assert verdict.facts["resetsAt"] in verdict.reason


def test_asking_about_a_project_does_not_make_it_one() -> None:
    rules, balances = BudgetRules(allocations={"default": (100, None)}), Balances("UTC")
    assert budget.admit(rules, balances, 101, "never", "k", NOW) is not None
    assert balances.seen("project:asked", NOW) == (Balance(), Balance())
    assert list(balances.scopes()) == []
    spend(balances, 30, "seen")
    assert balances.seen("project:seen", NOW)[0].spent == 30
    assert list(balances.scopes()) == [GLOBAL, "project:seen"]


def test_beyond_the_scopes_that_are_kept_what_is_asked_is_what_they_share() -> None:
    rules, balances = BudgetRules(allocations={"default": (100, None)}), Balances("UTC")
    for number in range(SCOPES_MAX):
        balances.both(f"project:p{number}", NOW)
    spend(balances, 60, "late")
    verdict = budget.admit(rules, balances, 41, "later", None, NOW)
    assert verdict is not None, "those who share a sum are refused rather than forgotten"


@pytest.mark.parametrize(
    ("own", "default", "limits"),
    [
        (None, (5, 50), (5, 50)),
        ((9, None), (5, 50), (9, 50)),  # what the 402 advises: its daily limit alone is raised
        ((None, 90), (5, 50), (5, 90)),
        ((9, 90), (5, 50), (9, 90)),
        ((0, None), (5, 50), (0, 50)),  # nothing at all is a limit too
        ((9, None), (5, None), (9, None)),
        ((9, None), (None, 50), (9, 50)),
        ((9, None), None, (9, None)),
        (None, None, (None, None)),
    ],
)
def test_each_limit_of_a_project_is_its_own_or_the_defaults(
    own: tuple[int | None, int | None] | None,
    default: tuple[int | None, int | None] | None,
    limits: tuple[int | None, int | None],
) -> None:
    given = {"a": own, "default": default}
    rules = BudgetRules(allocations={name: pair for name, pair in given.items() if pair})
    assert rules.allocation("a") == limits
    assert rules.allocation(None) == rules.allocation("default") == (default or (None, None))
    assert rules.allocation("b") == (default or (None, None))


def test_raising_what_a_refusal_names_lifts_that_limit_and_no_other() -> None:
    rules = BudgetRules(allocations={"default": (10, 20)})
    balances = Balances("UTC")
    spend(balances, 10, "a")
    refused = budget.admit(rules, balances, 5, "a", None, NOW)
    assert refused is not None
    assert refused.facts["setting"] == "budget.allocations.a.daily"
    raised = replace(rules, allocations={**rules.allocations, "a": (100, None)})
    assert budget.admit(raised, balances, 5, "a", None, NOW) is None
    still = budget.admit(raised, balances, 50, "a", None, NOW)
    assert still is not None
    assert still.facts["setting"] == "budget.allocations.a.monthly"
