"""Looks at each charge for the books: history, alerts, spikes, and what of it is on disk.

What cannot be written yet is written later; an alert is never a reason to fail a call.
"""

from __future__ import annotations

from typing import Any

from freeloader.books.ports import Hold, LedgerPort
from freeloader.books.purse import Purse
from freeloader.books.watching import spikes
from freeloader.books.watching.alerts import Alerts
from freeloader.books.watching.history import KEPT_S, History
from freeloader.clock import Instant

#: Alerts of so long ago may still be in force (seconds): a month and some.
_ALERTS_S = 40 * 86_400.0
#: The end of the month is foretold at most so often (seconds).
_FORETELL_S = 60.0


class Watcher:
    """One per books."""

    def __init__(self, ledger: LedgerPort) -> None:
        self._ledger = ledger
        self.history, self.alerts = History(), Alerts()
        self._foretold = float("-inf")

    async def load(self, purse: Purse, now: float) -> None:
        """Once, at start. Raises Unavailable where the ledger cannot be read."""
        self.history.load(await self._ledger.spent_by_slot(now - KEPT_S, now + 1))
        self.alerts.load(await self._ledger.load_alerts(now - _ALERTS_S))
        purse.stop = spikes.stopped(self.alerts)

    def charged(self, purse: Purse, hold: Hold, cost: int, now: Instant) -> None:
        """An attempt was charged ``cost``."""
        if not cost:
            return
        self.history.add(cost, hold.at.wall, now.mono)
        if cost > hold.cost:
            self.alerts.overrun(purse, hold.deployment.public_model, cost, hold.cost, now.wall)
        self.alerts.notice(purse, hold.project, hold.key_id, now.wall)
        if spikes.look(purse.rules, self.history, self.alerts, now):
            purse.stop = spikes.stopped(self.alerts)
        self._foretell(purse, now)
        self.save()

    def current(self, purse: Purse, project: str | None, now: Instant) -> list[dict[str, Any]]:
        """The alerts in force, as ``/v1/budget`` has them."""
        self._foretell(purse, now)
        found = self.alerts.current(purse, project, now.wall)
        self.save()
        return found

    async def confirm(self, purse: Purse, now: Instant) -> bool:
        row = spikes.confirm(self.alerts, self.history, now.wall)
        if row is None:
            return False
        try:
            await self._ledger.put_alert(row)
        except BaseException:
            self.alerts.unsay(row)
            raise
        purse.stop = spikes.stopped(self.alerts)
        return True

    def save(self) -> None:
        """Hands what is new to the ledger; what it does not take waits for the next time."""
        while self.alerts.unsaved and self._ledger.note_alert(self.alerts.unsaved[0]):
            self.alerts.unsaved.pop(0)

    def _foretell(self, purse: Purse, now: Instant) -> None:
        if now.mono - self._foretold >= _FORETELL_S:
            self._foretold = now.mono
            self.alerts.foretell(purse, self.history, now.wall)
