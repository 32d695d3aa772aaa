"""What passed and what was refused at accounts whose limits nobody publishes.

The lessons are ``core.quota.learning``'s; here it is counted what they are taught with, and
they become limits like any other, as do those that only headers tell of. What is kept of
one account or model is its track (``tracks``). Nothing is counted where a published limit is,
or the owner's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from freeloader.books.windows import crowds
from freeloader.books.windows.tracks import (
    WATCHED,
    Span,
    Track,
    lesson_of,
    limit_of,
    spans_of,
    told_limit,
)
from freeloader.core import quota
from freeloader.core.model import Deployment, Limit
from freeloader.core.outcome import Outcome
from freeloader.core.outcome.headers import Observation
from freeloader.core.quota import learning, owner_of
from freeloader.money import Meters

#: Under which name an owner's lessons are saved beside the windows.
PREFIX = "learnt|"
#: Saved lessons are forgotten after so many seconds without a new one.
KEPT_S = 60 * 86_400.0
_TEACHES = frozenset({"slow_down", "spent"})
#: Windows that have no length to be counted over.
_NO_SPAN = ("once", "month")

#: Whose a limit can be.
_SCOPES = ("account", "model")


class Learner:
    """``dirty`` holds the names of rows to be saved."""

    def __init__(self) -> None:
        self._tracks: dict[str, Track] = {}
        #: By deployment, until they change: what is watched, and where it is counted.
        self._plans: dict[str, tuple[tuple[Span, ...], tuple[Track, ...]]] = {}
        self.dirty: set[str] = set()

    def replaced(self) -> None:
        """The deployments changed: what is watched of each is looked up anew."""
        self._plans.clear()

    def passed(self, deployment: Deployment, used: Meters, now: float) -> bool:
        """A call was answered. True where a limit in force changed."""
        watched, tracks = self._plans.get(deployment.id) or self._plan(deployment)
        changed = False
        asked, tokens = max(1, used.requests), used.tokens()
        for track in tracks if watched else ():
            if not track.taught:
                track.note(asked, tokens, now)
                continue
            for span, one in track.spans.items():
                amount = asked if span[0] == "requests" else tokens
                consumed = int(one.count.passed(amount, now))
                if learning.passed(one.lesson, consumed, one.seconds, now):
                    self.dirty.add(PREFIX + track.owner)
                    changed = True
        return changed

    def filled(self, deployment: Deployment, scope: str, running: int, now: float) -> bool:
        """A call was answered while so many ran. True where a limit in force changed."""
        track = self._tracks.get(owner_of(scope, deployment))
        if track is None or not crowds.passed(track, running, now):
            return False
        self.dirty.add(PREFIX + track.owner)
        return True

    def refused(
        self,
        deployment: Deployment,
        outcome: Outcome,
        now: float,
        running: Iterable[Deployment] = (),
    ) -> bool:
        """A refusal for a rate or a spent quota; ``running``: of each other call that runs.
        True where a limit in force changed."""
        if outcome.metric == crowds.METRIC and outcome.kind in _TEACHES:
            return self._crowded(deployment, outcome, now, running)
        if outcome.kind not in _TEACHES or outcome.window in (None, *_NO_SPAN):
            return False
        span = (outcome.metric or "requests", outcome.window or "")
        if span[0] not in ("requests", "tokens") or _pinned(deployment, span):
            return False
        scope = "account" if outcome.scope == "account" else "model"
        _, tracks = self._plans.get(deployment.id) or self._plan(deployment)
        changed = False
        for track in tracks:
            if outcome.guessed or track.scope == scope:
                unsaid = deployment.model.id if outcome.guessed else None
                changed |= self._teach(track, span, unsaid, outcome.limit, now)
        return changed

    def _crowded(
        self, deployment: Deployment, outcome: Outcome, now: float, running: Iterable[Deployment]
    ) -> bool:
        if _pinned(deployment, (crowds.METRIC, crowds.WINDOW)):
            return False
        scope = "account" if outcome.scope == "account" else "model"
        owner = owner_of(scope, deployment)
        track = self._tracks.setdefault(owner, Track(owner, scope))
        self.dirty.add(PREFIX + owner)
        return crowds.refused(track, sum(owner_of(scope, x) == owner for x in running), now)

    def heard(self, deployment: Deployment, one: Observation) -> bool:
        """An answer's header told of a limit that nobody publishes; True where that is news.

        Whose it is no header says: as the provider's published ones are, else the model's.
        """
        span, amount = (one.metric, one.window), int(one.value)
        if amount <= 0 or one.window in _NO_SPAN or deployment.local or _pinned(deployment, span):
            return False
        scopes = {limit.scope for limit in deployment.provider.limits}
        scope = "account" if "account" in scopes else "model"
        owner = owner_of(scope, deployment)
        track = self._tracks.setdefault(owner, Track(owner, scope))
        if track.said.get(span) == amount:
            return False
        track.said[span] = amount
        self.dirty.add(PREFIX + owner)
        return True

    def _teach(
        self, track: Track, span: Span, unsaid: str | None, size: int | None, now: float
    ) -> bool:
        track.fold()
        track.taught = True
        one = track.at(span, now)
        self.dirty.add(PREFIX + track.owner)
        if size is not None:
            return learning.named(one.lesson, size, now, unsaid)
        return learning.refused(one.lesson, int(one.count.used(now)), now, unsaid)

    def limits(self, deployment: Deployment) -> tuple[Limit, ...]:
        """The learnt limits that a deployment keeps to."""
        found = []
        whole, own = (self._tracks.get(owner_of(scope, deployment)) for scope in _SCOPES)
        told: set[Span] = set()
        for known in filter(None, (whole, own)):
            crowd = crowds.limit_of(known)
            if crowd is not None and not _pinned(deployment, (crowd.metric, crowd.window)):
                found.append(crowd)
            for span, amount in known.said.items():
                if span not in told and not _pinned(deployment, span):
                    told.add(span)
                    found.append(told_limit(known.scope, span, amount))
        for span in dict.fromkeys((*spans_of(whole), *spans_of(own))):
            if span in told or _pinned(deployment, span):
                continue
            lessons = [lesson_of(track, span) for track in (whole, own)]
            for track, lesson, kept in zip(
                (whole, own), lessons, learning.kept(*lessons), strict=True
            ):
                if kept and track is not None:
                    found.append(limit_of(track, span, lesson))
        return tuple(found)

    def consumed(self, deployment: Deployment, limit: Limit, now: float) -> float:
        """What a learnt limit has counted before it was one."""
        for track in self._known(deployment):
            one = track.spans.get((limit.metric, limit.window))
            if track.scope == limit.scope and one is not None:
                return one.count.used(now)
        return 0.0

    def shown(self, deployment: Deployment) -> list[dict[str, Any]]:
        """What is known of unpublished limits, for people."""
        model, out = deployment.model.id, []
        for track in self._known(deployment):
            out += crowds.shown(track, model)
            for (metric, window), lesson in sorted((k, w.lesson) for k, w in track.spans.items()):
                if lesson.lower or lesson.refusals:
                    out.append({"metric": metric, "window": window, **track.shown(lesson, model)})
        return out

    def dump(self, row: str) -> Mapping[str, Any]:
        """One owner's lessons as JSON-ready data."""
        track = self._tracks[row.removeprefix(PREFIX)]
        return track.dump()

    def load(self, row: str, state: Mapping[str, Any]) -> None:
        """Takes a saved row over; what is no such row is left out."""
        owner = row.removeprefix(PREFIX)
        try:
            track = Track(owner, str(state["scope"]))
            track.load(state)
        except (KeyError, TypeError, ValueError, AttributeError):
            return
        self._tracks[owner] = track
        self._plans.clear()

    def clock_set(self, step: float, now: float) -> None:
        """The clock was set forward by ``step`` seconds (negative: back), and no time passed."""
        for track in self._tracks.values():
            track.clock_set(step, now)

    def learnt(self, provider: str | None, idx: int | None) -> int:
        """How many limits were learnt or told of at everybody's, a provider's or an account's."""
        tracks = self._belonging(provider, idx)
        return sum(len(track.said) + len(track.lessons()) for track in tracks)

    def forget(self, provider: str | None, idx: int | None) -> int:
        """The owner says that these are wrong. What passed meanwhile is counted on, so that the
        next refusals teach afresh; how many there were."""
        count = self.learnt(provider, idx)
        for track in self._belonging(provider, idx):
            if track.forget():
                self.dirty.add(PREFIX + track.owner)
        return count

    def _belonging(self, provider: str | None, idx: int | None) -> list[Track]:
        return [t for t in self._tracks.values() if quota.belongs(t.owner, provider, idx)]

    def everything(self) -> set[str]:
        """All rows: counts too are kept over a clean stop."""
        return {PREFIX + owner for owner in self._tracks}

    def _known(self, deployment: Deployment) -> Iterator[Track]:
        for scope in _SCOPES:
            track = self._tracks.get(owner_of(scope, deployment))
            if track is not None:
                track.fold()
                yield track

    def _plan(self, deployment: Deployment) -> tuple[tuple[Span, ...], tuple[Track, ...]]:
        tracks = []
        for scope in _SCOPES:
            owner = owner_of(scope, deployment)
            tracks.append(self._tracks.setdefault(owner, Track(owner, scope)))
        watched = _unpublished(deployment)
        for track in tracks:
            for span in watched:
                track.at(span)
        found = self._plans[deployment.id] = (watched, tuple(tracks))
        return found


def _pinned(deployment: Deployment, span: Span) -> bool:
    """True where somebody says what this limit is: the registry, or the owner."""
    return deployment.pinned or any(
        limit.metric == span[0] and limit.window == span[1] for limit in deployment.limits
    )


def _unpublished(deployment: Deployment) -> tuple[Span, ...]:
    """What is watched of a deployment: nothing where the machine is ours or limits are given."""
    if deployment.local or deployment.account.limits or deployment.billable:
        return ()
    known = {(limit.metric, limit.window) for limit in deployment.limits}
    return tuple(span for span in WATCHED if span not in known)
