"""A real child over its memory limit is replaced, again and again, and no request notices."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from fake_upstream import FakeUpstream
from test_child_real import attempt
from upstream_entries import entries_for

from freeloader.child.keeper import Keeper
from freeloader.child.machine.states import Rules
from freeloader.clock import SystemClock
from freeloader.core.events import End
from freeloader.gateway.lanes.litellm import LiteLLMLane

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
]
#: Below what LiteLLM has when idle (311 MB): every child is over it from the start.
TINY_MB = 64


async def test_s_leak_recycling_under_traffic_loses_no_request(
    upstream: FakeUpstream, tmp_path: Path
) -> None:
    keeper = Keeper(
        tmp_path / "run",
        tmp_path / "logs",
        SystemClock(),
        recycle_rss_mb=TINY_MB,
        rules=Rules(recycle_after=2),
        environ=dict(os.environ),
    )
    await keeper.start(entries_for(upstream))
    try:
        await keeper.wait_ready(90)
        lane, failed, answered, most = LiteLLMLane(keeper), [], 0, 0
        done = asyncio.Event()

        async def traffic(stream: bool) -> None:
            nonlocal answered
            while not done.is_set():
                events = [event async for event in lane.send(attempt("sim/slow", stream))]
                if isinstance(events[-1], End):
                    answered += 1
                else:
                    failed.append(events[-1])

        clients = [asyncio.create_task(traffic(number % 2 == 0)) for number in range(3)]
        first = keeper.status()["generation"]
        async with asyncio.timeout(150):
            while keeper.status()["generation"] < first + 2:
                most = max(most, keeper.status()["generations"])
                await asyncio.sleep(0.05)
        done.set()
        await asyncio.gather(*clients)
        assert failed == []
        assert answered > 20
        assert most == 2
        assert keeper.status()["restarts"] == 0, "recycling is no failure"
    finally:
        await keeper.stop()
