"""One real child and one fake upstream for the whole session: a start takes ten seconds."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from fake_upstream import FakeUpstream
from hostile_wire import HostileWire
from upstream_entries import entries_for

from freeloader.child.keeper import Keeper
from freeloader.clock import SystemClock


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def upstream() -> AsyncIterator[FakeUpstream]:
    server = FakeUpstream()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
def wire(upstream: FakeUpstream) -> HostileWire:
    return upstream.wire


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def keeper(
    upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Keeper]:
    home = tmp_path_factory.mktemp("home")
    kept = Keeper(home / "run", home / "logs", SystemClock(), environ=dict(os.environ))
    await kept.start(entries_for(upstream), {"FREELOADER_TEST_SECRET": "planted-secret-in-pipe"})
    await kept.wait_ready(90)
    yield kept
    await kept.stop()


@pytest.fixture
def home_of(keeper: Keeper) -> Path:
    return keeper._log_dir.parent
