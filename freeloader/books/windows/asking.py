"""What is asked of quota windows: is there room, which does a deployment count in, what is lacking.

Nothing changes by it. What holds and settles is ``quotas``', what providers say ``hearing``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import inf

from freeloader.books.windows.bindings import Bindings
from freeloader.books.windows.learner import Learner
from freeloader.books.windows.metering import metered
from freeloader.core import quota
from freeloader.core.model import Deployment, Verdict
from freeloader.core.quota import Window, has_room
from freeloader.money import Meters


class Asking:
    """Every window, by its key; ``learner`` makes limits of what nobody publishes."""

    def __init__(self) -> None:
        self.learner = Learner()
        self._windows = Bindings(self.learner)
        self._bound = self._windows.bound
        self._dirty: set[str] = set()

    def who_counts(
        self, deployments: Iterable[Deployment], key: str, now: float
    ) -> tuple[Deployment, Window] | None:
        """The window of a key, with the first of these that counts in it; None: none of them."""
        return next(((d, w) for d in deployments for w in self.bound(d, now) if w.key == key), None)

    def bound(self, deployment: Deployment, now: float) -> tuple[Window, ...]:
        """The windows a deployment counts in."""
        return self._windows.of(deployment, now).windows

    def given(self, deployment: Deployment, now: float) -> tuple[Window, ...]:
        """Those that count what is free for its account, which can be billed."""
        windows, walls, *_ = self._windows.of(deployment, now)
        return tuple(window for window in windows if window not in walls)

    def check(self, deployment: Deployment, upper: Meters, now: float) -> Verdict | None:
        """None if all windows have room; else the refusal that lasts longest."""
        # Asked of every candidate, most of whose windows are known and have room.
        bound = self._bound.get(deployment.id) or self._windows.of(deployment, now)
        _, walls, derived, *_ = bound
        meters = metered(deployment, upper, walls, ceiling=True) if derived else upper
        worst: Verdict | None = None
        for window in walls:
            if has_room(window, meters, now):
                continue
            verdict = quota.verdict(window, meters, now)
            if verdict is not None and (worst is None or _end(verdict) > _end(worst)):
                worst = verdict
        return worst

    def beyond_ceiling(self, deployment: Deployment, asked: Meters, now: float) -> Verdict | None:
        """The per-request ceiling that what a client asks for can never pass, if any."""
        bound = self._bound.get(deployment.id) or self._windows.of(deployment, now)
        for window in bound.ceilings:
            if found := quota.ceiling(window, asked):
                return found
        return None

    def behind(
        self, deployment: Deployment, upper: Meters, now: float, ahead: Mapping[str, int]
    ) -> Verdict | None:
        """As ``check``, for one who comes after those that claim ``ahead`` (by window key)."""
        windows, meters = self._metered(deployment, upper, now)
        worst: Verdict | None = None
        for window in windows:
            before = ahead.get(window.key, 0)
            if not before and has_room(window, meters, now):
                continue
            verdict = quota.verdict(window, meters, now, before)
            if verdict is not None and (worst is None or _end(verdict) > _end(worst)):
                worst = verdict
        return worst

    def claims(self, deployment: Deployment, upper: Meters, now: float) -> dict[str, int]:
        """How much a call that is refused now needs of each window that refuses it."""
        windows, meters = self._metered(deployment, upper, now)
        return {
            window.key: quota.claim(window, meters)
            for window in windows
            if quota.verdict(window, meters, now) is not None
        }

    def _metered(
        self, deployment: Deployment, upper: Meters, now: float
    ) -> tuple[tuple[Window, ...], Meters]:
        _, walls, derived, *_ = self._windows.of(deployment, now)
        return walls, metered(deployment, upper, walls, ceiling=True) if derived else upper

    def likely(
        self, deployment: Deployment, expected: Meters, now: float
    ) -> tuple[tuple[Window, ...], Meters]:
        """The windows of a deployment, and what a call that comes to ``expected`` takes there."""
        bound = self._bound.get(deployment.id) or self._windows.of(deployment, now)
        windows, _, derived, *_ = bound
        if derived:
            return windows, metered(deployment, expected, windows, ceiling=False)
        return windows, expected

    def all(
        self, deployments: Iterable[Deployment], now: float
    ) -> Iterator[tuple[Deployment, Window]]:
        """Every window once, with one deployment that counts in it."""
        seen: set[str] = set()
        for deployment in deployments:
            for window in self.bound(deployment, now):
                if window.key not in seen:
                    seen.add(window.key)
                    yield deployment, window


def _end(verdict: Verdict) -> float:
    return inf if verdict.until is None else verdict.until
