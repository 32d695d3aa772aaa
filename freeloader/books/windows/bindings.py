"""Which windows there are, by their keys, and which of them each deployment counts in.

A deployment's are looked up when it is first asked about; what an earlier run saved of
a window is taken over when the window is first looked at. Counts are never made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from freeloader.books.windows.learner import Learner
from freeloader.core import quota
from freeloader.core.model import Deployment, Limit
from freeloader.core.quota import Window


class Bound(NamedTuple):
    """A deployment's windows. ``walls``: those that refuse (the others count what is free for an
    account that can be billed); ``derived``: one of all counts what follows from other meters;
    ``ceilings`` are those of the walls that no single request may exceed; ``beside`` are held
    and settled as well, and ask nothing: the owner's own limits are in their place."""

    windows: tuple[Window, ...]
    walls: tuple[Window, ...]
    derived: bool
    ceilings: tuple[Window, ...]
    beside: tuple[Window, ...]


class Bindings:
    """``restored`` collects the keys of windows that were taken over since it was emptied;
    ``bound`` are the deployments looked up so far (others are by ``of``)."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._windows: dict[str, Window] = {}
        self._saved: dict[str, Mapping[str, Any]] = {}
        self.bound: dict[str, Bound] = {}
        self._fresh: set[str] = set()  # windows bound since the deployments last changed
        self.restored: set[str] = set()

    def __getitem__(self, key: str) -> Window:
        return self._windows[key]

    def __contains__(self, key: str) -> bool:
        return key in self._windows

    def get(self, key: str) -> Window | None:
        return self._windows.get(key)

    def of(self, deployment: Deployment, now: float) -> Bound:
        """The windows a deployment counts in."""
        return self.bound.get(deployment.id) or self._bind(deployment, now)

    def replaced(self) -> None:
        """Deployments or learnt limits changed: they are looked up anew, counts stay."""
        self.bound.clear()
        self._fresh.clear()
        self._learner.replaced()

    def take(self, key: str, state: Mapping[str, Any]) -> None:
        """What an earlier run saved of one window."""
        self._saved[key] = state

    def belonging(self, provider: str | None, idx: int | None) -> Iterator[Window]:
        """An account's, a provider's or all windows; what is only saved of them is forgotten."""
        for key in [k for k in self._saved if _belongs(k, provider, idx)]:
            del self._saved[key]
        return (w for k, w in list(self._windows.items()) if _belongs(k, provider, idx))

    def _bind(self, deployment: Deployment, now: float) -> Bound:
        """Looks up the windows of a deployment that was not asked about before."""
        pinned = deployment.pinned
        walls: list[Window] = []
        given: list[Window] = []
        for limit in deployment.limits:
            window = self._window(limit, quota.key_of(limit, deployment), now, pinned)
            if deployment.account.same_account_as is not None:
                self._join(quota.key_of(limit, deployment, deployment.account.idx), window, now)
            of_kind = given if deployment.gives(limit) else walls
            if all(one is not window for one in of_kind):  # of two in one bucket, one counts
                of_kind.append(window)
        learnt = self._learner.limits(deployment)
        walls += [self._learnt_window(limit, deployment, now) for limit in learnt]
        windows = (*walls, *given)
        ceilings = tuple(window for window in walls if window.limit.per_request_ceiling)
        derived = any(window.derived for window in windows)
        beside = self._beside(deployment, windows, now)
        bound = Bound(windows, tuple(walls), derived, ceilings, beside)
        self.bound[deployment.id] = bound
        return bound

    def _join(self, own: str, shared: Window, now: float) -> None:
        """A key that is said now to be another's account brings along what it had used."""
        if own == shared.key or (own not in self._windows and own not in self._saved):
            return
        mine = self._windows.get(own)
        if mine is None:
            mine = self._windows[own] = quota.window_for(shared.limit, own, now)
            self._restore(mine, now)
        used = min(mine.counter.used(now), float(mine.amount)) + mine.held
        if used:
            shared.counter.add(used, now, now)
            mine.counter.put(0.0, now)
            self.restored |= {own, shared.key}

    def _beside(
        self, deployment: Deployment, counted: Sequence[Window], now: float
    ) -> tuple[Window, ...]:
        """Windows of published limits that the owner's are in the place of, each once."""
        keys = {quota.key_of(limit, deployment): limit for limit in deployment.beside}
        known = {window.key for window in counted}
        return tuple(
            self._window(limit, key, now, pinned=False)
            for key, limit in keys.items()
            if key not in known
        )

    def _window(self, limit: Limit, key: str, now: float, pinned: bool) -> Window:
        window = self._windows.get(key)
        if window is None:
            window = quota.window_for(limit, key, now)
            self._windows[key] = window
            self._restore(window, now)
        elif key in self._fresh:
            if limit.amount < window.limit.amount:  # two limits share one bucket
                window.limit = limit
            quota.learn_amount(window, min(window.amount, limit.amount), now, pinned=False)
        elif window.limit != limit:
            self._redescribe(window, limit, now)
        if pinned and window.amount > limit.amount:  # the owner's word counts, not the header's
            quota.learn_amount(window, limit.amount, now, pinned=True)
        self._fresh.add(key)
        return window

    def _learnt_window(self, limit: Limit, deployment: Deployment, now: float) -> Window:
        """A limit that was learnt has counted from the start."""
        key = quota.key_of(limit, deployment)
        fresh = key not in self._windows and key not in self._saved
        window = self._window(limit, key, now, pinned=False)
        if fresh:
            window.counter.put(self._learner.consumed(deployment, limit, now), now)
        return window

    def _redescribe(self, window: Window, limit: Limit, now: float) -> None:
        """The limit of a known window was changed: the count stays, the frame is new."""
        used = window.counter.used(now)
        fresh = quota.window_for(limit, window.key, now)
        if _shape(window.limit) != _shape(limit):
            window.counter, window.kind = fresh.counter, fresh.kind
            window.counter.put(min(used, float(limit.amount)), now)
        if window.limit.amount != limit.amount or window.kind == "refill":
            window.limit = limit
            window.amount = -1
            quota.learn_amount(window, limit.amount, now, pinned=False)
        window.limit = limit

    def _restore(self, window: Window, now: float) -> None:
        state = self._saved.pop(window.key, None)
        if state is None:
            self._begin_as_twin(window, now)
            return
        try:
            quota.restore(window, state, now)
        except (KeyError, TypeError, ValueError):
            # Not a state we wrote: a window that cannot be read is not a window that is empty.
            window.counter.put(float(window.amount), now)
        self.restored.add(window.key)

    def _begin_as_twin(self, window: Window, now: float) -> None:
        """What counts the same calls is as far used, where one becomes the other: a limit that
        is now an allowance, or an allowance of an account that is no longer paid for."""
        other = quota.twin_of(window.key)
        twin, state = self._windows.get(other), self._saved.get(other)
        if twin is not None:
            state = quota.dump(twin)
        if state is None or state.get("kind") != window.kind:
            return
        try:
            quota.restore(window, {**state, "amount": window.amount}, now)
        except (KeyError, TypeError, ValueError):
            window.counter.put(float(window.amount), now)


def _shape(limit: Limit) -> tuple[object, ...]:
    return (limit.metric, limit.window, limit.reset, limit.timezone, limit.expires_days)


def _belongs(key: str, provider: str | None, idx: int | None) -> bool:
    if provider is None:
        return True
    owner = key.partition("|")[0]
    if owner.startswith("ip:"):
        return owner.removeprefix("ip:").partition("/")[0] == provider
    account = owner.partition("/")[0]
    return account == f"{provider}@{idx}" or (
        idx is None and account.rpartition("@")[0] == provider
    )
