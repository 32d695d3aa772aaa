"""How many calls may run at once where nobody publishes it: learnt from refusals that say so.

The lesson is ``core.quota.learning``'s, and is kept with its owner's track. What runs is not
counted here: whoever asks knows it, and from the second refusal on it is a window like any other.
"""

from __future__ import annotations

from typing import Any

from freeloader.books.windows.tracks import Track, learnt_from
from freeloader.core.model import Limit
from freeloader.core.quota import learning

#: As windows name it: it has no period.
METRIC, WINDOW = "concurrency", "once"
#: What is a span for other limits, in seconds: so long it is reached before it is stretched.
_SPAN = 60.0


def refused(track: Track, running: int, now: float) -> bool:
    """One more than ``running`` were too many. True where the limit in force changed."""
    return learning.refused(track.running, running, now)


def passed(track: Track, running: int, now: float) -> bool:
    """``running`` were let run at once, a call that was answered among them. Of more than the
    limit that is kept to nobody knows yet: some may be refused. True where it changed."""
    lesson = track.running
    if lesson.amount is None:
        return False
    return learning.passed(lesson, min(running, lesson.amount), _SPAN, now)


def limit_of(track: Track) -> Limit | None:
    """The limit to keep to; None while too little is known."""
    lesson = track.running
    if lesson.amount is None:
        return None
    source = learnt_from(track, lesson)
    return Limit(METRIC, lesson.amount, WINDOW, scope=track.scope, confidence=lesson.confidence,
                 source=source)  # fmt: skip


def shown(track: Track, model: str) -> list[dict[str, Any]]:
    """What is known of it, for people; nothing before a refusal."""
    lesson = track.running
    if not lesson.refusals:
        return []
    return [{"metric": METRIC, "window": WINDOW, **track.shown(lesson, model)}]
