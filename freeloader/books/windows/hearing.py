"""What providers say of quota windows: by the headers of answers, by refusals, when asked.

What one saying does to one window is ``core.quota``'s; here it is found which it speaks of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from freeloader.books.windows.asking import Asking
from freeloader.core import quota
from freeloader.core.model import HEADERS, Deployment
from freeloader.core.outcome import Outcome
from freeloader.core.outcome.headers import Observation
from freeloader.core.quota import Reservation, Window
from freeloader.money import Meters

#: A provider's own report may be so old, in seconds (OpenRouter's is cached for a minute).
_STALE = 120.0


class Hearing(Asking):
    """Windows that are spoken of; ``_dirty`` are those to be saved."""

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

    def refused(
        self, deployment: Deployment, outcome: Outcome, asked: Meters | None, now: float
    ) -> None:
        """What a refusal says of a limit that is kept to: how large it is, where it names that,
        and in a bucket that refills how full it is; ``asked``: what was held for the call."""
        if outcome.kind not in ("slow_down", "spent") or None in (outcome.metric, outcome.window):
            return
        walls = self._windows.of(deployment, now).walls
        found = quota.matching(walls, outcome.metric, outcome.window)
        if len(found) > 1:  # a model's and the account's, say
            model = outcome.scope == "model"
            found = [one for one in found if ("model" in one.limit.scope) is model]
        if len(found) != 1 or found[0].limit.source.startswith("learnt"):
            return
        (window,) = found
        if outcome.limit is not None:
            quota.named(window, outcome.limit, now, pinned=deployment.pinned)
        if window.kind == "refill" and outcome.until is not None and asked is not None:
            quota.back_at(window, quota.claim(window, asked), outcome.until, now)
        whose = ("model" in window.limit.scope) is (outcome.scope == "model")
        if outcome.kind == "slow_down" and window.kind in ("rolling", "calendar") and whose:
            quota.exhaust(window, outcome.until, now)  # a spent one is noted anyway
        self._dirty.add(window.key)

    def taught(
        self,
        deployment: Deployment,
        outcome: Outcome,
        now: float,
        running: Iterable[Deployment] = (),
    ) -> bool:
        """A refusal: where nobody publishes the limit it names, something is learnt.
        ``running``: of each other call that runs. True where a limit in force changed."""
        changed = self.learner.refused(deployment, outcome, now, running)
        if changed:
            self._windows.replaced()
        return changed

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
