"""What passed and what was refused at accounts whose limits nobody publishes.

The lessons are ``core.learning``'s; here it is counted what they are taught with, and
they become limits like any other. Nothing is counted where a published limit is, or the
owner's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from freeloader.core import learning
from freeloader.core.learning import Lesson
from freeloader.core.model import Deployment, Limit
from freeloader.core.outcome import Outcome
from freeloader.core.periods import iso, window_seconds
from freeloader.core.quota import owner_of
from freeloader.core.windows import Rolling
from freeloader.money import Meters

#: Under which name an owner's lessons are saved beside the windows.
PREFIX = "learnt|"
#: Saved lessons are forgotten after so many seconds without a new one.
KEPT_S = 60 * 86_400.0
#: What is watched before anything was refused; further spans as refusals name them.
_WATCHED = (("requests", "1m"), ("requests", "1h"), ("requests", "1d"), ("tokens", "1m"),
            ("tokens", "1d"))  # fmt: skip
_TEACHES = frozenset({"slow_down", "spent"})

_Span = tuple[str, str]


@dataclass(slots=True)
class _Track:
    """One owner's spans: what was consumed in each, and what was learnt."""

    scope: str
    counts: dict[_Span, Rolling] = field(default_factory=dict)
    lessons: dict[_Span, Lesson] = field(default_factory=dict)


class Learner:
    """``dirty`` holds the names of rows to be saved."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}
        self.dirty: set[str] = set()

    def passed(self, deployment: Deployment, used: Meters, now: float) -> bool:
        """A call was answered. True where a limit in force changed."""
        watched = _unpublished(deployment)
        changed = False
        for owner, track in self._of(deployment) if watched else ():
            for span in {*watched, *track.lessons}:
                count = track.counts.get(span) or track.counts.setdefault(
                    span, Rolling(window_seconds(span[1]))
                )
                count.add(_amount(span, used), now, now)
                lesson = track.lessons.setdefault(span, Lesson())
                seconds = window_seconds(span[1])
                if learning.passed(lesson, int(count.used(now)), seconds, now):
                    self.dirty.add(PREFIX + owner)
                    changed = True
        return changed

    def refused(self, deployment: Deployment, outcome: Outcome, now: float) -> bool:
        """A refusal for a rate or a spent quota. True where a limit in force changed."""
        if outcome.kind not in _TEACHES or outcome.window in (None, "once", "month"):
            return False
        span = (outcome.metric or "requests", outcome.window or "")
        if span[0] not in ("requests", "tokens") or _pinned(deployment, span):
            return False
        scope = "account" if outcome.scope == "account" else "model"
        for owner, track in self._of(deployment):
            if track.scope != scope:
                continue
            count = track.counts.setdefault(span, Rolling(window_seconds(span[1])))
            lesson = track.lessons.setdefault(span, Lesson())
            self.dirty.add(PREFIX + owner)
            return learning.refused(lesson, int(count.used(now)), now)
        return False

    def limits(self, deployment: Deployment) -> tuple[Limit, ...]:
        """The learnt limits that a deployment keeps to."""
        found = []
        for owner, track in self._known(deployment):
            for (metric, window), lesson in track.lessons.items():
                amount = lesson.amount
                if amount is None or _pinned(deployment, (metric, window)):
                    continue
                source = (
                    f"learnt from {lesson.refusals} refusals at {owner}, "
                    f"the last change {iso(lesson.changed_at)}"
                )
                found.append(
                    Limit(
                        metric,
                        amount,
                        window,
                        "rolling",
                        track.scope,
                        confidence=lesson.confidence,
                        source=source,
                    )
                )
        return tuple(found)

    def consumed(self, deployment: Deployment, limit: Limit, now: float) -> float:
        """What a learnt limit has counted before it was one."""
        for _, track in self._known(deployment):
            count = track.counts.get((limit.metric, limit.window))
            if track.scope == limit.scope and count is not None:
                return count.used(now)
        return 0.0

    def shown(self, deployment: Deployment) -> list[dict[str, Any]]:
        """What is known of unpublished limits, for people."""
        return [
            {
                "metric": metric,
                "window": window,
                "scope": track.scope,
                "model": deployment.model.id if track.scope == "model" else None,
                "atLeast": lesson.lower,
                "atMost": lesson.upper,
                "refusals": lesson.refusals,
                "confidence": lesson.confidence,
            }
            for _, track in self._known(deployment)
            for (metric, window), lesson in sorted(track.lessons.items())
            if lesson.lower or lesson.refusals
        ]

    def dump(self, row: str) -> Mapping[str, Any]:
        """One owner's lessons as JSON-ready data."""
        track = self._tracks[row.removeprefix(PREFIX)]
        return {
            "scope": track.scope,
            "spans": [
                [*span, learning.dump(lesson), _count(track, span)]
                for span, lesson in track.lessons.items()
            ],
        }

    def load(self, row: str, state: Mapping[str, Any]) -> None:
        """Takes a saved row over; what is no such row is left out."""
        try:
            track = _Track(str(state["scope"]))
            for metric, window, lesson, count in state["spans"]:
                span = (str(metric), str(window))
                track.lessons[span] = learning.load(lesson)
                track.counts[span] = Rolling(window_seconds(span[1]))
                if count:
                    track.counts[span].load(count)
        except (KeyError, TypeError, ValueError, AttributeError):
            return
        self._tracks[row.removeprefix(PREFIX)] = track

    def everything(self) -> set[str]:
        """All rows: counts too are kept over a clean stop."""
        return {PREFIX + owner for owner in self._tracks}

    def _known(self, deployment: Deployment) -> Iterator[tuple[str, _Track]]:
        for scope in ("account", "model"):
            owner = owner_of(scope, deployment)
            track = self._tracks.get(owner)
            if track is not None:
                yield owner, track

    def _of(self, deployment: Deployment) -> Iterator[tuple[str, _Track]]:
        for scope in ("account", "model"):
            owner = owner_of(scope, deployment)
            yield owner, self._tracks.setdefault(owner, _Track(scope))


def _count(track: _Track, span: _Span) -> Any:
    count = track.counts.get(span)
    return None if count is None else count.dump()


def _amount(span: _Span, used: Meters) -> int:
    return max(1, used.requests) if span[0] == "requests" else used.tokens()


def _pinned(deployment: Deployment, span: _Span) -> bool:
    """True where somebody says what this limit is: the registry, or the owner."""
    return bool(deployment.account.limits) or any(
        limit.metric == span[0] and limit.window == span[1] for limit in deployment.limits
    )


def _unpublished(deployment: Deployment) -> tuple[_Span, ...]:
    """What is watched of a deployment: nothing where the machine is ours or limits are given."""
    if deployment.local or deployment.account.limits or deployment.billable:
        return ()
    known = {(limit.metric, limit.window) for limit in deployment.limits}
    return tuple(span for span in _WATCHED if span not in known)
