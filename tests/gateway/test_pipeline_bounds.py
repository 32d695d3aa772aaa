"""What one request may cost and what it is charged: bounds, missing usage, proofs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import deployment, profile
from pipeline_world import (
    FIRST,
    GOOD,
    PAID,
    SECOND,
    chunk,
    collect,
    fault,
    used,
    whole,
    world,
)

from freeloader.core.events import Delta, End, Event, Fault, Headers, Usage
from freeloader.core.model import (
    FallbackPlan,
    Level,
)
from freeloader.core.routing.bounds import upper_meters
from freeloader.errors import (
    FreeloaderError,
)
from freeloader.money import Meters, Price


async def test_an_answer_says_what_the_premium_model_would_have_cost() -> None:
    paid = deployment("gold", "m", tier="paid", price=PAID)
    house = world({paid.id: [list(GOOD)]}, paid)
    run = house.begin(stream=True)
    assert await run.first(5)
    assert "savings" not in run.routing(), "nobody knows yet"
    await collect(run)
    assert run.accounting()["savings"] == run.routing()["savings"]
    assert run.routing()["savings"] == {
        "premiumModel": "best/of-all",
        "wouldHaveCost": 0.0002,
        "saved": 0.00018,
        "savedPercent": 90.0,
    }


async def test_only_answers_are_compared_and_failures_are_not_charged_to_nobody() -> None:
    house = world({FIRST.id: [[Headers(200, {}), fault(None)]], SECOND.id: [list(GOOD)]})
    run = house.begin(stream=True)
    await run.first(5)
    await collect(run)
    assert [facts.premium_pico for facts in house.books.facts] == [None, 200_000_000]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (fault(None, "connect"), ("release", False)),
        (fault(429), ("release", True)),
        (fault(500), ("release", True)),
        (fault(None, "head", timeout=True), ("settle", "hold")),
        (fault(None, "head"), ("settle", "hold")),
        (fault(None, "head", lane_fault=True), ("settle", "hold")),
    ],
)
async def test_a_hold_is_released_only_where_nothing_can_have_been_consumed(
    end: Fault, expected: tuple[str, Any]
) -> None:
    plan = Level("settings", fallback=FallbackPlan(mode="fail"), max_wait_ms=0)
    house = world({FIRST.id: [[end]]}, FIRST, level=plan)
    with pytest.raises(FreeloaderError):
        await house.begin().first(5)
    what, detail = expected
    (row,) = house.books.said(what)
    assert row[1] == detail
    assert len(house.books.said("settle") + house.books.said("release")) == 1


async def test_missing_usage_is_counted_and_marked_never_free() -> None:
    events = [chunk("some words"), End()]
    house = world({FIRST.id: [events]})
    run = house.begin(stream=True)
    await run.first(5)
    await collect(run)
    (settled,) = house.books.said("settle")
    assert settled[1] == "counted"
    assert run.accounting()["estimated"] is True
    whole_answer = world({FIRST.id: [[whole(), End()]]})
    run = whole_answer.begin()
    await run.first(5)
    await collect(run)
    assert whole_answer.books.said("settle")[0][1] == "hold"


async def test_a_requests_cap_bounds_the_sum_of_its_attempts() -> None:
    one = deployment("a", "m", tier="paid", price=PAID, speed=9.0)
    two = deployment("b", "m", tier="paid", price=PAID, speed=2.0)
    hold = PAID.ceiling(profile().upper)
    lost = fault(None, "head", timeout=True)
    capped = Level("request", max_cost=hold + hold // 2)
    house = world({one.id: [[lost]], two.id: [list(GOOD)]}, one, two)
    with pytest.raises(FreeloaderError):
        await house.begin(level=capped).first(5)
    assert len(house.lane.sent) == 1
    assert house.books.said("settle") == [(one.id, "hold", profile().upper)]


@pytest.mark.parametrize(
    ("capabilities", "thought", "all_of_it"),
    [
        (frozenset({"streaming", "reasoning"}), None, True),
        (frozenset({"streaming", "reasoning"}), "hm", False),
        (frozenset({"streaming"}), None, False),
    ],
)
async def test_what_may_have_been_thought_unseen_is_charged_too(
    capabilities: frozenset[str], thought: str | None, all_of_it: bool
) -> None:
    paid = deployment("a", "m", tier="paid", price=PAID, capabilities=capabilities)
    script: list[Event] = [chunk("one")]
    if thought:
        delta = {"reasoning_content": thought}
        script.insert(0, Delta({"choices": [{"index": 0, "delta": delta}]}, True))
    house = world({paid.id: [script]}, paid)
    run = house.begin(stream=True)
    assert await run.first(5)
    while house.lane.scripts[paid.id]:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    run.abandon()
    await house.tasks.drain(5)
    (settled,) = house.books.said("settle")
    assert settled[1] == "counted"
    upper = upper_meters(profile(), paid).output
    assert (settled[2].output == upper) is all_of_it
    assert upper > 20


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"max_tokens": 4000}, {"max_tokens": 1000}),
        ({"max_completion_tokens": 4000}, {"max_completion_tokens": 1000}),
        (
            {"max_tokens": 4000, "max_completion_tokens": 4000},
            {"max_tokens": 1000, "max_completion_tokens": 1000},
        ),
        ({}, {"max_tokens": 1000}),
    ],
)
async def test_a_lowered_bound_is_sent_under_the_clients_own_name_and_said(
    given: dict[str, int], sent: dict[str, int]
) -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    house = world({paid.id: [list(GOOD)]}, paid)
    house.books.budget_left = 2_000_000 * 1000
    output = 4000 if given else 0
    run = house.begin(
        upper=Meters(requests=1, output=output), bounded=bool(given), payload=given, stream=True
    )
    assert await run.first(5)
    await collect(run)
    (attempt,) = house.lane.sent
    assert dict(attempt.profile.payload) == sent
    assert run.headers()["X-Freeloader-Max-Tokens"] == "1000"


async def test_where_nobody_knows_a_bound_the_owners_ceiling_is_sent() -> None:
    paid = deployment("a", "m", tier="paid", price=PAID, max_output=None)
    house = world({paid.id: [list(GOOD)]}, paid)
    house.books.ceiling = 512
    run = house.begin(bounded=False, upper=Meters(requests=1), stream=True)
    assert await run.first(5)
    await collect(run)
    assert house.lane.sent[0].profile.payload["max_tokens"] == 512
    assert run.headers()["X-Freeloader-Max-Tokens"] == "512"


async def test_a_bound_that_fits_is_left_alone() -> None:
    house = world({FIRST.id: [list(GOOD)]})
    run = house.begin(stream=True)
    assert await run.first(5)
    await collect(run)
    assert "X-Freeloader-Max-Tokens" not in run.headers()


@pytest.mark.parametrize(
    ("said", "proven"),
    [({"cost": 0}, True), ({"cost": 0.0}, True), ({"cost": 0.01}, False), ({}, False),
     ({"cost": None}, False), ({"cost": False}, False), ({"cost": "0"}, False)],
)  # fmt: skip
async def test_only_the_providers_own_word_proves_a_call_free(
    said: dict[str, Any], proven: bool
) -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    told = Usage(Meters(requests=1, input=10, output=5), True, said)
    house = world({paid.id: [[whole(), told, End()]]}, paid)
    run = house.begin()
    assert await run.first(5)
    await collect(run)
    assert house.books.facts[-1].proven_free is proven


async def test_pictures_are_counted_by_us_where_the_provider_counts_tokens_only() -> None:
    priced = Price(1_000_000, 2_000_000, per_image=7)
    paid = deployment("a", "m", tier="paid", price=priced)
    house = world({paid.id: [[whole(), used(10, 5), End()]]}, paid)
    run = house.begin(upper=Meters(requests=1, input=9_000, output=500, images=3))
    assert await run.first(5)
    await collect(run)
    ((_, basis, meters),) = house.books.said("settle")
    assert (basis, meters.images) == ("reported", 3)
    assert house.journal.decisions[0].cost_pico == priced.cost(Meters(1, 10, output=5)) + 3 * 7
