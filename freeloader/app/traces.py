"""Where spans go, if the owner named a place; without the extra ``otel`` it goes on without."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from freeloader import __version__
from freeloader.errors import ConfigError
from freeloader.gateway import tracing
from freeloader.gateway.ports import JournalPort
from freeloader.gateway.tracing import Traced
from freeloader.settings import Settings

_log = logging.getLogger(__name__)


class Traces:
    """One collector at most, for the life of the daemon."""

    def __init__(self, settings: Settings) -> None:
        self._collector: Any = None
        self._missing: str | None = None
        where = settings.logging.otlp_endpoint
        if where is None:
            return
        try:
            self._collector = tracing.connect(str(where), __version__)
        except ConfigError as problem:
            self._missing = problem.message
            _log.error("no traces: %s", problem.message)

    def around(self, journal: JournalPort) -> JournalPort:
        """The journal, whose rows become spans too where there is a collector."""
        return journal if self._collector is None else Traced(journal, self._collector)

    def problems(self) -> list[str]:
        """One line where the owner asked for traces and gets none."""
        return [] if self._missing is None else [f"no traces: {self._missing}"]

    async def close(self) -> None:
        """What was collected is sent, off the loop."""
        if self._collector is not None:
            await asyncio.to_thread(self._collector.shutdown)
