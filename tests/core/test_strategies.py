"""Each strategy's table: who is taken, of whom, and why not another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from houses import PlainSnapshot, deployment, profile

from freeloader.core import routing
from freeloader.core.model import FallbackPlan, Level, Resolution, Verdict
from freeloader.core.policy import combine
from freeloader.core.ranking.picking import Passing, Pick, Soft
from freeloader.core.snapshot import Health
from freeloader.money import Meters, Price

AUTO = Resolution("auto", "auto")


def ask(strategy: str, after: str | None = None, **level: Any) -> routing.Ask:
    policy = combine([Level("request", strategy=strategy, **level)])
    return routing.Ask(profile(), policy, AUTO, 0.0, after=after)


def winner(question: routing.Ask, snapshot: PlainSnapshot) -> str | None:
    decision = routing.decide(question, snapshot)
    best = routing.explain(question, snapshot)[:1]
    explained = next((c.deployment.id for c in best if c.verdict is None), None)
    found = decision.winner.deployment.id if decision.winner else None
    assert found == explained
    return found


def paid(provider: str, dollars: float, **fields: Any) -> Any:
    price = Price(int(dollars * 1e6), int(dollars * 1e6))
    return deployment(provider, "m", tier="paid", price=price, free=False, **fields)


def quick(ms: float) -> Health:
    return Health(20, 1.0, ms, ms / 2, 100.0)


def test_cost_first_takes_free_ones_then_the_cheapest() -> None:
    free = deployment("free", intelligence=3.0, speed=1.0)
    dear, cheap = paid("dear", 5.0, intelligence=9.0), paid("cheap", 0.1, intelligence=3.0)
    every = [dear, cheap, free]
    assert winner(ask("cost-first"), PlainSnapshot.of(every)) == "free@1/m"
    gone = frozenset({"free@1/m"})
    assert winner(ask("cost-first"), PlainSnapshot.of(every, full=gone)) == "cheap@1/m"
    assert winner(ask("cost-first"), PlainSnapshot.of(every, full=gone, budget_left=0)) is None


def test_cheapest_is_so_for_the_tokens_of_the_request() -> None:
    reads = deployment("reads", tier="paid", price=Price(100_000, 9_000_000), free=False)
    writes = deployment("writes", tier="paid", price=Price(900_000, 1_000_000), free=False)
    snapshot = PlainSnapshot.of([reads, writes])
    long_input = Meters(requests=1, input=60_000, output=200)
    wordy = Meters(requests=1, input=50, output=500)
    for meters, expected in ((long_input, "reads@1/m"), (wordy, "writes@1/m")):
        question = ask("cost-first")
        asked = replace(question.profile, expected=meters, upper=meters)
        assert winner(replace(question, profile=asked), snapshot) == expected


@pytest.mark.parametrize(
    ("tolerance", "expected"), [(1.0, "cheap@1/m"), (2.0, "mid@1/m"), (100.0, "fast@1/m")]
)
def test_speed_first_weighs_the_price_among_three(tolerance: float, expected: str) -> None:
    every = [paid("fast", 9.0), paid("mid", 1.5), paid("cheap", 1.0), paid("slow", 0.1)]
    spans = {"fast@1/m": 100, "mid@1/m": 200, "cheap@1/m": 300, "slow@1/m": 400}
    snapshot = PlainSnapshot.of(every, healths={i: quick(ms) for i, ms in spans.items()})
    assert winner(ask("speed-first", cost_tolerance=tolerance), snapshot) == expected


@pytest.mark.parametrize(
    ("prices", "tolerance", "expected"),
    [
        ((1.0, 1.0, 1.0), 1.0, "a"),  # as cheap as each other: the fastest
        ((2.0, 1.0, 1.0), 2.0, "a"),  # twice the cheapest is within twice the cheapest
        ((2.1, 1.5, 1.0), 2.0, "b"),
        ((2.1, 2.2, 1.0), 2.0, "c"),
        ((2.1, None, 1.0), 2.0, "c"),  # a price that nobody knows is within nothing
        ((None, None, None), 2.0, "a"),  # and where nobody knows any, speed decides
        ((1.0, 2.0, 0.0), 1000.0, "c"),  # free: nothing that costs is within any times of it
        ((0.0, 0.0, 0.0), 1.0, "a"),
    ],
)
def test_speed_first_takes_the_fastest_within_so_many_times_the_cheapest(
    prices: tuple[float | None, ...], tolerance: float, expected: str
) -> None:
    """A fourth that is slower has no say, cheap as it may be."""
    every = []
    for name, dollars in zip("abc", prices, strict=True):
        if dollars is None:
            every.append(deployment(name, "m", tier="paid", price=None, free=False))
        else:
            every.append(paid(name, dollars) if dollars else deployment(name, "m"))
    every.append(paid("d", 0.01))
    healths = {f"{name}@1/m": quick(100 * n) for n, name in enumerate("abcd", 1)}
    snapshot = PlainSnapshot.of(every, healths=healths)
    assert winner(ask("speed-first", cost_tolerance=tolerance), snapshot) == f"{expected}@1/m"


def test_speed_first_goes_by_what_is_measured_before_the_prior() -> None:
    said, is_quick = deployment("said", speed=10.0), deployment("is", speed=1.0)
    healths = {"said@1/m": quick(1_900), "is@1/m": quick(100)}
    assert winner(ask("speed-first"), PlainSnapshot.of([said, is_quick])) == "said@1/m"
    measured = PlainSnapshot.of([said, is_quick], healths=healths)
    assert winner(ask("speed-first"), measured) == "is@1/m"


def test_quality_first_takes_the_strongest_and_never_steps_down_for_money() -> None:
    strong = paid("strong", 5.0, intelligence=9.5)
    good = deployment("good", intelligence=8.0)
    twin = deployment("twin", intelligence=9.5, speed=1.0)
    question = ask("quality-first")
    assert winner(question, PlainSnapshot.of([good, strong])) == "strong@1/m"
    assert winner(question, PlainSnapshot.of([good, strong], budget_left=0)) is None
    refused = routing.refusals(question, PlainSnapshot.of([good, strong], budget_left=0))
    told = {c.deployment.id: c.verdict for c in refused}
    assert told["good@1/m"] is not None
    assert "does not step down from strong/m" in told["good@1/m"].reason
    assert told["good@1/m"].code == "budget_exceeded"
    # The same intelligence for nothing is no step down; a used-up quota is no budget.
    assert winner(question, PlainSnapshot.of([twin, strong], budget_left=0)) == "twin@1/m"
    full = PlainSnapshot.of([good, strong], full=frozenset({"strong@1/m"}))
    assert winner(question, full) == "good@1/m"


def test_quality_first_within_the_requests_own_limit_takes_the_best_that_fits() -> None:
    strong, good = paid("strong", 50.0, intelligence=9.5), paid("good", 1.0, intelligence=8.0)
    capped = ask("quality-first", max_cost=10**10)
    assert winner(capped, PlainSnapshot.of([strong, good])) == "good@1/m"


def test_local_first_takes_turns_over_the_healthy_rest() -> None:
    near = deployment("ollama", kind="local", intelligence=1.0)
    rest = [deployment(p, intelligence=5.0) for p in ("a", "b", "c")]
    assert winner(ask("local-first"), PlainSnapshot.of([*rest, near])) == "ollama@1/m"
    busy = PlainSnapshot.of([*rest, near], full=frozenset({"ollama@1/m"}))
    turns, after = [], None
    for _ in range(4):
        found = winner(ask("local-first", after), busy)
        assert found is not None
        after = found.split("@")[0]
        turns.append(after)
    assert turns == ["a", "b", "c", "a"]
    pause = {"b@1/m": Verdict("breaker", "upstream_failed", "resting")}
    sick = PlainSnapshot.of([*rest, near], full=frozenset({"ollama@1/m"}), pauses=pause)
    assert winner(ask("local-first", "a"), sick) == "c@1/m"


def test_who_is_put_back_serves_only_where_nobody_else_can() -> None:
    policy = combine([])
    spared = Soft(Verdict("pacing", "quota_exhausted", "ahead of its pace"), only_free=True)
    slow = Soft(Verdict("load", "overloaded", "slow"))
    free, other, billed = deployment("a"), deployment("b"), paid("c", 1.0)

    def taken(*offered: Passing) -> str | None:
        pick = Pick(policy, profile())
        for one in offered:
            pick.offer(one)
        found = pick.winner()
        return found.deployment.provider.id if found else None

    assert taken(Passing(free, slow), Passing(billed)) == "c"
    assert taken(Passing(free, spared), Passing(billed)) == "a"
    assert taken(Passing(free, spared), Passing(billed), Passing(other)) == "b"
    assert taken(Passing(billed), Passing(free, spared)) == "c"
    assert taken(Passing(free, slow)) == "a"
    assert taken(Passing(free, slow), Passing(other, spared)) == "b"
    assert taken() is None


def test_who_is_spared_is_not_replaced_by_somebody_not_up_to_the_need() -> None:
    """Planning a free quota saves it for others; it must not give a poor answer for it."""
    spared = Soft(Verdict("pacing", "quota_exhausted", "ahead of its pace"), True, 0.9)
    less = spared._replace(strain=0.3)
    able, dull = deployment("able", intelligence=7.0), deployment("dull", intelligence=2.0)
    unknown = deployment("unknown", intelligence=None)
    coder = deployment("coder", intelligence=2.0, strengths={"coding": 8.0})

    def taken(need: float | None, *offered: Passing) -> str | None:
        pick = Pick(combine([]), profile(need=need, task="coding"))
        for one in offered:
            pick.offer(one)
        found = pick.winner()
        return found.deployment.provider.id if found else None

    assert taken(6.0, Passing(able, spared), Passing(dull)) == "able"
    assert taken(6.0, Passing(able, spared), Passing(unknown)) == "able"
    assert taken(6.0, Passing(able, spared), Passing(dull), Passing(coder)) == "coder"
    assert taken(6.0, Passing(able, spared), Passing(dull, less)) == "able"
    assert taken(6.0, Passing(dull, spared), Passing(unknown)) == "unknown", "neither is"
    for need in (None, 2.0):
        assert taken(need, Passing(able, spared), Passing(dull)) == "dull"
        assert taken(need, Passing(able, spared), Passing(dull, less)) == "dull"


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (FallbackPlan(), "rest@1/m"),
        (FallbackPlan(on_quota_exceeded="local"), "ollama@1/m"),
        (FallbackPlan(mode="local"), "ollama@1/m"),
        (FallbackPlan(on_quota_exceeded="error"), None),
        (FallbackPlan(mode="error"), None),
    ],
)
def test_what_may_follow_where_a_quota_is_known_to_be_gone(
    plan: FallbackPlan, expected: str | None
) -> None:
    gone = deployment("gone", "best", speed=9.0)
    rest, near = deployment("rest", speed=5.0), deployment("ollama", kind="local", speed=1.0)
    snapshot = PlainSnapshot.of([gone, rest, near], full=frozenset({gone.id}))
    question = ask("balanced", fallback=plan)
    assert winner(question, snapshot) == expected
    # The same model elsewhere is no fallback, and nothing changes while the quota is there.
    twin = deployment("twin", "best", speed=2.0)
    both = PlainSnapshot.of([gone, rest, near, twin], full=frozenset({gone.id}))
    assert winner(question, both) in {expected, twin.id} - {None}
    assert winner(question, PlainSnapshot.of([gone, rest, near])) == gone.id
    codes = {c.verdict.code for c in routing.refusals(question, snapshot) if c.verdict}
    assert codes <= {"quota_exhausted"}
