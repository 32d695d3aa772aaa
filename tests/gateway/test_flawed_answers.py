"""Answers with a flaw: somebody stronger is asked, both are paid, and nothing is hidden."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import deployment
from pipeline_world import GOOD, World, chunk, collect, fault, whole, world

from freeloader.clock import SystemClock
from freeloader.core.events import Delta, End, Usage
from freeloader.core.model import FallbackPlan, Level, Resolution
from freeloader.errors import UpstreamFailed
from freeloader.gateway.retries import RetryBudget
from freeloader.money import Meters

WEAK = deployment("a", "weak", intelligence=4.0, speed=9.0)
TWIN = deployment("b", "twin", intelligence=4.0, speed=9.0)
STRONG = deployment("c", "strong", intelligence=8.0, speed=1.0)
USED = Usage(Meters(1, 10, output=5))
JSON = {"response_format": {"type": "json_object"}}


def answer(text: str) -> list[Any]:
    return [whole(text), USED, End()]


def house(first: list[Any], *rest: Any, **rules: Any) -> World:
    scripts = {WEAK.id: [first], TWIN.id: [answer("twin")], STRONG.id: [answer('{"a": 1}')]}
    return world(scripts, WEAK, *(rest or (TWIN, STRONG)), **rules)


async def said(run: Any) -> str:
    await run.first(5)
    events = await collect(run)
    (delta,) = [e for e in events if isinstance(e, Delta)]
    content = delta.data["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


async def test_a_stronger_model_is_asked_and_both_are_paid() -> None:
    one = house(answer("no json"))
    run = one.begin(payload=JSON)
    assert await said(run) == '{"a": 1}'
    assert run.headers()["X-Freeloader-Attempts"] == "2"
    assert run.routing()["model"] == "c/strong"
    assert "flaw" not in run.routing()
    assert run.accounting()["quotaUsed"] == {"requests": 2, "input": 20, "output": 10}
    assert [row[:2] for row in one.books.said("settle")] == [
        (WEAK.id, "reported"),
        (STRONG.id, "reported"),
    ]
    assert one.books.said("record") == [(WEAK.id, "quality_failure"), (STRONG.id, "ok")]
    (decision,) = one.journal.decisions
    assert decision.detail["fallback"] == ["a stronger model is preferred to a/weak"]


async def test_where_nobody_is_stronger_an_equal_serves_but_never_a_weaker_one() -> None:
    weaker = deployment("d", "weaker", intelligence=2.0, speed=1.0)
    one = house(answer(""), TWIN)
    assert await said(one.begin()) == "twin"
    two = world({WEAK.id: [answer("")], weaker.id: [answer("worse")]}, WEAK, weaker)
    run = two.begin(level=Level("request", strategy="priority"))
    assert await said(run) == ""
    assert run.routing()["flaw"] == "it is empty"


async def test_an_answer_with_a_flaw_is_better_than_none_and_says_so() -> None:
    named = Resolution("named", "a/weak", frozenset({WEAK.id}))
    one = house(answer("no json"), resolution=named)
    run = one.begin(payload=JSON)
    assert await said(run) == "no json"
    assert run.routing()["flaw"] == "it is no JSON, which the request asked for"
    assert run.accounting()["tokensOut"] == 5
    assert one.journal.decisions[0].outcome == "answered"


async def test_who_wants_the_error_gets_it() -> None:
    plan = FallbackPlan(on_quality_failure="error")
    one = house(answer(""))
    with pytest.raises(UpstreamFailed, match="empty"):
        await one.begin(level=Level("request", fallback=plan)).first(5)


async def test_a_stream_that_ends_without_content_falls_back() -> None:
    scripts = {WEAK.id: [[chunk(), USED, End("stop")]], STRONG.id: [list(GOOD)]}
    one = world(scripts, WEAK, STRONG)
    run = one.begin(stream=True)
    await run.first(5)
    await collect(run)
    assert run.routing()["provider"] == "c"


async def test_a_filtered_stream_is_an_answer() -> None:
    filtered = Delta({"choices": [{"delta": {}, "finish_reason": "content_filter"}]}, False)
    one = world({WEAK.id: [[filtered, USED, End()]], STRONG.id: [list(GOOD)]}, WEAK, STRONG)
    run = one.begin(stream=True)
    await run.first(5)
    await collect(run)
    assert run.routing()["provider"] == "a"


async def test_the_daemon_retries_no_more_than_its_budget() -> None:
    scripts = {d.id: [[fault(500)]] * 9 for d in (WEAK, TWIN, STRONG)}
    one = world(scripts, WEAK, TWIN, STRONG)
    plan = Level("request", fallback=FallbackPlan(max_retries=2, retry_delay_ms=0))
    for _ in range(4):
        with pytest.raises(UpstreamFailed):
            await one.begin(level=plan).first(5)
    assert len(one.lane.sent) == 4 + 3


async def test_retries_that_are_answered_are_no_storm() -> None:
    scripts = {WEAK.id: [answer("")] * 9, STRONG.id: [answer("good")] * 9}
    one = world(scripts, WEAK, STRONG)
    for _ in range(8):
        assert await said(one.begin(level=Level("request", strategy="speed-first"))) == "good"
    assert len(one.lane.sent) == 8 + 8


class Room(RetryBudget):
    """Counts how often somebody asks for room."""

    asked = 0

    def allow(self, now: float) -> bool:
        self.asked += 1
        return super().allow(now)


@pytest.mark.parametrize(("wait_ms", "looks"), [(0, 1), (60, 3), (60_000, 21)])
async def test_room_for_a_retry_is_waited_for_no_longer_than_for_anything(
    wait_ms: int, looks: int
) -> None:
    """Every 50 ms somebody looks, and a second is the most that anybody waits."""
    one = world({d.id: [[fault(500)]] * 9 for d in (WEAK, TWIN, STRONG)}, WEAK, TWIN, STRONG)
    one.retries = Room()
    plan = Level("request", max_wait_ms=wait_ms, fallback=FallbackPlan(retry_delay_ms=0))
    while one.retries.allow(SystemClock().now().mono):
        """Until there is no room."""
    one.retries.asked = 0
    with pytest.raises(UpstreamFailed):
        await one.begin(level=plan).first(5)
    assert (one.retries.asked, len(one.lane.sent)) == (looks, 1)


async def test_where_nobody_is_left_no_room_is_asked_for() -> None:
    one = world({WEAK.id: [[fault(500)]] * 9}, WEAK)
    one.retries = Room()
    with pytest.raises(UpstreamFailed):
        await one.begin().first(5)
    assert (one.retries.asked, len(one.lane.sent)) == (0, 1)
