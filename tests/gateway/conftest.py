"""One front per test, on a free loopback port."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from front_fakes import House


@pytest_asyncio.fixture
async def house() -> AsyncIterator[House]:
    one = House()
    await one.start()
    yield one
    await one.stop()
