"""The built-in simulator inside the daemon: only while there is no account at all."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from freeloader.simulator import Running


class Simulation:
    """Starts and stops pretend providers on a free loopback port of this process."""

    def __init__(self) -> None:
        self._running: Running | None = None
        self._place: str | None = None

    @property
    def url(self) -> str | None:
        return None if self._running is None else self._running.url

    @property
    def place(self) -> str | None:
        """Where it is, or was last and will be again: the child may go on knowing it."""
        return self._place

    async def start(self) -> None:
        """Imported here: a daemon with accounts never pays for it. Raises OSError."""
        from freeloader import simulator

        port = (self._place and urlsplit(self._place).port) or 0
        try:
            self._running = await simulator.serve(host="127.0.0.1", port=port)
        except OSError:
            if not port:
                raise
            self._running = await simulator.serve(host="127.0.0.1", port=0)  # taken meanwhile
        self._place = self._running.url

    async def stop(self) -> None:
        """Ends it; harmless where none runs."""
        running, self._running = self._running, None
        if running is not None:
            await running.stop()
