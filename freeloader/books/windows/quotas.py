"""All quota windows, as attempts hold and settle them and as providers speak of them.

Counting is ``core.quota``'s, which windows a deployment counts in ``books.bindings``'.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import ceil, inf

from freeloader.books.ports import StoredWindow
from freeloader.books.windows.bindings import Bindings
from freeloader.books.windows.learner import KEPT_S, PREFIX, Learner
from freeloader.books.windows.metering import metered
from freeloader.core import quota
from freeloader.core.model import HEADERS, Deployment, Limit, Verdict
from freeloader.core.outcome import Outcome
from freeloader.core.outcome.headers import Observation
from freeloader.core.periods import window_seconds
from freeloader.core.quota import Reservation, Window, has_room
from freeloader.core.rows import WindowRow
from freeloader.money import Meters

#: Windows of fewer requests than this are on disk before a request is sent.
SMALL = 100
#: A provider's own report may be so old, in seconds (OpenRouter's is cached for a minute).
_STALE = 120.0
#: How long a saved state outlives its window, in seconds.
_KEPT_AFTER = 86400.0


class Quotas:
    """Every window, by its key; ``learner`` makes limits of what nobody publishes."""

    def __init__(self) -> None:
        self.learner = Learner()
        self._windows = Bindings(self.learner)
        self._bound = self._windows.bound
        self._dirty: set[str] = set()

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

    def reserve(self, deployment: Deployment, upper: Meters, now: float) -> tuple[Reservation, ...]:
        """Holds in all windows; ``check`` was asked before, in the same breath."""
        bound = self._windows.of(deployment, now)
        windows = bound.windows + bound.beside
        meters = metered(deployment, upper, windows, ceiling=True)
        self._dirty.update([window.key for window in windows])
        held = [quota.reserve(window, quota.claim(window, meters), now) for window in windows]
        return tuple(held)

    def settle(
        self, holds: Iterable[Reservation], deployment: Deployment, used: Meters, now: float
    ) -> None:
        found = [(held, self._windows[held.key]) for held in holds]
        meters = metered(deployment, used, [window for _, window in found], ceiling=False)
        for held, window in found:
            amount = quota.need(window.limit, meters)
            if deployment.gives(window.limit) and window.kind != "rolling":
                # What is beyond it is paid for, and not counted; in a sliding window it is,
                # because what we still count there the provider may have forgotten already.
                amount = min(amount, max(0, ceil(window.amount - window.counter.used(now))))
            quota.settle(window, held, amount, now)
            self._dirty.add(held.key)
        if self.learner.passed(deployment, used, now):
            self._windows.replaced()

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
        pinned = deployment.pinned
        if not pinned and (news := self._told_of(deployment, seen, now)):
            seen = [one for one in seen if (one.metric, one.window) not in news]
        windows = self._windows.of(deployment, now).walls  # nobody's header speaks of a gift
        for means in ("limit", "remaining", "used", "reset"):
            for one in seen:
                if one.means != means:
                    continue
                for window in quota.matching(windows, one.metric, one.window):
                    counted = accepted or window.limit.charged_on == "sent"
                    self._observe(window, one, now, own.get(window.key), pinned, counted)
                    self._dirty.add(window.key)
        _spent_until(windows, seen, now)

    def _told_of(
        self, deployment: Deployment, seen: Sequence[Observation], now: float
    ) -> Collection[tuple[str, str]]:
        """Limits that only headers tell of are kept to from now on; of those that are news the
        metrics and lengths. They begin with the larger of our count and the provider's."""
        news = set()
        windows, *_, published = self._windows.of(deployment, now)
        for one in seen:
            if one.means != "limit" or (span := (one.metric, one.window)) in published:
                continue
            known = quota.matching(windows, *span)
            if any(window.limit.source != HEADERS for window in known):
                published.add(span)
            elif self.learner.heard(deployment, one):
                news.add(span)
        if news:
            self._windows.replaced()
        for one in seen if news else ():
            if (one.metric, one.window) in news and one.means in ("remaining", "used"):
                for window in quota.matching(self.bound(deployment, now), one.metric, one.window):
                    told = one.value if one.means == "used" else window.amount - one.value
                    if told > window.counter.used(now):
                        window.counter.put(float(told), now)
                    self._dirty.add(window.key)
        return news

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
            pinned = deployment.pinned
            windows = self._windows.of(deployment, now).walls
            for one in sorted(seen, key=lambda o: o.means != "limit"):
                for window in quota.matching(windows, one.metric, one.window):
                    if (window.key, one.means) in done:
                        continue
                    done.add((window.key, one.means))
                    if one.means == "used" and window.key in before and window.key not in idle:
                        # However old: what it counts beyond all we ever sent is not ours.
                        quota.notice(window, int(one.value), now, before[window.key])
                    self._observe(window, one, now, idle.get(window.key), pinned, False)
                    if one.means != "limit":
                        window.told = now
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
            self._windows.replaced()

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

    def _lessons(self, name: str, now: float) -> WindowRow:
        provider = name.removeprefix(PREFIX).partition("@")[0]
        return WindowRow(name, self.learner.dump(name), now, provider, now + KEPT_S)

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
            # Of 0 the refusal speaks, whose pause ends: a limit learnt for good would not.
            if value > 0:
                quota.learn_amount(window, value, now, pinned=pinned)
        elif one.means == "remaining" and not pinned:
            quota.observe(window, max(0, window.amount - value), now, own, counted=counted)
        elif one.means == "used":
            quota.observe(window, value, now, own, counted=counted)


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


def _end(verdict: Verdict) -> float:
    return inf if verdict.until is None else verdict.until
