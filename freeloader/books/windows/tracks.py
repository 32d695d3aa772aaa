"""One owner's track: what was consumed in each span, what was learnt of it, what headers told.

An owner is an account or a model there, as windows name them. When something is learnt, and of
which deployments, is ``learner``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from freeloader.core.model import HEADERS, Limit
from freeloader.core.periods import iso, window_seconds
from freeloader.core.quota import learning
from freeloader.core.quota.learning import Lesson
from freeloader.core.quota.rolling import Rolling

#: What is watched before anything was refused; further spans as refusals name them.
WATCHED = (("requests", "1m"), ("requests", "1h"), ("requests", "1d"), ("tokens", "1m"),
            ("tokens", "1d"))  # fmt: skip

Span = tuple[str, str]


@dataclass(slots=True)
class Watched:
    """One span: what was consumed in it, and what was learnt."""

    seconds: float
    count: Rolling
    lesson: Lesson


@dataclass(slots=True)
class Track:
    """One owner's spans. ``owner`` as windows name it."""

    owner: str
    scope: str
    spans: dict[Span, Watched] = field(default_factory=dict)
    #: True once a refusal named a span here: then each call may change a limit.
    taught: bool = False
    #: Requests and tokens that passed, when the first and the last did: not yet in the spans.
    fresh: tuple[int, int, float, float] | None = None
    #: Limits that the provider's own answers told of: then nothing is to be learnt of these.
    said: dict[Span, int] = field(default_factory=dict)
    #: How many calls may run at once (``crowds``).
    running: Lesson = field(default_factory=Lesson)

    def note(self, requests: int, tokens: int, now: float) -> None:
        """What passed where nothing was refused yet: those of one second are counted together.

        No slice of a watched span is shorter, so that the counts are the same.
        """
        before = self.fresh
        if before is not None and before[3] <= now and int(before[3]) == int(now):
            self.fresh = (before[0] + requests, before[1] + tokens, before[2], now)
        else:
            self.fold()
            self.fresh = (requests, tokens, now, now)

    def fold(self) -> None:
        """What waits goes into the spans. No limit changes by it."""
        if self.fresh is None:
            return
        (requests, tokens, first, last), self.fresh = self.fresh, None
        for span, one in self.spans.items():
            one.count.add(requests if span[0] == "requests" else tokens, last, first)
            learning.passed(one.lesson, int(one.count.used(last)), one.seconds, last)

    def at(self, span: Span, now: float | None = None) -> Watched:
        """One span; where it was not watched yet, a longer one knows what it has counted."""
        found = self.spans.get(span)
        if found is None:
            seconds = window_seconds(span[1])
            found = self.spans[span] = Watched(seconds, Rolling(seconds), Lesson())
            longer = [one for (metric, _), one in self.spans.items()
                      if metric == span[0] and one.seconds > seconds]  # fmt: skip
            if longer and now is not None:
                found.count.begin([min(longer, key=lambda one: one.seconds).count], now)
        return found

    def dump(self) -> Mapping[str, Any]:
        """As JSON-ready data."""
        self.fold()
        return {
            "scope": self.scope,
            "spans": [
                [*span, learning.dump(one.lesson), one.count.dump()]
                for span, one in self.spans.items()
            ],
            "said": [[*span, amount] for span, amount in self.said.items()],
            "running": learning.dump(self.running),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Raises KeyError, TypeError, ValueError or AttributeError for what is no dumped one."""
        for metric, window, lesson, count in state["spans"]:
            one = self.at((str(metric), str(window)))
            one.lesson = learning.load(lesson)
            one.count.load(count)
            self.taught |= (metric, window) not in WATCHED or one.lesson.upper is not None
        for metric, window, amount in state.get("said", ()):
            self.said[str(metric), str(window)] = int(amount)
        if "running" in state:
            self.running = learning.load(state["running"])

    def clock_set(self, step: float, now: float) -> None:
        """The clock was set forward by ``step`` seconds (negative: back), and no time passed."""
        self.fold()
        for one in self.spans.values():
            one.count.clock_set(step, now)
        for lesson in (self.running, *(one.lesson for one in self.spans.values())):
            if lesson.changed_at and step > 0:
                lesson.changed_at += step

    def lessons(self) -> list[Lesson]:
        """Those of which a refusal told."""
        every = (self.running, *(one.lesson for one in self.spans.values()))
        return [lesson for lesson in every if lesson.upper is not None]

    def forget(self) -> bool:
        """Lessons and what headers told; what passed is counted on. False: there were none."""
        self.fold()
        some = bool(self.said or self.lessons())
        self.said.clear()
        self.running = Lesson()
        for one in self.spans.values():
            one.lesson = Lesson()
        return some

    def shown(self, lesson: Lesson, model: str) -> dict[str, Any]:
        """What is known of one limit here, for people. ``model``: of whom is asked."""
        return {
            "scope": self.scope,
            "model": model if self.scope == "model" else None,
            "atLeast": lesson.lower,
            "atMost": lesson.upper,
            "refusals": lesson.refusals,
            "confidence": lesson.confidence,
        }


def spans_of(track: Track | None) -> Iterable[Span]:
    return () if track is None else track.spans


def lesson_of(track: Track | None, span: Span) -> Lesson:
    found = None if track is None else track.spans.get(span)
    return Lesson() if found is None else found.lesson


def limit_of(track: Track, span: Span, lesson: Lesson) -> Limit:
    return Limit(
        span[0],
        lesson.amount or 1,
        span[1],
        "rolling",
        track.scope,
        confidence=lesson.confidence,
        source=learnt_from(track, lesson),
    )


def learnt_from(track: Track, lesson: Lesson) -> str:
    """Where a learnt limit comes from, for people."""
    return (
        f"learnt from {lesson.refusals} refusals at {track.owner}, "
        f"the last change {iso(lesson.changed_at)}"
    )


def told_limit(scope: str, span: Span, amount: int) -> Limit:
    """How it resets no header says: it is taken to slide, which gives back latest."""
    return Limit(span[0], amount, span[1], "unknown", scope, confidence="high", source=HEADERS)
