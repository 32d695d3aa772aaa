"""The laws of the decider: deterministic, order-free, equal to explain, monotone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from houses import PlainSnapshot, deployment, profile
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core import routing
from freeloader.core.model import Deployment, Gates, Level, Limit, Resolution, Verdict
from freeloader.core.policy import combine
from freeloader.core.routing import bounds
from freeloader.core.snapshot import Health
from freeloader.money import Price

AUTO = Resolution("auto", "auto")
STRATEGIES = ["balanced", "cost-first", "speed-first", "quality-first", "local-first", "priority"]


@st.composite
def houses(draw: st.DrawFn) -> list[Deployment]:
    count = draw(st.integers(1, 12))
    return [
        deployment(
            draw(st.sampled_from(["a", "b", "ollama"])),
            f"m{i}",
            kind=draw(st.sampled_from(["cloud", "local"])),
            tier=draw(st.sampled_from(["free", "paid"])),
            priority=draw(st.integers(1, 3)),
            intelligence=draw(st.none() | st.floats(1, 10)),
            speed=draw(st.none() | st.floats(1, 10)),
            price=draw(st.none() | st.just(Price(100_000, 400_000)) | st.just(Price(1, 1))),
            free=draw(st.booleans()),
        )
        for i in range(count)
    ]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[PlainSnapshot, routing.Ask]:
    every = draw(houses())
    ids = [d.id for d in every]
    some = st.frozensets(st.sampled_from(ids))
    snapshot = PlainSnapshot.of(
        every,
        full=draw(some),
        healths={i: Health(20, 0.9, 500, 100, draw(st.floats(1, 500))) for i in draw(some)},
        budget_left=draw(st.none() | st.integers(0, 10**9)),
    )
    level = Level(
        "request",
        strategy=draw(st.sampled_from(STRATEGIES)),
        gates=Gates(min_intelligence=draw(st.none() | st.floats(1, 10))),
    )
    stay = draw(st.none() | st.sampled_from(ids))
    ask = routing.Ask(profile(), combine([level]), AUTO, 1e9, draw(some), stay=stay)
    return snapshot, ask


def _winner(ask: routing.Ask, snapshot: PlainSnapshot) -> str | None:
    winner = routing.decide(ask, snapshot).winner
    return winner.deployment.id if winner else None


def _steps_not_down(ask: routing.Ask, *snapshots: PlainSnapshot) -> bool:
    """Whether quality-first may answer with an error, since a budget is gone (never
    a step down). Then nobody passes, whoever else there is: the one stated exception."""
    return ask.policy.strategy == "quality-first" and any(
        c.verdict is not None and c.verdict.gate == "budget"
        for snapshot in snapshots
        for c in routing.explain(ask, snapshot)
    )


@given(worlds())
@settings(max_examples=300)
def test_decide_is_the_best_of_explain(world: tuple[PlainSnapshot, routing.Ask]) -> None:
    snapshot, ask = world
    every = routing.explain(ask, snapshot)
    passing = [c for c in every if c.verdict is None]
    assert _winner(ask, snapshot) == (passing[0].deployment.id if passing else None)
    assert len(every) == len(snapshot.every)


@given(worlds(), st.randoms())
def test_the_order_of_candidates_does_not_matter(
    world: tuple[PlainSnapshot, routing.Ask], rng: Any
) -> None:
    snapshot, ask = world
    shuffled = list(snapshot.every.values())
    rng.shuffle(shuffled)
    other = PlainSnapshot.of(
        shuffled,
        full=snapshot.full,
        healths=snapshot.healths,
        budget_left=snapshot.budget_left,
    )
    assert _winner(ask, snapshot) == _winner(ask, other)


@given(worlds(), st.data())
def test_removing_a_refused_candidate_never_changes_the_winner(
    world: tuple[PlainSnapshot, routing.Ask], data: st.DataObject
) -> None:
    snapshot, ask = world
    before = _winner(ask, snapshot)
    losers = [c.deployment.id for c in routing.explain(ask, snapshot) if c.verdict is not None]
    if not losers or (before is None and ask.policy.strategy == "quality-first"):
        return  # where a budget is gone quality-first has no winner, whoever else there is
    gone = data.draw(st.sampled_from(losers))
    fewer = PlainSnapshot.of(
        [d for i, d in snapshot.every.items() if i != gone],
        full=snapshot.full,
        healths=snapshot.healths,
        budget_left=snapshot.budget_left,
    )
    assert _winner(ask, fewer) == before


@given(worlds())
def test_more_quota_never_turns_a_yes_into_a_no(world: tuple[PlainSnapshot, routing.Ask]) -> None:
    snapshot, ask = world
    richer = PlainSnapshot.of(
        snapshot.every.values(), healths=snapshot.healths, budget_left=snapshot.budget_left
    )
    if _steps_not_down(ask, snapshot, richer):
        return
    yes = {c.deployment.id for c in routing.explain(ask, snapshot) if c.verdict is None}
    still = {c.deployment.id for c in routing.explain(ask, richer) if c.verdict is None}
    assert yes <= still


@given(worlds(), st.floats(1, 10))
def test_a_constraint_added_anywhere_lets_no_more_through(
    world: tuple[PlainSnapshot, routing.Ask], floor: float
) -> None:
    snapshot, ask = world
    added = Level("key", gates=Gates(min_intelligence=floor, free_only=True))
    own = Level("request", strategy=ask.policy.strategy, gates=ask.policy.gates)
    tighter = routing.Ask(ask.profile, combine([own, added]), AUTO, ask.now, ask.tried)
    if _steps_not_down(ask, snapshot):
        return
    yes = {c.deployment.id for c in routing.explain(ask, snapshot) if c.verdict is None}
    fewer = {c.deployment.id for c in routing.explain(tighter, snapshot) if c.verdict is None}
    assert fewer <= yes


def test_a_named_model_means_that_model() -> None:
    snapshot = PlainSnapshot.of([deployment("a", "x"), deployment("b", "y", intelligence=9.9)])
    named = Resolution("named", "a/x", frozenset({"a@1/x"}))
    ask = routing.Ask(profile(), combine([]), named, 0.0)
    assert _winner(ask, snapshot) == "a@1/x"
    full = PlainSnapshot.of(snapshot.every.values(), full=frozenset({"a@1/x"}))
    assert _winner(ask, full) is None


def test_a_stand_in_is_at_least_as_good_as_what_was_asked_for() -> None:
    weak = deployment("a", "weak", intelligence=2.9)
    unknown = deployment("a", "unknown", intelligence=None)
    good = deployment("b", "good", intelligence=3.0, speed=1.0)
    similar = Resolution("similar", "gpt-3.5-turbo", min_intelligence=3.0)
    ask = routing.Ask(profile(), combine([]), similar, 0.0)
    assert _winner(ask, PlainSnapshot.of([weak, unknown, good])) == "b@1/good"
    assert _winner(ask, PlainSnapshot.of([weak, unknown])) is None


def test_priority_follows_the_accounts_order_whatever_the_scores() -> None:
    first = deployment("a", "weak", intelligence=1.0, priority=1)
    second = deployment("b", "strong", intelligence=9.0, priority=2)
    policy = combine([Level("request", strategy="priority")])
    ask = routing.Ask(profile(), policy, AUTO, 0.0)
    assert _winner(ask, PlainSnapshot.of([second, first])) == "a@1/weak"


def test_a_pause_is_a_refusal_with_its_end() -> None:
    pause = Verdict("breaker", "quota_exhausted", "cooling down", until=99.0)
    snapshot = PlainSnapshot.of([deployment()], pauses={"groq@1/m": pause})
    decision = routing.decide(routing.Ask(profile(), combine([]), AUTO, 0.0), snapshot)
    assert decision.winner is None
    assert decision.refused[0].verdict == pause
    assert decision.counts == {"breaker": 1}


@pytest.mark.parametrize(
    ("window", "amount", "claim"),
    [
        ("1d", 2_000, 256), ("5h", 20_000, 1_000), ("month", 20_000, 1_000),
        ("1d", 200_000, 2_048), ("1m", 2_000, 2_048),
    ],
)  # fmt: skip
def test_an_unbounded_answer_claims_a_small_part_of_a_days_tokens(
    window: str, amount: int, claim: int
) -> None:
    limit = Limit("tokens", amount, window)
    free = deployment("a", "f", max_output=8_000)
    free = replace(free, account=replace(free.account, limits=(limit,)))
    assert bounds.upper_meters(profile(bounded=False), free).output == claim
    assert bounds.upper_meters(profile(), free) == profile().upper


def test_an_unbounded_answer_is_held_at_the_models_own_bound() -> None:
    paid = deployment("a", "p", tier="paid", price=Price(1_000_000, 2_000_000), max_output=100)
    asked = profile(bounded=False)
    assert bounds.upper_meters(asked, paid).output == 100
    assert bounds.hold_for(asked, paid) == 1_000 * 1_000_000 + 100 * 2_000_000
    assert bounds.hold_for(asked, deployment()) == 0
    assert bounds.hold_for(asked, deployment(tier="paid", price=None)) is None
