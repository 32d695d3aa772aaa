"""What the books save besides money, windows and pauses: what is asked by the hour, and alerts.

None of it decides what may be spent: where it cannot be written now it is written later.
"""

from __future__ import annotations

from freeloader.books.pacer import Pacer
from freeloader.books.ports import LedgerPort
from freeloader.books.windows.alerts import QuotaAlerts
from freeloader.errors import Unavailable


class Extras:
    """``pacer`` and ``alerts`` say what is new."""

    def __init__(self, ledger: LedgerPort, pacer: Pacer, alerts: QuotaAlerts) -> None:
        self._ledger, self._pacer, self._alerts = ledger, pacer, alerts

    async def demand(self, now: float) -> None:
        """What is asked, when it is time to save it; what fails is tried again."""
        row = self._pacer.row(now)
        if row is not None:
            try:
                await self._ledger.save_windows([row])
            except (Unavailable, OSError):
                self._pacer.again()

    async def all_demand(self, now: float) -> None:
        """The same at once. Raises Unavailable where it cannot be written."""
        row = self._pacer.row(now, always=True)
        if row is not None:
            await self._ledger.save_windows([row])

    async def alerts(self) -> None:
        """Alerts of quotas that are new; what fails is tried again."""
        rows = self._alerts.fresh()
        try:
            if rows:
                await self._ledger.put_alerts(rows)
        except (Unavailable, OSError):
            self._alerts.again(rows)
