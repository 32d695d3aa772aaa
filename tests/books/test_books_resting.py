"""Who is left alone after a failure, how far that reaches, and who tries again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_ledger import NOON, TOKENS, FakeClock, FakeLedger, deployment, opened
from money_kit import FREE, code, reserve

from freeloader.books.ports import Hold
from freeloader.core.budget import BudgetRules
from freeloader.core.events import Answer
from freeloader.core.outcome import ENTRY_REFUSED, Outcome, classify


async def test_only_one_tries_after_a_pause() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), FREE)
    slow = Outcome("slow_down", "429", until=NOON + 30, window="1m", scope="model")
    books.record(FREE, slow, 10, None, 0, clock.now())
    assert code(await reserve(books, clock, "a", FREE)) == "quota_exhausted"
    clock.go(30)
    first = await reserve(books, clock, "b", FREE)
    assert isinstance(first, Hold)
    assert code(await reserve(books, clock, "c", FREE)) == "quota_exhausted"
    await books.release(first, clock.now())
    second = await reserve(books, clock, "d", FREE)
    assert isinstance(second, Hold)
    await books.settle(second, TOKENS, "reported", clock.now())
    books.record(FREE, None, 100, 10, 100, clock.now())
    assert code(await reserve(books, clock, "e", FREE)) == "held"
    assert code(await reserve(books, clock, "f", FREE)) == "held"


@pytest.mark.parametrize(
    ("scope", "paused"),
    [
        ("model", {"p@0/m", "p@1/m"}),
        ("account", {"p@0/m", "p@1/m", "p@0/n"}),
        ("provider", {"p@0/m", "p@1/m", "p@0/n", "p@2/m"}),
    ],
)
async def test_a_pause_reaches_as_far_as_its_scope(scope: str, paused: set[str]) -> None:
    """``p@1`` is another key of account ``p@0``; ``p@2`` another account."""
    all_ = [
        deployment(),
        deployment(idx=1, same=0),
        deployment(model="n"),
        deployment(idx=2),
        deployment("q"),
    ]
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), *all_)
    outcome = Outcome("slow_down", "429", until=NOON + 30, scope=scope)
    books.record(all_[0], outcome, 10, None, 0, clock.now())
    assert {d.id for d in all_ if books.paused(d, clock.wall) is not None} == paused


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
async def test_r13_a_clock_that_is_set_does_not_lengthen_a_rest(jump: float) -> None:
    """Half a minute became a day and half a minute, where nobody else was asked meanwhile."""
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), FREE)
    for _ in range(5):
        books.record(FREE, Outcome("their_fault", "500"), 10, None, 0, clock.now())
    assert books.paused(FREE, clock.wall) is not None
    clock.wall += jump
    await books.flush_dirty()
    verdict = books.paused(FREE, clock.wall)
    assert verdict is not None
    assert verdict.until is not None
    assert verdict.until - clock.wall == pytest.approx(30)
    clock.go(30)
    assert books.paused(FREE, clock.wall) is None


async def test_a_model_that_litellm_left_out_is_not_asked_in_vain_with_every_request() -> None:
    one, other = deployment(), deployment(model="n")
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), one, other)
    answer = Answer(None, body="left out", error_class=ENTRY_REFUSED, lane_fault=True)
    judged = classify(answer, (), (), clock.wall)
    books.record(one, judged, 10, None, 0, clock.now())
    verdict = books.paused(one, clock.wall)
    assert verdict is not None
    assert "left out" in verdict.reason
    assert books.paused(other, clock.wall) is None
    clock.go(301)
    assert books.paused(one, clock.wall) is None, "the owner may have mended it"


async def test_a_new_list_ends_no_other_rest() -> None:
    one, other = deployment(), deployment(model="n")
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), one, other)
    answer = Answer(None, body="left out", error_class=ENTRY_REFUSED, lane_fault=True)
    spent = Outcome("slow_down", "429", until=clock.wall + 600, window="1h", scope="model")
    for which in (one, other):
        books.record(which, classify(answer, (), (), clock.wall), 10, None, 0, clock.now())
    books.record(other, spent, 10, None, 0, clock.now())
    books.listed_anew()
    assert books.paused(one, clock.wall) is None
    assert code(await reserve(books, clock, "a", one)) == "held"
    longer = books.paused(other, clock.wall)
    assert longer is not None
    assert longer.code == "quota_exhausted"


async def test_a_bad_key_stops_that_key_until_the_account_changes() -> None:
    one, twin = deployment(), deployment(idx=1, same=0)
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), one, twin)
    books.record(one, Outcome("key_bad", "401", scope="account"), 10, None, 0, clock.now())
    verdict = books.paused(one, clock.go(3600).wall)
    assert verdict is not None
    assert verdict.until is None
    assert books.paused(twin, clock.wall) is None
    books.set_deployments([one, twin])
    assert books.paused(one, clock.wall) is not None
    changed = replace(one, account=replace(one.account, verified=True))
    books.set_deployments([changed, twin])
    assert books.paused(changed, clock.wall) is None


@pytest.mark.parametrize("kind", ["our_fault", "client_fault", "request_too_large", "ok"])
async def test_what_is_not_their_fault_pauses_nothing(kind: str) -> None:
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, BudgetRules(), FREE)
    for _ in range(20):
        books.record(FREE, Outcome(kind, "x", scope="request"), 10, None, 0, clock.now())
    assert books.paused(FREE, clock.wall) is None
    assert books.health(FREE.id).success_rate in (None, 1.0)
