"""What follows a tracked task follows it however that ended."""

from __future__ import annotations

import asyncio
import logging

import pytest

from freeloader.gateway.tools import Tasks


@pytest.mark.parametrize("ending", ["returns", "raises", "is cancelled", "never began"])
async def test_what_follows_is_done_once(ending: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    followed: list[str] = []

    async def work() -> None:
        if ending == "is cancelled":
            await asyncio.sleep(60)
        if ending == "raises":
            raise KeyError("of the work")

    tasks = Tasks()
    task = tasks.start(work(), "work", lambda: followed.append(ending))
    if ending != "never began":
        await asyncio.sleep(0)
    if ending in ("is cancelled", "never began"):
        task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert followed == [ending]
    assert len(tasks) == 0
