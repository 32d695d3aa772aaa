"""Counts what the journal is told, for the metrics: requests, attempts, tokens, money, time.

A journal in front of the journal: what comes in is counted and handed on. Labels are
few on purpose (no project, no key, no model): a scrape stays small however much goes
through. How the numbers are written down is ``routes.metrics``' business.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence

from freeloader.gateway.ports import JournalPort
from freeloader.store.rows import AttemptRow, DecisionRow

#: Upper ends of the buckets of whole answers, in seconds.
BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
#: Label values kept per metric; what is more goes under ``other``.
VALUES_MAX = 200
OTHER = "other"

Labels = tuple[str, ...]


class Counts:
    """Sums since the start of the daemon; one owner (the event loop)."""

    def __init__(self) -> None:
        self.requests: dict[Labels, int] = defaultdict(int)  # outcome, strategy
        self.attempts: dict[Labels, int] = defaultdict(int)  # provider, outcome
        self.tokens: dict[Labels, int] = defaultdict(int)  # provider, kind
        self.cost_pico: dict[Labels, int] = defaultdict(int)  # provider
        self.saved_usd = 0.0
        self.buckets: list[int] = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0

    def decision(self, row: DecisionRow) -> None:
        _add(self.requests, (row.outcome, row.strategy))
        seconds = (row.latency_ms or 0.0) / 1000
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds
        routing = row.detail.get("routing")
        saved = routing.get("savings") if isinstance(routing, dict) else None
        if isinstance(saved, dict):
            self.saved_usd += max(0.0, float(saved.get("saved") or 0.0))

    def attempt(self, row: AttemptRow) -> None:
        provider = row.deployment.partition("@")[0]
        _add(self.attempts, (provider, row.outcome))
        if row.cost_pico and row.detail.get("costUsd", 0) is not None:
            _add(self.cost_pico, (provider,), row.cost_pico)
        used = row.meters
        for kind, count in (
            ("input", used.input),
            ("cached", used.cache_read + used.cache_write),
            ("output", used.output),
        ):
            if count:
                _add(self.tokens, (provider, kind), count)


class Counted:
    """A journal that counts. See ``gateway.ports.JournalPort``."""

    def __init__(self, journal: JournalPort, counts: Counts) -> None:
        self._journal, self._counts = journal, counts

    def decision(self, row: DecisionRow) -> None:
        self._counts.decision(row)
        self._journal.decision(row)

    def attempt(self, row: AttemptRow) -> None:
        self._counts.attempt(row)
        self._journal.attempt(row)

    def texts(
        self, decision_id: str, at: float, make: Callable[[], tuple[str | None, str | None]]
    ) -> None:
        self._journal.texts(decision_id, at, make)


def cumulative(buckets: Sequence[int]) -> list[tuple[str, float]]:
    """Prometheus' buckets: (upper end, how many were at most that)."""
    total = 0
    found: list[tuple[str, float]] = []
    for end, count in zip((*BUCKETS, float("inf")), buckets, strict=True):
        total += count
        found.append(("+Inf" if end == float("inf") else f"{end:g}", float(total)))
    return found


def _add(sums: dict[Labels, int], labels: Labels, count: int = 1) -> None:
    if labels not in sums and len(sums) >= VALUES_MAX:
        labels = (OTHER,) * len(labels)
    sums[labels] += count
