"""U4 over real sockets: after a pause one real request tries whether it is over, and no other.

While it is under way others go elsewhere or hear when to come again; where it hangs up to its
limit it is settled, and the pause that follows is longer than the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from house_kit import Handler, answers, hangs, resets, street

from freeloader.clock import Instant, SystemClock
from freeloader.core.breaker import EJECTION

FAULTS = 6


class Later:
    """The machine's clocks, and what a test lets pass."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> Instant:
        now = SystemClock().now()
        return Instant(now.wall + self.passed, now.mono + self.passed)


@asynccontextmanager
async def opened(place: Path, *names: str) -> AsyncIterator[tuple[Any, ...]]:
    """A street whose first provider broke so often that it is paused; and its clock."""
    clock = Later()
    async with street(place, *names, clock=clock) as (live, *fakes):
        fakes[0].handler = resets
        for _ in range(FAULTS):
            await live.post(model=f"{names[0]}/m", maxWait=0)
        asked = len(fakes[0].calls)
        await live.post(model=f"{names[0]}/m", maxWait=0)
        assert len(fakes[0].calls) == asked, "it is paused"
        fakes[0].calls.clear()
        yield live, clock, *fakes


def hangs_until(event: asyncio.Event) -> Handler:
    async def handle(request: Any) -> Any:
        event.set()
        return await hangs(request)

    return handle


async def test_u4_one_request_tries_and_its_timeout_pauses_for_longer(tmp_path: Path) -> None:
    async with opened(tmp_path, "alpha") as (live, clock, alpha):
        clock.passed += EJECTION + 1
        arrived = asyncio.Event()
        alpha.handler = hangs_until(arrived)
        trying = asyncio.create_task(live.post(model="alpha/m", maxWait=0))
        await arrived.wait()
        told = await asyncio.gather(*(live.post(model="alpha/m", maxWait=0) for _ in range(5)))
        assert {status for status, _, _ in told} == {502}
        assert all(0 < int(head["retry-after"]) <= 3 for _, head, _ in told), "soon it is known"
        status, _, body = await trying
        assert (status, body["error"]["code"]) == (504, "upstream_timeout")
        (attempt,) = body["error"]["details"]["attempts"]
        assert attempt["basis"] == "hold", "it may have been served, and is counted as spent"
        assert len(alpha.calls) == 1
        async with asyncio.timeout(5):
            while live.daemon.books.open_holds:
                await asyncio.sleep(0.01)
        clock.passed += EJECTION + 1  # of a pause that is twice as long now
        status, head, _ = await live.post(model="alpha/m", maxWait=0)
        assert (status, len(alpha.calls)) == (502, 1)
        assert int(head["retry-after"]) > EJECTION / 2, "when the longer pause ends"
        clock.passed += EJECTION
        alpha.handler = answers
        assert (await live.post(model="alpha/m", maxWait=0))[0] == 200
        assert len(alpha.calls) == 2


async def test_u4_while_one_tries_the_others_go_elsewhere(tmp_path: Path) -> None:
    async with opened(tmp_path, "alpha", "beta") as (live, clock, alpha, beta):
        clock.passed += EJECTION + 1
        alpha.handler = hangs
        told = await asyncio.gather(*(live.post(model="twins") for _ in range(12)))
        assert {status for status, _, _ in told} == {200}
        assert len(alpha.calls) == 1
        assert len(beta.calls) == 12, "the one that tried was answered there as well"


async def test_u4_others_wait_for_the_one_that_tries(tmp_path: Path) -> None:
    async with opened(tmp_path, "alpha") as (live, clock, alpha):
        clock.passed += EJECTION + 1
        arrived, go = asyncio.Event(), asyncio.Event()

        async def late(request: Any) -> Any:
            arrived.set()
            await go.wait()
            return await answers(request)

        alpha.handler = late
        asked = [asyncio.create_task(live.post(model="alpha/m", maxWait=8000)) for _ in range(4)]
        await arrived.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(alpha.calls) == 1
        go.set()
        assert {status for status, _, _ in await asyncio.gather(*asked)} == {200}
        assert len(alpha.calls) == 4
