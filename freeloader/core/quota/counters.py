"""How one quota window counts: token bucket, sliding, calendar, credits, concurrency.

Each counter knows only amounts over wall time (Unix seconds). Holds, limits and
refusals are ``core.quota``'s. Every counter errs on one side: what it says is used
is never less than what was added and cannot have come back yet, also when the
clock is set back or forward. The sliding one is in ``rolling``, the calendar's in ``calendared``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf, isfinite
from typing import Any, Protocol

from freeloader.core.periods import window_seconds
from freeloader.core.quota.calendared import Calendared
from freeloader.core.quota.rolling import Rolling


class Counter(Protocol):
    """What is used of one window. ``now`` is wall seconds everywhere."""

    def used(self, now: float) -> float: ...

    def add(self, amount: float, now: float, since: float) -> None:
        """Counts ``amount``, consumed at some moment between ``since`` and ``now`` (which is
        earlier where the clock was set back in between)."""
        ...

    def put(self, used: float, now: float) -> None:
        """Corrects the count; what remains is taken to be as recent as it can be."""
        ...

    def told(self, used: float, own: float, now: float, before: float | None) -> None:
        """A provider counts ``used`` as it admits a request sent at ``before`` (None: unknown);
        ``own`` of it is that request itself. Raises the count where others used the same key."""
        ...

    def below(self, level: float, now: float) -> float:
        """When the count will be at most ``level`` if nothing is added; infinity: never."""
        ...

    def clock_set(self, step: float, now: float) -> None:
        """The clock was set forward by ``step`` seconds (negative: back) and says ``now``; no
        time passed meanwhile. It may have been asked by the new time already, not added to."""
        ...

    def dump(self) -> dict[str, Any]: ...

    def load(self, state: Mapping[str, Any]) -> None: ...


class Refill:
    """A bucket that refills continuously: ``amount`` over ``span`` seconds."""

    __slots__ = ("_level", "_rate", "_stamp")

    def __init__(self, amount: float, span: float) -> None:
        self._rate = amount / span
        self._level, self._stamp = 0.0, -inf

    def resize(self, amount: float, span: float, now: float) -> None:
        """From now on it refills at another rate."""
        self._level, self._stamp = self.used(now), now
        self._rate = amount / span

    def used(self, now: float) -> float:
        if now < self._stamp:  # the clock was set back: time goes on from here
            self._stamp = now
        if self._level <= 0:
            return 0.0
        return max(0.0, self._level - (now - self._stamp) * self._rate)

    def add(self, amount: float, now: float, since: float) -> None:
        self._level, self._stamp = self.used(now) + amount, now

    def put(self, used: float, now: float) -> None:
        self._level, self._stamp = max(0.0, used), now

    def told(self, used: float, own: float, now: float, before: float | None) -> None:
        if self.used(now) < used:
            self.put(used, now)

    def below(self, level: float, now: float) -> float:
        over = self.used(now) - level
        if over <= 0:
            return now
        return now + over / self._rate if level >= 0 and self._rate > 0 else inf

    def clock_set(self, step: float, now: float) -> None:
        self._stamp += max(0.0, step)

    def dump(self) -> dict[str, Any]:
        return {"level": self._level, "stamp": self._stamp if isfinite(self._stamp) else 0.0}

    def load(self, state: Mapping[str, Any]) -> None:
        self._level, self._stamp = float(state["level"]), float(state["stamp"])


class Once:
    """Credits: nothing comes back, and after ``days`` (None: no end) nothing is left."""

    __slots__ = ("_days", "_opened", "_total")

    def __init__(self, days: int | None, opened: float) -> None:
        self._days, self._opened, self._total = days, opened, 0.0

    @property
    def expires(self) -> float:
        return inf if self._days is None else self._opened + self._days * 86400

    def opened_by(self, others: Iterable[Once]) -> None:
        """They are the same credits as these, which may have been given earlier."""
        self._opened = min([self._opened, *(other._opened for other in others)])

    def reopen(self, now: float) -> None:
        """Other credits, as many, that last as long."""
        self._opened, self._total = now, 0.0

    def used(self, now: float) -> float:
        return self._total if now < self.expires else inf

    def add(self, amount: float, now: float, since: float) -> None:
        self._total += amount

    def put(self, used: float, now: float) -> None:
        self._total = max(0.0, used)

    def told(self, used: float, own: float, now: float, before: float | None) -> None:
        if self.used(now) < used:
            self.put(used, now)

    def below(self, level: float, now: float) -> float:
        return now if self.used(now) <= level else inf

    def clock_set(self, step: float, now: float) -> None:
        """Credits end on a day, which a clock that is wrong can only bring nearer for a while."""

    def dump(self) -> dict[str, Any]:
        return {"total": self._total, "opened": self._opened}

    def load(self, state: Mapping[str, Any]) -> None:
        self._total, self._opened = float(state["total"]), float(state["opened"])


class Concurrent:
    """Only what is held at this moment counts, and that is not counted here."""

    __slots__ = ()

    def used(self, now: float) -> float:
        return 0.0

    def add(self, amount: float, now: float, since: float) -> None:
        """Nothing stays used once a call is over."""

    def put(self, used: float, now: float) -> None:
        """A provider's count of running calls is over when it is read."""

    def told(self, used: float, own: float, now: float, before: float | None) -> None:
        """As with ``put``."""

    def below(self, level: float, now: float) -> float:
        return now if level >= 0 else inf

    def clock_set(self, step: float, now: float) -> None:
        """Nothing is counted over time."""

    def dump(self) -> dict[str, Any]:
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        """There is nothing to remember."""


def kind_of(metric: str, window: str, reset: str) -> str:
    """Which counter a limit needs. An unknown reset slides: the slowest to give back."""
    if metric == "concurrency":
        return "concurrency"
    if window == "once":
        return "once"
    return reset if reset in ("refill", "calendar") else "rolling"


def counter(
    kind: str, amount: float, window: str, timezone: str, days: int | None, now: float
) -> Counter:
    """A fresh counter of one kind. Raises ValueError for an unknown window or zone."""
    if kind == "concurrency":
        return Concurrent()
    if kind == "once":
        return Once(days, now)
    if kind == "calendar":
        made = Calendared(window, timezone)
        made.end(now)  # a zone that does not exist is found here, not in the middle of a request
        return made
    span = window_seconds(window)
    return Refill(amount, span) if kind == "refill" else Rolling(span)
