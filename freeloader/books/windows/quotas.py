"""All quota windows, as attempts hold and settle them, and as they are saved.

Counting is ``core.quota``'s, which windows a deployment counts in ``bindings``'; what is asked
of them is ``asking``'s, and what providers say of them ``hearing``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, inf

from freeloader.books.ports import StoredWindow
from freeloader.books.windows.hearing import Hearing
from freeloader.books.windows.learner import KEPT_S, PREFIX
from freeloader.books.windows.metering import metered
from freeloader.core import quota
from freeloader.core.model import Deployment, Limit
from freeloader.core.periods import window_seconds
from freeloader.core.quota import Reservation, Window
from freeloader.core.rows import WindowRow
from freeloader.money import Meters

#: Windows of fewer requests than this are on disk before a request is sent.
SMALL = 100
#: How long a saved state outlives its window, in seconds.
_KEPT_AFTER = 86400.0


class Quotas(Hearing):
    """Every window, held, settled, reset and saved."""

    @property
    def dirty(self) -> set[str]:
        """Keys of windows, and names of rows of lessons, that changed since they were saved."""
        return self._dirty

    def saving(self) -> set[str]:
        """What is dirty, which is the caller's to save from now on."""
        keys = self._dirty | self.learner.dirty | self._windows.restored
        self._dirty = set()
        self.learner.dirty.clear()
        self._windows.restored.clear()
        return keys

    def replaced(self) -> None:
        """The deployments changed: limits are looked up anew, counts stay."""
        self._windows.replaced()

    def join(self, deployments: Sequence[Deployment], now: float) -> None:
        """These are all there are. Buckets that are new through a change go on from what is
        known; keys that share another's account bring along at once what they had used."""
        self._windows.inherit(deployments, now)
        for deployment in deployments:
            if deployment.account.same_account_as is not None:
                self.bound(deployment, now)

    def clock_set(self, step: float, now: float) -> None:
        """The clock was set forward by ``step`` seconds (negative: back): time did not pass, and
        nothing came back."""
        self._windows.clock_set(step, now)
        self.learner.clock_set(step, now)

    def reserve(self, deployment: Deployment, upper: Meters, now: float) -> tuple[Reservation, ...]:
        """Holds in all windows; ``check`` was asked before, in the same breath."""
        bound = self._windows.of(deployment, now)
        windows = bound.windows + bound.beside
        meters = metered(deployment, upper, windows, ceiling=True)
        self._dirty.update([window.key for window in windows])
        held = [quota.reserve(window, quota.claim(window, meters), now) for window in windows]
        return tuple(held)

    def crowd(
        self, deployment: Deployment, holds: Sequence[Reservation], now: float
    ) -> tuple[Reservation, ...]:
        """Of a call that runs, with its holds so far: those in limits of running calls that were
        learnt since it began."""
        known = {held.key for held in holds}
        new = [w for w in self.bound(deployment, now)
               if w.kind == "concurrency" and w.key not in known]  # fmt: skip
        self._dirty.update(window.key for window in new)
        return tuple(quota.reserve(window, 1, now) for window in new)

    def settle(
        self, holds: Iterable[Reservation], deployment: Deployment, used: Meters, now: float
    ) -> None:
        found = [(held, self._windows[held.key]) for held in holds]
        crowds = [(w.limit.scope, w.held) for _, w in found if w.kind == "concurrency"]
        meters = metered(deployment, used, [window for _, window in found], ceiling=False)
        for held, window in found:
            amount = quota.need(window.limit, meters)
            if deployment.gives(window.limit) and window.kind != "rolling":
                # What is beyond it is paid for, and not counted; in a sliding window it is,
                # because what we still count there the provider may have forgotten already.
                amount = min(amount, max(0, ceil(window.amount - window.counter.used(now))))
            quota.settle(window, held, amount, now)
            self._dirty.add(held.key)
        changed = self.learner.passed(deployment, used, now)
        for scope, running in crowds:
            changed |= self.learner.filled(deployment, scope, running, now)
        if changed:
            self._windows.replaced()

    def release(self, holds: Iterable[Reservation], now: float, *, sent: bool) -> None:
        for held in holds:
            quota.release(self._windows[held.key], held, now, sent=sent)
            self._dirty.add(held.key)

    def reset(self, provider: str | None, idx: int | None, now: float) -> frozenset[str]:
        """The owner says these are fresh; the keys of those in force that were reset."""
        done = set()
        for window in self._windows.belonging(provider, idx):
            quota.reset(window, now)
            self._dirty.add(window.key)
            if not window.moved:
                done.add(window.key)
        return frozenset(done)

    def unlearn(self, provider: str | None, idx: int | None) -> int:
        """The owner says that what was learnt of limits is wrong; how many there were."""
        count = self.learner.forget(provider, idx)
        self._windows.replaced()
        return count

    def small(self, holds: Iterable[Reservation]) -> list[str]:
        """Windows among these that must be on disk before a request is sent."""
        return [
            held.key
            for held in holds
            if (window := self._windows[held.key]).limit.metric == "requests"
            and min(window.amount, window.limit.amount) < SMALL
        ]

    def rows(self, keys: Iterable[str], now: float) -> list[WindowRow]:
        """Windows as they are now, for the ledger."""
        lessons = [key for key in keys if key.startswith(PREFIX)]
        rows = [_row(self._windows[key], now) for key in keys if key in self._windows]
        return [*rows, *(self._lessons(name, now) for name in lessons)]

    def take(self, rows: Iterable[StoredWindow]) -> None:
        """States of an earlier run; each is taken over when its window is first looked at."""
        for row in rows:
            if row.key.startswith(PREFIX):
                self.learner.load(row.key, row.state)
            else:
                self._windows.take(row.key, row.state)

    def _lessons(self, name: str, now: float) -> WindowRow:
        provider = name.removeprefix(PREFIX).partition("@")[0]
        return WindowRow(name, self.learner.dump(name), now, provider, now + KEPT_S)


def _row(window: Window, now: float) -> WindowRow:
    span = inf if window.kind == "once" else _span(window.limit)
    until = None if span == inf else now + span + _KEPT_AFTER
    provider = window.key.removeprefix("ip:").partition("|")[0].partition("@")[0].partition("/")[0]
    return WindowRow(window.key, quota.dump(window), now, provider, until)


def _span(limit: Limit) -> float:
    return 0.0 if limit.metric == "concurrency" else window_seconds(limit.window)
