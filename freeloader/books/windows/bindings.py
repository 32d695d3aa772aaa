"""Which windows there are, by their keys, and which of them each deployment counts in.

A deployment's are looked up when it is first asked about; what an earlier run saved of
a window is taken over when the window is first looked at. Counts are never made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from freeloader.books.windows.heirs import Heir, Users, hand_on, legacies
from freeloader.books.windows.learner import Learner
from freeloader.core import quota
from freeloader.core.model import Deployment, Limit
from freeloader.core.quota import Window

#: Where the calls of a window are counted that nobody counts in: not here, that is all.
_NOWHERE = "."


class Bound(NamedTuple):
    """A deployment's windows. ``walls``: those that refuse (the others count what is free for an
    account that can be billed); ``derived``: one of all counts what follows from other meters;
    ``ceilings`` are those of the walls that no single request may exceed; ``beside`` are held
    and settled as well, and ask nothing: the owner's own limits are in their place. Of
    ``published`` metrics and lengths it was found that no header has to tell of them."""

    windows: tuple[Window, ...]
    walls: tuple[Window, ...]
    derived: bool
    ceilings: tuple[Window, ...]
    beside: tuple[Window, ...]
    published: set[tuple[str, str]]


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
        self._set = 0.0  # by how much the clock was set forward since the saved ones were taken

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

    def clock_set(self, step: float, now: float) -> None:
        """The clock was set forward by ``step`` seconds (negative: back), and no time passed."""
        self._set += max(0.0, step)
        for window in self._windows.values():
            quota.clock_set(window, step, now)
        self.restored |= self._windows.keys()

    def belonging(self, provider: str | None, idx: int | None) -> Iterator[Window]:
        """An account's, a provider's or all windows; what is only saved of them is forgotten."""
        for key in [k for k in self._saved if quota.belongs(k, provider, idx)]:
            del self._saved[key]
        return (w for k, w in list(self._windows.items()) if quota.belongs(k, provider, idx))

    def inherit(self, deployments: Sequence[Deployment], now: float) -> None:
        """These are all there are. A bucket that is new because its limit is described by
        another scope, or for other models, begins with what is known of its calls elsewhere:
        in buckets that nobody counts in any more, or in those whose every call counts in it
        too. One that comes back has its own count of before, and takes what came since.
        """
        users = Users(deployments)
        known = self._windows.keys() | self._saved.keys()
        learnt = {quota.key_of(x, one) for one in deployments for x in self._learner.limits(one)}
        idle = known - users.of.keys() - learnt
        moved = {key: where for key in known if (where := self._moved(key))}
        heirs = []
        for key, before, within in legacies(users, known, idle, moved):
            limit, pinned = users.limits[key], any(one.pinned for one in users.of[key].values())
            window = self._window(limit, key, now, pinned)
            window.moved = ""
            former = [self._thawed(one, limit, now) for one in before]
            parts = [self._thawed(one, limit, now) for one in within]
            heirs.append(Heir(window, quota.taken(window, now), former, parts))
        hand_on(heirs, now)
        self.restored.update(heir.window.key for heir in heirs)
        for key in idle - moved.keys():
            self._move(key, _NOWHERE)

    def _thawed(self, key: str, limit: Limit, now: float) -> Window:
        """A window that may only be saved; then it is described as ``limit`` is."""
        if key not in self._windows:
            self._windows[key] = quota.window_for(limit, key, now)
            self._restore(self._windows[key], now)
        return self._windows[key]

    def _moved(self, key: str) -> str:
        """Where the calls of a known window are counted instead of in it, if they are."""
        if (window := self._windows.get(key)) is not None:
            return window.moved
        state = self._saved.get(key)
        return str(state.get("moved", "")) if isinstance(state, Mapping) else ""

    def _move(self, key: str, where: str) -> None:
        if (window := self._windows.get(key)) is not None:
            window.moved = where
            self.restored.add(key)
        elif isinstance(state := self._saved[key], Mapping):  # what is none cannot be read anyway
            self._saved[key] = {**state, "moved": where}

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
        bound = Bound(windows, tuple(walls), derived, ceilings, beside, set())
        self.bound[deployment.id] = bound
        return bound

    def _join(self, own: str, shared: Window, now: float) -> None:
        """A key that is said now to be another's account brings along what it had used."""
        if own == shared.key:
            return
        mine = self._thawed(own, shared.limit, now)
        if mine.moved == shared.key:
            return
        if used := quota.taken(mine, now):
            shared.counter.add(used, now, now)
            mine.counter.put(0.0, now)
        mine.moved = shared.key
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
            quota.restore(window, state, now - self._set)
            if self._set:
                quota.clock_set(window, self._set, now)
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
