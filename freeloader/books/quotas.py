"""All quota windows, and which of them each deployment counts in.

Counting is ``core.quota``'s. Windows are bound to a deployment when it is first
looked at, so that ten thousand deployments cost nothing until they are used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any, NamedTuple

from freeloader.books.learner import KEPT_S, PREFIX, Learner
from freeloader.books.ports import StoredWindow
from freeloader.core import quota
from freeloader.core.headers import Observation
from freeloader.core.model import Deployment, Limit, Verdict
from freeloader.core.outcome import Outcome
from freeloader.core.periods import window_seconds
from freeloader.core.quota import Reservation, Window
from freeloader.core.rows import WindowRow
from freeloader.money import Meters

#: Windows of fewer requests than this are on disk before a request is sent.
SMALL = 100
#: A provider's own report may be so old, in seconds (OpenRouter's is cached for a minute).
_STALE = 120.0
#: How long a saved state outlives its window, in seconds.
_KEPT_AFTER = 86400.0


class _Bound(NamedTuple):
    """A deployment's windows. ``derived``: one of them counts what follows from other meters."""

    windows: tuple[Window, ...]
    derived: bool


class Quotas:
    """Every window, by its key; ``learner`` makes limits of what nobody publishes."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}
        self._saved: dict[str, Mapping[str, Any]] = {}
        self._bound: dict[str, _Bound] = {}
        self._fresh: set[str] = set()  # windows bound since the deployments last changed
        self.learner = Learner()
        self._dirty: set[str] = set()

    @property
    def dirty(self) -> set[str]:
        """Keys of windows, and names of rows of lessons, that changed since they were saved."""
        return self._dirty

    def saving(self) -> set[str]:
        """What is dirty, which is the caller's to save from now on."""
        keys, self._dirty = self._dirty | self.learner.dirty, set()
        self.learner.dirty.clear()
        return keys

    def replaced(self) -> None:
        """The deployments changed: limits are looked up anew, counts stay."""
        self._bound.clear()
        self._fresh.clear()

    def bound(self, deployment: Deployment, now: float) -> tuple[Window, ...]:
        """The windows a deployment counts in."""
        return (self._bound.get(deployment.id) or self._bind(deployment, now)).windows

    def check(self, deployment: Deployment, upper: Meters, now: float) -> Verdict | None:
        """None if all windows have room; else the refusal that lasts longest."""
        windows, meters = self._metered(deployment, upper, now)
        worst: Verdict | None = None
        for window in windows:
            if quota.has_room(window, meters, now):
                continue
            verdict = quota.verdict(window, meters, now)
            if verdict is not None and (worst is None or _end(verdict) > _end(worst)):
                worst = verdict
        return worst

    def behind(
        self, deployment: Deployment, upper: Meters, now: float, ahead: Mapping[str, int]
    ) -> Verdict | None:
        """As ``check``, for one who comes after those that claim ``ahead`` (by window key)."""
        windows, meters = self._metered(deployment, upper, now)
        worst: Verdict | None = None
        for window in windows:
            verdict = quota.verdict(window, meters, now, ahead.get(window.key, 0))
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
        windows, derived = self._bound.get(deployment.id) or self._bind(deployment, now)
        return windows, metered(deployment, upper, windows, ceiling=True) if derived else upper

    def likely(
        self, deployment: Deployment, expected: Meters, now: float
    ) -> tuple[tuple[Window, ...], Meters]:
        """The windows of a deployment, and what a call that comes to ``expected`` takes there."""
        windows, derived = self._bound.get(deployment.id) or self._bind(deployment, now)
        if derived:
            return windows, metered(deployment, expected, windows, ceiling=False)
        return windows, expected

    def reserve(self, deployment: Deployment, upper: Meters, now: float) -> tuple[Reservation, ...]:
        """Holds in all windows; ``check`` was asked before, in the same breath."""
        windows = self.bound(deployment, now)
        meters = metered(deployment, upper, windows, ceiling=True)
        self._dirty.update(window.key for window in windows)
        return tuple(quota.reserve(window, quota.claim(window, meters), now) for window in windows)

    def settle(
        self, holds: Iterable[Reservation], deployment: Deployment, used: Meters, now: float
    ) -> None:
        found = [(held, self._windows[held.key]) for held in holds]
        meters = metered(deployment, used, (window for _, window in found), ceiling=False)
        for held, window in found:
            quota.settle(window, held, quota.need(window.limit, meters), now)
            self._dirty.add(held.key)
        if self.learner.passed(deployment, used, now):
            self._bound.clear()  # a learnt limit changed: it is looked up anew
            self._fresh.clear()

    def release(self, holds: Iterable[Reservation], now: float, *, sent: bool) -> None:
        for held in holds:
            quota.release(self._windows[held.key], held, now, sent=sent)
            self._dirty.add(held.key)

    def observe(
        self,
        deployment: Deployment,
        seen: Sequence[Observation],
        now: float,
        holds: Iterable[Reservation] = (),
        *,
        accepted: bool = True,
    ) -> None:
        """What headers say. ``holds``: of the attempt whose answer carried them, if known;
        ``accepted``: it was settled, else it was refused and released."""
        own = {held.key: held for held in holds}
        pinned = bool(deployment.account.limits)
        windows = self.bound(deployment, now)
        for means in ("limit", "remaining", "used", "reset"):
            for one in seen:
                if one.means != means:
                    continue
                for window in quota.matching(windows, one.metric, one.window):
                    counted = accepted or window.limit.charged_on == "sent"
                    self._observe(window, one, now, own.get(window.key), pinned, counted)
                    self._dirty.add(window.key)
        _spent_until(windows, seen, now)

    def marks(self, deployments: Iterable[Deployment], now: float) -> list[Reservation]:
        """The windows of these as they are now, to measure against what is said later."""
        return [quota.mark(window, now) for _, window in self.all(deployments, now)]

    def told(
        self,
        deployments: Sequence[Deployment],
        seen: Sequence[Observation],
        marks: Iterable[Reservation],
        now: float,
    ) -> None:
        """A provider's own report, which may be some time old: it lowers a count only where
        nothing was sent for long before it was asked, and nothing since."""
        before = {held.key: held for held in marks}
        idle = {
            key: held
            for key, held in before.items()
            if (window := self._windows[key]).held == 0 and held.at - window.touched > _STALE
        }
        done: set[tuple[str, str]] = set()
        for deployment in deployments:
            pinned = bool(deployment.account.limits)
            windows = self.bound(deployment, now)
            for one in sorted(seen, key=lambda o: o.means != "limit"):
                for window in quota.matching(windows, one.metric, one.window):
                    if (window.key, one.means) in done:
                        continue
                    done.add((window.key, one.means))
                    if one.means == "used" and window.key in before and window.key not in idle:
                        # However old: what it counts beyond all we ever sent is not ours.
                        quota.notice(window, int(one.value), now, before[window.key])
                    self._observe(window, one, now, idle.get(window.key), pinned, False)
                    self._dirty.add(window.key)

    def exhaust(
        self,
        deployment: Deployment,
        metric: str | None,
        span: str | None,
        until: float | None,
        now: float,
    ) -> float | None:
        """A refusal named a window. When it comes back; None: unknown or never."""
        if metric is None and span is None:
            return None
        ends = []
        for window in quota.matching(self.bound(deployment, now), metric, span):
            if window.kind == "concurrency":
                continue
            quota.refused_early(window, now)
            ends.append(quota.exhaust(window, until, now))
            self._dirty.add(window.key)
        known = [end for end in ends if end is not None]
        return max(known) if known else None

    def taught(self, deployment: Deployment, outcome: Outcome, now: float) -> None:
        """A refusal: where nobody publishes the limit it names, something is learnt."""
        if self.learner.refused(deployment, outcome, now):
            self._bound.clear()
            self._fresh.clear()

    def reset(self, provider: str | None, idx: int | None, now: float) -> frozenset[str]:
        """The owner says these are fresh; the keys of those that were reset."""
        done = set()
        for key, window in self._windows.items():
            if provider is None or _belongs(key, provider, idx):
                quota.reset(window, now)
                self._dirty.add(key)
                done.add(key)
        for key in [k for k in self._saved if provider is None or _belongs(k, provider, idx)]:
            del self._saved[key]
        return frozenset(done)

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
                self._saved[row.key] = row.state

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

    def _bind(self, deployment: Deployment, now: float) -> _Bound:
        """Looks up the windows of a deployment that was not asked about before."""
        pinned = bool(deployment.account.limits)
        learnt = self.learner.limits(deployment)
        windows = tuple(
            self._window(limit, quota.key_of(limit, deployment), now, pinned)
            for limit in deployment.limits
        ) + tuple(self._learnt_window(limit, deployment, now) for limit in learnt)
        bound = _Bound(windows, any(window.derived for window in windows))
        self._bound[deployment.id] = bound
        return bound

    def _window(self, limit: Limit, key: str, now: float, pinned: bool) -> Window:
        window = self._windows.get(key)
        if window is None:
            window = quota.window_for(limit, key, now)
            self._windows[key] = window
            self._restore(window, now)
        elif key in self._fresh:
            window.amount = min(window.amount, limit.amount)  # two limits share one bucket
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
            window.counter.put(self.learner.consumed(deployment, limit, now), now)
        return window

    def _lessons(self, name: str, now: float) -> WindowRow:
        provider = name.removeprefix(PREFIX).partition("@")[0]
        return WindowRow(name, self.learner.dump(name), now, provider, now + KEPT_S)

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
            return
        try:
            quota.restore(window, state, now)
        except (KeyError, TypeError, ValueError):
            # Not a state we wrote: a window that cannot be read is not a window that is empty.
            window.counter.put(float(window.amount), now)
        self._dirty.add(window.key)

    def _observe(
        self,
        window: Window,
        one: Observation,
        now: float,
        own: Reservation | None,
        pinned: bool,
        counted: bool,
    ) -> None:
        value = int(one.value)
        if one.means == "limit":
            quota.learn_amount(window, value, now, pinned=pinned)
        elif one.means == "remaining" and not pinned:
            quota.observe(window, max(0, window.amount - value), now, own, counted=counted)
        elif one.means == "used":
            quota.observe(window, value, now, own, counted=counted)


def metered(
    deployment: Deployment, meters: Meters, windows: Iterable[Window], *, ceiling: bool
) -> Meters:
    """With the meters that follow from others, where one of ``windows`` counts them:
    list price in ``usd``, a provider's own ``units``.

    ``ceiling``: the most it can be, for a hold; else what it was.
    """
    model = deployment.model
    if not any(window.derived for window in windows):
        return meters
    usd, units = meters.usd, meters.units
    if not usd and model.price is not None:
        usd = model.price.ceiling(meters) if ceiling else model.price.cost(meters)
    if not units and model.neurons is not None:
        read, written = model.neurons
        whole = meters.input + meters.cache_read + meters.cache_write
        units = -(-(whole * read + meters.output * written) // 1_000_000)
    return replace(meters, usd=usd, units=units)


def _spent_until(windows: Sequence[Window], seen: Sequence[Observation], now: float) -> None:
    """Nothing remains, and the headers say until when: a window that does not refill waits."""
    ends = {(one.metric, one.window): float(one.value) for one in seen if one.means == "reset"}
    for one in seen:
        end = ends.get((one.metric, one.window))
        if one.means != "remaining" or one.value > 0 or end is None or end <= now:
            continue
        for window in quota.matching(windows, one.metric, one.window):
            if window.kind in ("rolling", "calendar"):
                quota.exhaust(window, end, now)


def _row(window: Window, now: float) -> WindowRow:
    span = inf if window.kind == "once" else _span(window.limit)
    until = None if span == inf else now + span + _KEPT_AFTER
    provider = window.key.removeprefix("ip:").partition("|")[0].partition("@")[0].partition("/")[0]
    return WindowRow(window.key, quota.dump(window), now, provider, until)


def _span(limit: Limit) -> float:
    return 0.0 if limit.metric == "concurrency" else window_seconds(limit.window)


def _shape(limit: Limit) -> tuple[object, ...]:
    return (limit.metric, limit.window, limit.reset, limit.timezone, limit.expires_days)


def _end(verdict: Verdict) -> float:
    return inf if verdict.until is None else verdict.until


def _belongs(key: str, provider: str, idx: int | None) -> bool:
    owner = key.partition("|")[0]
    if owner.startswith("ip:"):
        return owner.removeprefix("ip:").partition("/")[0] == provider
    account = owner.partition("/")[0]
    return account == f"{provider}@{idx}" or (
        idx is None and account.rpartition("@")[0] == provider
    )
