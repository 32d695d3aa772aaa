"""The kept order equals the sorted one, whatever happens to health; health itself."""

from __future__ import annotations

import random

import pytest
from fake_ledger import FakeClock, FakeLedger, deployment
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.books.books import Books
from freeloader.books.health import FADE_S, HealthBook
from freeloader.books.ranking import ORDERS_MAX, Ranking
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Deployment, Weights
from freeloader.core.outcome import Outcome
from freeloader.core.ranking import scoring
from freeloader.core.ranking.strategies import key_of
from freeloader.core.snapshot import UNMEASURED, Health, Rank

WANTED = [
    *(Rank("score", scoring.shares(w, False)) for w in (Weights(), Weights(1, 0, 0))),
    Rank("score", scoring.shares(Weights(), True)),
    Rank("score", scoring.shares(Weights(), False), "coding", 5.5),
    Rank("price", scoring.shares(Weights(), False), mix=2),
    *(
        Rank(by, scoring.shares(Weights(), False))
        for by in ("latency", "intelligence", "provider", "priority")
    ),
]
PLAIN = WANTED[0]


def many(count: int, seed: int) -> list[Deployment]:
    dice = random.Random(seed)
    return [
        deployment(
            f"p{i % 7}",
            i,
            tier=dice.choice(["free", "paid"]),
            kind=dice.choice(["cloud", "cloud", "local"]),
            priority=dice.choice([1, 100]),
            speed=dice.choice([None, 3.0, 5.0]),
            intelligence=dice.choice([None, 5.0, 9.0]),
        )
        for i in range(count)
    ]


def sorted_anew(books: Books, rank: Rank) -> list[str]:
    key = key_of(rank)
    every = books.deployments.values()
    return [d.id for d in sorted(every, key=lambda d: key(d, books.health(d.id)))]


@settings(deadline=None)
@given(
    st.integers(1, 60),
    st.integers(0, 10**6),
    st.lists(
        st.tuples(
            st.sampled_from(["ok", "fail", "look", "replace"]),
            st.integers(0, 59),
            st.floats(1, 20_000),
            st.integers(0, 4000),
        ),
        max_size=80,
    ),
)
def test_the_order_is_the_sorted_one(
    count: int, seed: int, plan: list[tuple[str, int, float, int]]
) -> None:
    clock = FakeClock()
    books = Books(FakeLedger(), clock, BudgetRules())
    found = many(count, seed)
    books.set_deployments(found)
    for what, which, latency, tokens in plan:
        target = found[which % len(found)]
        if what == "ok":
            books.record(target, None, latency, latency / 3, tokens, clock.now())
        elif what == "fail":
            outcome = Outcome("their_fault", "500")
            books.record(target, outcome, latency, None, 0, clock.now())
        elif what == "replace":
            found = found[1:] or found
            books.set_deployments(found)
        else:
            rank = WANTED[which % len(WANTED)]
            assert list(books.ranked(rank)) == sorted_anew(books, rank)
    for rank in WANTED:
        assert list(books.ranked(rank)) == sorted_anew(books, rank)


@given(st.integers(2, 40), st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(count: int, seed: int, dice: random.Random) -> None:
    found = many(count, seed)
    mixed = list(found)
    dice.shuffle(mixed)
    orders = []
    for some in (found, mixed):
        books = Books(FakeLedger(), FakeClock(), BudgetRules())
        books.set_deployments(some)
        orders.append(list(books.ranked(PLAIN)))
    assert orders[0] == orders[1]


def test_ties_go_by_priority_then_id() -> None:
    found = [deployment("b", priority=1), deployment("a"), deployment("c", priority=1)]
    books = Books(FakeLedger(), FakeClock(), BudgetRules())
    books.set_deployments(found)
    assert list(books.ranked(PLAIN)) == ["b@0/m", "c@0/m", "a@0/m"]


def test_only_so_many_orders_are_kept() -> None:
    ranking = Ranking(lambda _: UNMEASURED)
    ranking.replace({d.id: d for d in many(5, 1)})
    for i in range(100):
        ranking.ranked(Rank("score", scoring.shares(Weights(1, i, 0), False)))
    assert len(ranking._orders) == ORDERS_MAX


def test_the_version_changes_with_the_set() -> None:
    books = Books(FakeLedger(), FakeClock(), BudgetRules())
    before = books.version
    books.set_deployments(many(2, 1))
    assert books.version != before
    assert set(books.deployments) == {"p0@0/m", "p1@1/m"}


def test_health_starts_unmeasured_and_averages() -> None:
    health = HealthBook()
    assert health.of("d") == UNMEASURED
    health.answered("d", 1000, 200, 80, 0.0)
    assert health.of("d") == Health(1, 1.0, 1000, 200, 100.0)
    health.answered("d", 1000, 400, 180, 0.0)
    assert health.of("d").tokens_per_second == pytest.approx(200)
    assert health.of("d").first_ms == pytest.approx(300)
    health.failed("d", 0.0)
    assert health.of("d").success_rate == pytest.approx(2 / 3)
    health.keep_only(frozenset())
    assert health.of("d") == UNMEASURED


@pytest.mark.parametrize(
    ("latency", "first", "tokens", "rate"),
    [
        (1000, None, 100, 100.0),  # in one piece
        (1000, 990, 100, 100.0),  # a stream that came all at once at its end
        (1000, 500, 100, 200.0),
        (1000, 500, 3, None),  # too short to tell
    ],
)
def test_the_rate_is_that_of_generating(
    latency: float, first: float | None, tokens: int, rate: float | None
) -> None:
    health = HealthBook()
    health.answered("d", latency, first, tokens, 0.0)
    assert health.of("d").tokens_per_second == rate


def test_p95_is_of_the_latest_answers() -> None:
    health = HealthBook()
    for i in range(1, 101):
        health.answered("d", i, None, 0, 0.0)
    assert health.of("d").latency_ms == 97  # of 37 … 100
    for _ in range(64):
        health.answered("d", 5, None, 0, 0.0)
    assert health.of("d").latency_ms == 5


def test_old_failures_are_forgotten() -> None:
    health = HealthBook()
    for _ in range(10):
        health.failed("d", 0.0)
    for _ in range(300):
        health.answered("d", 1, None, 0, 0.0)
    rate = health.of("d").success_rate
    assert rate is not None
    assert rate > 0.99


def test_what_refuses_fades_and_the_speed_stays() -> None:
    health = HealthBook()
    for _ in range(10):
        health.answered("slow", 20_000, 500, 100, 0.0)
        health.failed("bad", 0.0)
    health.answered("new", 10, None, 0, FADE_S)
    assert health.fade(FADE_S) == []
    assert sorted(health.fade(FADE_S + 1)) == ["bad", "slow"]
    faded, speed = health.of("slow"), pytest.approx(100 / 19.5)
    assert (faded.samples, faded.success_rate, faded.latency_ms) == (0, None, None)
    assert faded.tokens_per_second == speed
    assert health.of("bad").success_rate is None
    assert health.of("new").samples == 1
    health.answered("slow", 100, None, 0, FADE_S + 2)
    assert (health.of("slow").samples, health.of("slow").latency_ms) == (1, 100)
    assert health.of("slow").tokens_per_second == speed


def test_a_measured_refusal_does_not_last_for_ever() -> None:
    """The default strategy refuses above 10 s: one slow minute may not lock everybody out."""
    health = HealthBook()
    clock = 0.0
    for _ in range(20):
        health.answered("only", 12_000, None, 50, clock)
    refused = health.of("only")
    assert refused.latency_ms == 12_000
    health.fade(clock + FADE_S + 0.25)
    assert health.of("only").latency_ms is None
