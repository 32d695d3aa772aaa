"""The built-in simulator inside the daemon: only while there is no account at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from freeloader.simulator import Running


#: A retired simulator is looked at this often (seconds), and this many times at most.
_LEAVING_S = 1.0
_LEAVING_ROUNDS = 120


class Simulation:
    """Starts and stops pretend providers on a free loopback port of this process."""

    def __init__(self) -> None:
        self._running: Running | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._place: str | None = None

    @property
    def url(self) -> str | None:
        """Where it answers; None while it is off, or answers only what it was asked before."""
        on = self._running is not None and self._leaving is None
        return self._running.url if self._running is not None and on else None

    async def start(self) -> None:
        """Where it was the last time: the child may still know it. Raises OSError."""
        if self._leaving is not None:
            self._leaving.cancel()
            await asyncio.gather(self._leaving, return_exceptions=True)
            self._leaving = None
        if self._running is not None:
            return
        # Imported here: a daemon with accounts never pays for it.
        from freeloader import simulator

        port = (self._place and urlsplit(self._place).port) or 0
        try:
            self._running = await simulator.serve(host="127.0.0.1", port=port)
        except OSError:
            if not port:
                raise
            self._running = await simulator.serve(host="127.0.0.1", port=0)  # taken meanwhile
        self._place = self._running.url

    def retire(self) -> None:
        """Off for new requests; ends by itself once those that it has are answered."""
        if self._running is not None and self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(), name="simulator retires")

    async def stop(self) -> None:
        """Ends it at once; harmless where none runs."""
        if self._leaving is not None:
            self._leaving.cancel()
            await asyncio.gather(self._leaving, return_exceptions=True)
            self._leaving = None
        await self._end()

    async def _leave(self) -> None:
        for _ in range(_LEAVING_ROUNDS):
            # A request that was decided before the switch may still be on its way.
            await asyncio.sleep(_LEAVING_S)
            if self._running is None or not self._running.engine.running:
                break
        await self._end()
        self._leaving = None

    async def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running.stop()
