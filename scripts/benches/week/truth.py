"""The providers as they are: their own windows, exact, outside of anything the router believes.

A request is admitted if every window of its model has room for what it will really come
to, and is counted then; a refused one counts only where the provider says so. Written
apart from ``freeloader.core.windows`` on purpose: a mistake there must show here.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from freeloader.core.events import Answer
from freeloader.core.model import Deployment, Limit
from freeloader.core.quota import key_of
from freeloader.money import Meters

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(window: str) -> float:
    return float(window[:-1]) * _UNITS[window[-1]] if window != "month" else 28 * 86400.0


def consumed(limit: Limit, meters: Meters, deployment: Deployment) -> float:
    """What a call takes of a limit. Neurons by the registry's table, in whole ones."""
    if limit.metric == "requests":
        return 1.0
    if limit.metric == "tokens":
        return float(meters.input + meters.output)
    if limit.metric == "units":
        read, written = deployment.model.neurons or (0, 0)
        return float(-(-(meters.input * read + meters.output * written) // 1_000_000))
    return float(meters.input)


@dataclass
class Bucket:
    """One true window. ``kind``: ``refill``, ``rolling`` (also where nobody says), ``calendar``."""

    limit: Limit
    kind: str
    level: float = 0.0
    stamp: float = 0.0
    events: deque[tuple[float, float]] = field(default_factory=deque)

    def wait(self, amount: float, now: float) -> float | None:
        """None: admitted now; else after how many seconds."""
        self._forget(now)
        over = self.level + amount - self.limit.amount
        if over <= 1e-6:
            return None
        if self.kind == "refill":
            return over / (self.limit.amount / seconds(self.limit.window))
        if self.kind == "calendar":
            return self._end(now) - now
        for at, much in self.events:
            over -= much
            if over <= 1e-6:
                return at + seconds(self.limit.window) - now
        return seconds(self.limit.window)

    def take(self, amount: float, now: float) -> None:
        self._forget(now)
        self.level += amount
        if self.kind == "rolling":
            self.events.append((now, amount))

    def _forget(self, now: float) -> None:
        if self.kind == "refill":
            rate = self.limit.amount / seconds(self.limit.window)
            self.level = max(0.0, self.level - (now - self.stamp) * rate)
            self.stamp = now
        elif self.kind == "rolling":
            span = seconds(self.limit.window)
            while self.events and self.events[0][0] + span <= now:
                self.level -= self.events.popleft()[1]
        elif now >= self.stamp:
            self.level, self.stamp = 0.0, self._end(now)

    def _end(self, now: float) -> float:
        """When the period of ``now`` is over, in the provider's own time zone."""
        if self.limit.window == "1m":
            return (now // 60 + 1) * 60
        here = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(self.limit.timezone))
        day = here.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.limit.window == "month":
            after = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        else:
            after = day + timedelta(days=1)
        return after.timestamp()


class Providers:
    """``asked`` counts calls, ``refused`` those that got a 429, by deployment."""

    def __init__(
        self, deployments: Sequence[Deployment], hidden: Mapping[str, Sequence[Limit]]
    ) -> None:
        self._buckets: dict[str, Bucket] = {}
        self._of: dict[str, list[Bucket]] = {}
        for one in deployments:
            limits = (*one.limits, *hidden.get(one.id, ()))
            self._of[one.id] = [self._bucket(limit, key_of(limit, one)) for limit in limits]

    def _bucket(self, limit: Limit, key: str) -> Bucket:
        kind = limit.reset if limit.reset in ("refill", "calendar") else "rolling"
        return self._buckets.setdefault(key, Bucket(limit, kind))

    def call(self, deployment: Deployment, meters: Meters, now: float) -> Refusal | None:
        """Admits and counts, or says what a provider says: which limit, and for how long."""
        worst: Refusal | None = None
        pairs = [(b, consumed(b.limit, meters, deployment)) for b in self._of[deployment.id]]
        for bucket, amount in pairs:
            wait = bucket.wait(amount, now)
            if wait is not None and (worst is None or wait > worst.wait):
                worst = Refusal(wait, bucket.limit)
        for bucket, amount in pairs:
            if worst is None:
                bucket.take(amount, now)
            elif bucket.limit.charged_on == "sent" and bucket.limit.metric == "requests":
                bucket.take(1.0, now)
        return worst


@dataclass(frozen=True)
class Refusal:
    wait: float
    limit: Limit

    def answer(self) -> Answer:
        """As a provider words it: 429, an honest Retry-After, and which limit it was."""
        name = f"{self.limit.metric} per {self.limit.window}"
        body = json.dumps({"error": {"message": f"Rate limit reached: {name}", "code": 429}})
        return Answer(429, {"retry-after": f"{self.wait:.3f}"}, body)
