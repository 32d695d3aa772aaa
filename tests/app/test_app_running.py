"""Running the daemon: reloads one after another, and what the process gives back of its memory."""

import asyncio
import ctypes
import logging
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from freeloader import logs
from freeloader.app import running
from freeloader.app.daemon import Daemon
from freeloader.app.manager import ServiceManager
from freeloader.app.running import give_back
from freeloader.errors import Unavailable
from freeloader.settings import Home, load

#: Blocks that the C library hands out, of a size that Python's own allocator leaves to it.
_BLOCKS, _BYTES = 40_000, 1_000


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc has it")
async def test_freed_memory_in_the_middle_of_a_heap_goes_back() -> None:
    process = psutil.Process()
    blocks = [bytes(_BYTES) for _ in range(_BLOCKS)]
    last = bytes(_BYTES)  # after them: the heap cannot shrink at its end
    del blocks
    before = process.memory_info().rss
    giving = asyncio.create_task(give_back())
    await asyncio.sleep(0)
    given = before - process.memory_info().rss
    giving.cancel()
    assert last
    assert given > _BLOCKS * _BYTES / 4


async def _at_once(work: Any, *given: Any) -> Any:
    return work(*given)


async def test_reloads_come_one_after_another_and_the_last_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, environ = Home(tmp_path / "home").create(), {"XSWARM_SECRETS__BACKEND": "file"}
    daemon = Daemon(home, load(home, environ), environ, logs.Redactor())
    told: list[str] = []
    slow = iter((20, 0))  # turns of the loop that each reload takes

    async def nothing() -> None:
        pass

    async def take(settings: Any) -> None:
        for _ in range(next(slow)):
            await asyncio.sleep(0)
        told.append(settings.routing.strategy)

    monkeypatch.setattr(asyncio, "to_thread", _at_once)
    monkeypatch.setattr(daemon.owner.keys, "load", nothing)
    monkeypatch.setattr(daemon._memory, "rebudget", nothing)
    monkeypatch.setattr(daemon.upstream, "take_over", nothing)
    monkeypatch.setattr(daemon.world, "reload", take)
    asked = []
    for strategy in ("cost-first", "speed-first"):
        home.config.write_text(f'[routing]\nstrategy = "{strategy}"\n')
        asked.append(asyncio.create_task(daemon.reload()))
        await asyncio.sleep(0)
    await asyncio.gather(*asked)
    await daemon.store.close()
    assert told[-1] == daemon.settings.routing.strategy == "speed-first"


async def test_a_reload_by_signal_that_fails_is_one_line_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The ledger is locked, say; nobody waits for what a signal asks for."""

    async def reload() -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        raise Unavailable("The database cannot be used now: it is locked; end who holds it.")

    async def start() -> None:
        return None

    daemon: Any = SimpleNamespace(
        reload=reload, start=start, stop=start, summary=lambda: "ready",
        world=SimpleNamespace(catalog=None),
        settings=SimpleNamespace(server=SimpleNamespace(drain_seconds=1.0)),
    )  # fmt: skip
    monkeypatch.setattr(running, "key_variables", lambda *_: ())

    def ready(_: Any) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    with caplog.at_level(logging.WARNING):
        await running._serve(daemon, ready, ServiceManager.of({}))
    (line,) = [record.getMessage() for record in caplog.records if "reload" in record.getMessage()]
    assert "it is locked; end who holds it; then" in line
    assert f"kill -HUP {os.getpid()}" in line
    assert "\n" not in line
