"""Requests that wait: for a moment, for money, and no longer than they may."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from pipeline_world import (
    FIRST,
    GOOD,
    SECOND,
    collect,
    fault,
    world,
)

from freeloader.clock import SystemClock
from freeloader.core.model import (
    Deployment,
    FallbackPlan,
    Gates,
    Level,
    Resolution,
    Verdict,
)
from freeloader.core.snapshot import Health
from freeloader.errors import (
    NoModelPassesGates,
    QuotaExhausted,
)
from freeloader.gateway import run as run_module
from freeloader.money import Meters


async def test_a_momentary_refusal_is_waited_out() -> None:
    house = world({FIRST.id: [list(GOOD)]}, FIRST, level=Level("settings", max_wait_ms=5_000))

    class Soon(dict[str, Verdict]):
        asked = 0

        def get(self, key: str, default: Any = None) -> Any:
            self.asked += 1
            if self.asked > 4:
                return None
            now = SystemClock().now().wall
            return Verdict("breaker", "quota_exhausted", "soon", until=now + 0.02)

    house.books.pauses = Soon()
    run = house.begin(stream=True)
    assert await run.first(5)
    assert len(house.lane.sent) == 1


async def test_a_refusal_for_its_rate_is_waited_out_and_tried_again() -> None:
    """The only model is refused for its minute: the same request gets it a moment later."""
    refused = [fault(429, body="tokens per minute (TPM): try again in 0.02s")]
    wait = Level("settings", max_wait_ms=5_000)
    house = world({FIRST.id: [refused, list(GOOD)]}, FIRST, level=wait)
    started = SystemClock().now()
    run = house.begin()
    assert await run.first(5)
    await collect(run)
    assert [attempt.deployment.id for attempt in house.lane.sent] == [FIRST.id, FIRST.id]
    assert SystemClock().now().mono - started.mono < 4


async def test_who_waited_for_a_pause_to_end_does_not_wait_once_more_with_the_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever is the one that tries keeps all others waiting."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(run_module, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": sleep}))
    refused = [fault(429, body="tokens per minute (TPM): try again in 0.05s")]
    plan = Level("settings", max_wait_ms=5_000, fallback=FallbackPlan(retry_delay_ms=40))
    house = world({FIRST.id: [refused, list(GOOD)]}, FIRST, level=plan)
    run = house.begin()
    assert await run.first(5)
    await collect(run)
    assert len(house.lane.sent) == 2
    assert slept == []


async def test_patience_is_for_all_waits_of_a_request_together() -> None:
    """Refused whenever its turn comes, it does not wait as long again for the next one."""
    refused = [fault(429, body="tokens per minute (TPM): try again in 0.3s")]
    wait = Level("settings", max_wait_ms=700)
    house = world({FIRST.id: [refused] * 4}, FIRST, level=wait)
    with pytest.raises(QuotaExhausted):
        await house.begin().first(10)
    assert len(house.lane.sent) in (2, 3)


async def test_patience_that_ends_says_how_it_is_then() -> None:
    """Held by others all the time: the refusal after the wait is of that moment."""
    wait = Level("settings", max_wait_ms=60)
    house = world({FIRST.id: [list(GOOD)]}, FIRST, level=wait)
    until = iter([0.01, 0.01, 45.0, 45.0, 45.0, 45.0, 45.0])

    def quota(what: Deployment, upper: Meters, now: float) -> Verdict:
        return Verdict("quota", "quota_exhausted", "no room", until=now + next(until, 45.0))

    house.books.quota = quota  # type: ignore[method-assign]
    with pytest.raises(QuotaExhausted) as problem:
        await house.begin().first(5)
    assert problem.value.retry_after == pytest.approx(45, abs=1)


async def test_a_refusal_for_its_rate_that_lasts_too_long_says_when() -> None:
    refused = [fault(429, body="tokens per minute (TPM): try again in 30s")]
    wait = Level("settings", max_wait_ms=5_000)
    house = world({FIRST.id: [refused]}, FIRST, level=wait)
    with pytest.raises(QuotaExhausted) as problem:
        await house.begin().first(5)
    assert problem.value.retry_after == pytest.approx(30, abs=1)


async def test_a_busy_budget_is_waited_for_as_long_as_the_request_may_wait() -> None:
    """However many looks that takes: only races against the books are counted."""
    wait = Level("settings", max_wait_ms=60_000)
    house = world({FIRST.id: [list(GOOD)]}, FIRST, level=wait)

    class Busy(dict[str, Verdict]):
        asked = 0

        def get(self, key: str, default: Any = None) -> Any:
            self.asked += 1
            if self.asked > 80:
                return None
            now = SystemClock().now().wall
            return Verdict("budget", "quota_exhausted", "busy", until=now)

    house.books.pauses = Busy()
    run = house.begin(stream=True)
    assert await run.first(30)
    assert len(house.lane.sent) == 1


SLUGGISH = Health(samples=50, success_rate=1.0, latency_ms=30_000.0, tokens_per_second=10.0)


@pytest.mark.parametrize(
    ("kind", "own", "answered"),
    [
        ("named", None, True),  # naming a model means that model, however slow it was
        ("auto", None, True),  # a preset's haste is given up before nobody answers
        ("auto", 2_000.0, False),  # a limit that somebody stated is kept
        ("named", 2_000.0, False),
    ],
)
async def test_a_presets_latency_limit_never_leaves_a_request_unanswered(
    kind: str, own: float | None, answered: bool
) -> None:
    wanted = Resolution(kind, "a/m", frozenset({FIRST.id}) if kind == "named" else frozenset())
    house = world({FIRST.id: [list(GOOD)]}, FIRST, resolution=wanted)
    house.books.healths = {FIRST.id: SLUGGISH}
    run = house.begin(stream=True, level=Level("request", gates=Gates(max_latency=own)))
    if answered:
        assert await run.first(5)
    else:
        with pytest.raises(NoModelPassesGates):
            await run.first(5)


async def test_among_others_a_preset_still_prefers_the_quick() -> None:
    house = world({SECOND.id: [list(GOOD)]})
    house.books.healths = {FIRST.id: SLUGGISH}
    run = house.begin(stream=True)
    assert await run.first(5)
    assert run.routing()["provider"] == "b"
