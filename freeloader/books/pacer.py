"""Demand as the books see it, and how a deployment's free quota stands against its plan.

The plan is ``core.pacing``'s. What was learnt is kept with the quota windows, under a
key of its own; where nothing was kept, the hours come from the ledger. Nothing is
refused here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from freeloader.books.ports import LedgerPort, StoredWindow
from freeloader.core.model import Deployment
from freeloader.core.pacing import plan
from freeloader.core.pacing.demand import Demand
from freeloader.core.quota import Window
from freeloader.core.rows import WindowRow
from freeloader.money import Meters

#: Under this key the demand is saved beside the windows.
KEY = "pacing|demand"
#: Seconds for which it is believed, and between two times that it is saved.
_KEPT, _EVERY = 21 * 86400.0, 60.0
_HOUR = 3600.0
#: Seconds after which it is asked anew whether a quota need be planned.
_AGAIN = 5.0
#: Hours that are read from a ledger where nothing was kept.
_HOURS_READ = 48


class Pacer:
    """One per books. ``demand`` is what all requests so far make it."""

    def __init__(self) -> None:
        self.demand = Demand()
        self._saved = 0.0
        self._changed = False
        self._ample: dict[str, float] = {}  # by deployment: since when nothing need be planned

    def replaced(self) -> None:
        """The deployments changed."""
        self._ample.clear()

    def ample(self, deployment: str, now: float) -> bool:
        """Whether its quotas were far more than anybody asks for, a moment ago."""
        seen = self._ample.get(deployment)
        return seen is not None and 0.0 <= now - seen < _AGAIN

    def note(self, need: float, label: str, expected: Meters, now: float) -> None:
        """A request came; counted once, whether it is served or not."""
        read = expected.input + expected.cache_read + expected.cache_write
        self.demand.note(need, label, read, expected.output, now)
        self._changed = True

    def strain(
        self,
        deployment: Deployment,
        windows: Iterable[Window],
        meters: Meters,
        need: float,
        now: float,
    ) -> plan.Strain:
        """What a request that likely comes to ``meters`` puts on a deployment's windows."""
        most = deployment.model.intelligence
        found = plan.strain(windows, meters, most, need, self.demand, now)
        if not found.planned:
            self._ample[deployment.id] = now
        return found

    # ── over a restart ───────────────────────────────────────────────────────

    def row(self, now: float, *, always: bool = False) -> WindowRow | None:
        """What is to be saved; None: nothing new, or it was saved just now."""
        if not self._changed or not (always or abs(now - self._saved) >= _EVERY):
            return None
        self._saved, self._changed = now, False
        return WindowRow(KEY, self.demand.dump(), now, "pacing", now + _KEPT)

    def again(self) -> None:
        """What ``row`` gave was not written."""
        self._changed, self._saved = True, 0.0

    async def take(self, rows: Sequence[StoredWindow], ledger: LedgerPort, now: float) -> None:
        """What an earlier run learnt, else the ledger's latest hours.

        Raises Unavailable where the ledger cannot be read.
        """
        for one in rows:
            if one.key == KEY:
                try:
                    self.demand.load(one.state)
                except (KeyError, TypeError, ValueError):
                    continue  # not what we wrote: the ledger knows the hours
                return
        first = now // _HOUR * _HOUR - _HOURS_READ * _HOUR
        hours: list[tuple[float, int]] = []
        for at in range(_HOURS_READ):
            start = first + at * _HOUR
            count = await ledger.requests_since(start, start + _HOUR)
            if count or hours:
                hours.append((start, count))
        self.demand.learn(hours)
