"""Demand as the books see it, and how a deployment's free quota stands against its plan.

The plan is ``core.pacing``'s. What was learnt is kept with the quota windows, under a
key of its own; where nothing was kept, the hours come from the ledger. Nothing is
refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from freeloader.books.ports import LedgerPort, StoredWindow
from freeloader.core import quota
from freeloader.core.model import Deployment
from freeloader.core.pacing import plan
from freeloader.core.pacing.demand import Demand
from freeloader.core.pacing.prices import Kind, Prices
from freeloader.core.quota import Window
from freeloader.core.rows import WindowRow
from freeloader.money import Meters

#: Under this key the demand is saved beside the windows.
KEY = "pacing|demand"
#: Seconds for which it is believed, and between two times that it is saved.
_KEPT, _EVERY = 21 * 86400.0, 60.0
_HOUR = 3600.0
_ONE = Meters(requests=1)
#: Seconds after which it is asked anew whether a quota need be planned.
_AGAIN = 5.0
#: Seconds between two steps of the prices, and models that are told apart for them.
_STEP, _MODELS = 60.0, 64
#: What serving a request is worth, by its need: so much need doubles it.
_WORTH = 8.0
#: Hours that are read from a ledger where nothing was kept.
_HOURS_READ = 48


Likely = Callable[[Deployment, Meters, float], tuple[tuple[Window, ...], Meters]]


class Pacer:
    """One per books. ``demand`` is what all requests so far make it."""

    def __init__(self) -> None:
        self.demand = Demand()
        self.prices = Prices()
        self._priced = 0.0
        self._alike: list[Deployment] | None = None
        self._saved = 0.0
        self._changed = False
        self._ample: dict[str, float] = {}  # by deployment: since when nothing need be planned

    def replaced(self) -> None:
        """The deployments changed."""
        self._ample.clear()
        self._alike = None

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
        found = plan.strain(windows, meters, most, need, self.demand, now, self.prices)
        if not found.planned:
            self._ample[deployment.id] = now
        return found

    # ── what a unit of each window is worth ──────────────────────────────────

    def step(self, deployments: Iterable[Deployment], likely: Likely, now: float) -> None:
        """Brings the prices one step nearer to demand, once a minute; milliseconds at most.

        ``likely``: the windows of a deployment, and what a call of such meters takes there.
        """
        if not self.demand.known or 0.0 <= now - self._priced < _STEP:
            return
        self._priced = now
        if self._alike is None:
            self._alike = _apart(deployments, likely, now)
        day, supply = self.demand.rate * 86400.0, dict[str, float]()
        kinds = []
        for sort in self.demand.sorts():
            meters = Meters(requests=1, input=sort.read, output=sort.written)
            offers = []
            for one in self._alike:
                if (one.model.intelligence or 0.0) < sort.need:
                    continue
                claim = []
                windows, taken = likely(one, meters, now)
                for window in windows:
                    usual, often = plan.typical_of(window, self.demand), plan.day_of(window)
                    if often and window.amount > 0:
                        supply[window.key] = window.amount * often / usual
                        claim.append((window.key, quota.need(window.limit, taken) / usual))
                if claim:
                    offers.append(tuple(claim))
            kinds.append(Kind(day * sort.share, 1.0 + sort.need / _WORTH, offers))
        self.prices.step(kinds, supply)

    # ── over a restart ───────────────────────────────────────────────────────

    def row(self, now: float, *, always: bool = False) -> WindowRow | None:
        """What is to be saved; None: nothing new, or it was saved just now."""
        if not self._changed or not (always or abs(now - self._saved) >= _EVERY):
            return None
        self._saved, self._changed = now, False
        return WindowRow(KEY, self._dump(), now, "pacing", now + _KEPT)

    def _dump(self) -> dict[str, object]:
        return self.demand.dump() | {"prices": self.prices.dump()}

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
                    self.prices.load(one.state.get("prices", {}))
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


def _apart(deployments: Iterable[Deployment], likely: Likely, now: float) -> list[Deployment]:
    """One of each that differ in their windows, strength or what a call takes there."""
    found: dict[object, Deployment] = {}
    for one in deployments:
        if one.billable or one.local:
            continue
        windows, _ = likely(one, _ONE, now)
        strength = round(2 * (one.model.intelligence or 0.0))
        name = (strength, one.model.neurons, tuple(window.key for window in windows))
        if windows and name not in found and len(found) < _MODELS:
            found[name] = one
    return list(found.values())
