"""Looks for what the owner should be told of, and hands it to the notifier.

Alerts are read from the database as they come; a fatal child and failing jobs are
noticed as changes of state. It asks every few seconds and decides nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from freeloader.errors import FreeloaderError
from freeloader.notify import Notice

_log = logging.getLogger(__name__)

LOOK_S = 5.0
#: The last alert that was told, by its row.
MEMORY = "notify.alert"


class Alerts(Protocol):
    """The ledger's alerts, and small facts."""

    async def alerts_since(self, number: int, limit: int) -> Sequence[Mapping[str, Any]]: ...
    async def meta_get(self, key: str) -> str | None: ...
    async def meta_set(self, key: str, value: str) -> None: ...


class Teller:
    """``child`` and ``jobs`` say how those are now; ``tell`` is the notifier's."""

    def __init__(
        self,
        alerts: Alerts,
        child: Callable[[], Mapping[str, Any]],
        jobs: Callable[[], Sequence[Mapping[str, Any]]],
        tell: Callable[[Notice], None],
    ) -> None:
        self._alerts, self._child, self._jobs, self._tell = alerts, child, jobs, tell
        self._fatal = False
        self._failing: set[str] = set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Once: everything that is new."""
        self._look_at_child()
        self._look_at_jobs()
        try:
            await self._look_at_alerts()
        except FreeloaderError as problem:
            _log.debug("alerts could not be read: %s", problem.message)

    def _look_at_child(self) -> None:
        status = self._child()
        fatal = status.get("state") == "fatal"
        if fatal and not self._fatal:
            last = status.get("lastExit")
            why = last.get("reason") if isinstance(last, Mapping) else last
            text = f"It is not started again by itself ({why}); `xswarm doctor` says what to do."
            key = f"child fatal {status.get('generation')}"
            self._tell(Notice("child", key, "LiteLLM does not start", text))
        self._fatal = fatal

    def _look_at_jobs(self) -> None:
        failing = {str(job["name"]): job for job in self._jobs() if job.get("failures")}
        for name in failing.keys() - self._failing:
            job = failing[name]
            text = f"{job.get('lastResult')}; it is tried again at {job.get('nextDue')}."
            key = f"job {name} {job.get('lastRun')}"
            self._tell(Notice("jobs", key, f"the job {name} fails", text))
        self._failing = set(failing)

    async def _look_at_alerts(self) -> None:
        known = int(await self._alerts.meta_get(MEMORY) or 0)
        rows = await self._alerts.alerts_since(known, 100)
        for row in rows:
            kind = "quota" if str(row["type"]).startswith("quota") else "budget"
            key = f"alert {row['type']} {row['scope']} {row['period']}"
            self._tell(Notice(kind, key, str(row["type"]).replace("_", " "), str(row["message"])))
        if rows:
            await self._alerts.meta_set(MEMORY, str(rows[-1]["id"]))
