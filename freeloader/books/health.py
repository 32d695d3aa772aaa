"""Measured behaviour of deployments: decaying averages, and a p95 over the latest answers.

Whose fault a failure is was decided before; here it only counts. Nothing is kept
over a restart: priors serve until there are samples again. What refuses a deployment
fades: nobody who is refused is measured, so that a slow minute would last for ever.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace

from freeloader.core.feedback import Opinion
from freeloader.core.snapshot import UNMEASURED, Health

#: Averages give the newest sample at least this weight.
_DECAY = 1 / 32
#: Latencies kept for the p95.
_RECENT = 64
#: Seconds after which a success rate and a p95 that nothing renews are forgotten.
FADE_S = 60.0
#: Answers shorter than this say nothing about speed: start-up dominates.
_TOKENS_MIN = 16


class _Track:
    """One deployment's samples."""

    __slots__ = (
        *("first", "latencies", "latency", "mono", "ordered", "rate", "rates", "samples"),
        "success",
    )

    def __init__(self) -> None:
        self.mono = 0.0
        self.samples = self.rates = 0
        self.success = 1.0
        self.latency: float | None = None
        self.first: float | None = None
        self.rate: float | None = None
        self.latencies: deque[float] = deque()
        self.ordered: list[float] = []  # the same, the shortest first

    def took(self, latency_ms: float) -> None:
        """One more latency; the oldest goes. ``latency`` is the p95."""
        ordered = self.ordered
        if len(self.latencies) >= _RECENT:
            del ordered[bisect_left(ordered, self.latencies.popleft())]
        self.latencies.append(latency_ms)
        insort(ordered, latency_ms)
        self.latency = ordered[max(0, -(-len(ordered) * 95 // 100) - 1)]

    def view(self) -> Health:
        return Health(self.samples, self.success, self.latency, self.first, self.rate)


class HealthBook:
    """Health by deployment id."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}  # the one measured longest ago comes first
        self._views: dict[str, Health] = {}
        self._told: dict[str, Mapping[str, Opinion]] = {}
        self._covered: set[str] = set()

    def of(self, deployment: str) -> Health:
        view = self._views.get(deployment, UNMEASURED)
        if self._covered and deployment in self._covered:
            view = replace(view, covered=True)
        told = self._told and self._told.get(deployment)
        return replace(view, opinions=told) if told else view

    def cover(self, deployments: Iterable[str], covered: bool) -> None:
        """Whether the free allowance of these, which can be billed, lasts for another call."""
        if covered:
            self._covered.update(deployments)
        else:
            self._covered.difference_update(deployments)

    def heed(self, told: Mapping[str, Mapping[str, Opinion]]) -> set[str]:
        """What people said, by deployment and task; of whom that is something else than before."""
        before, self._told = self._told, dict(told)
        every = before.keys() | self._told.keys()
        return {name for name in every if before.get(name) != self._told.get(name)}

    def keep_only(self, deployments: frozenset[str]) -> None:
        """Forgets those that are gone."""
        self._tracks = {k: v for k, v in self._tracks.items() if k in deployments}
        self._views = {k: v for k, v in self._views.items() if k in deployments}
        self._covered &= deployments

    def answered(
        self,
        deployment: str,
        latency_ms: float | None,
        first_ms: float | None,
        output_tokens: int,
        mono: float,
    ) -> None:
        """A good answer; milliseconds, and the moment in monotonic seconds."""
        track = self._measured(deployment, mono)
        _count(track, 1.0)
        if latency_ms is not None and latency_ms > 0:
            track.took(latency_ms)
            rate = _rate(latency_ms, first_ms, output_tokens)
            if rate is not None:
                track.rates += 1
                track.rate = _average(track.rate, rate, track.rates)
        if first_ms is not None:
            track.first = _average(track.first, first_ms, track.samples)
        self._views[deployment] = track.view()

    def failed(self, deployment: str, mono: float) -> None:
        """A failure that was theirs."""
        track = self._measured(deployment, mono)
        _count(track, 0.0)
        self._views[deployment] = track.view()

    def fade(self, mono: float) -> list[str]:
        """Forgets what is older than ``FADE_S`` (the speed is kept); whose health changed."""
        faded = []
        for name, track in self._tracks.items():
            if mono - track.mono <= FADE_S:
                break
            faded.append(name)
        for name in faded:
            track = self._tracks.pop(name)
            self._views[name] = Health(0, None, None, track.first, track.rate)
        return faded

    def _measured(self, deployment: str, mono: float) -> _Track:
        """The deployment's samples; a faded one's speed goes on from where it was."""
        track = self._tracks.pop(deployment, None)
        if track is None:
            track, last = _Track(), self._views.get(deployment, UNMEASURED)
            track.first, track.rate = last.first_ms, last.tokens_per_second
            track.rates = 0 if track.rate is None else 1
        track.mono = mono
        self._tracks[deployment] = track
        return track


def _count(track: _Track, success: float) -> None:
    track.samples += 1
    track.success = _average(track.success, success, track.samples)


def _average(before: float | None, value: float, count: int) -> float:
    """The plain mean of the first samples, then a decaying one."""
    if before is None:
        return value
    weight = max(_DECAY, 1 / count) if count > 0 else _DECAY
    return before + weight * (value - before)


def _rate(latency_ms: float, first_ms: float | None, output_tokens: int) -> float | None:
    """Tokens a second while generating; of the whole answer where it came in one piece."""
    if output_tokens < _TOKENS_MIN:
        return None
    span = latency_ms
    if first_ms is not None and latency_ms - first_ms > latency_ms / 5:
        span = latency_ms - first_ms
    return output_tokens / span * 1000
