"""PURE: the arithmetic of rate limits, one class per way of resetting.

A window answers three questions about a moment that is passed in: how much is
left, how long until an amount fits, how long until it is full again. It reads no
clock, knows no HTTP and no provider. Amounts are whole numbers; times are Unix
seconds and only ever move forward (an older moment is treated as the newest seen).
"""

from __future__ import annotations

import math
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
#: Rolling windows remember slots instead of requests, so that their memory is bounded.
_SLOTS = 1000
_EPSILON = 1e-6


class Window(Protocol):
    """One counter with a limit. ``take`` may be negative (a refund) and may overdraw."""

    amount: int

    def left(self, now: float) -> int: ...
    def wait(self, need: int, now: float) -> float | None: ...
    def take(self, count: int, now: float) -> None: ...
    def full_in(self, now: float) -> float: ...


def window_seconds(window: str) -> int | None:
    """Length in seconds of ``1m``, ``5h``, ``7d`` …; None for ``month`` and ``once``.

    Raises ValueError for anything else.
    """
    if window in ("month", "once"):
        return None
    count, unit = window[:-1], window[-1:]
    if unit not in _UNITS or not count.isdigit() or int(count) == 0:
        raise ValueError(f"not a window: {window!r} (use e.g. 10s, 1m, 5h, 1d, month, once)")
    return int(count) * _UNITS[unit]


def make_window(amount: int, window: str, reset: str, timezone: str = "UTC") -> Window:
    """The window for one limit. ``reset``: refill, rolling, calendar or unknown (as rolling)."""
    seconds = window_seconds(window)
    if window == "once":
        return Once(amount)
    if reset == "calendar" or seconds is None:
        return Calendar(amount, window, timezone)
    if reset == "refill":
        return Refill(amount, seconds)
    return Rolling(amount, seconds)


class Refill:
    """A token bucket: full at first, refilled continuously at ``amount / seconds``."""

    def __init__(self, amount: int, seconds: int) -> None:
        self.amount = amount
        self._rate = amount / seconds
        self._level = float(amount)
        self._at = -math.inf

    def _advance(self, now: float) -> None:
        if now > self._at:
            if self._at > -math.inf:
                self._level = min(self.amount, self._level + (now - self._at) * self._rate)
            self._at = now

    def left(self, now: float) -> int:
        self._advance(now)
        return math.floor(self._level + _EPSILON)

    def wait(self, need: int, now: float) -> float | None:
        """Seconds until ``need`` fits, by the whole numbers a refusal prints; None: never."""
        if need > self.amount:
            return None
        missing = need - self.left(now)
        return max(0.0, missing / self._rate) if missing > 0 else 0.0

    def take(self, count: int, now: float) -> None:
        self._advance(now)
        self._level = min(float(self.amount), self._level - count)

    def full_in(self, now: float) -> float:
        self._advance(now)
        return (self.amount - self._level) / self._rate if self._rate else 0.0


class Rolling:
    """A sliding window: at most ``amount`` in any ``seconds`` on end.

    What was taken is remembered in slots of a thousandth of the window, each
    forgotten one window after its end: a little late, never early.
    """

    def __init__(self, amount: int, seconds: int) -> None:
        self.amount = amount
        self._seconds = seconds
        self._slot = seconds / _SLOTS
        self._taken: deque[list[float]] = deque()
        self._sum = 0.0
        self._at = -math.inf

    def _advance(self, now: float) -> float:
        self._at = max(self._at, now)
        while self._taken and self._taken[0][0] <= self._at:
            self._sum -= self._taken.popleft()[1]
        return self._at

    def left(self, now: float) -> int:
        self._advance(now)
        return self.amount - round(self._sum)

    def wait(self, need: int, now: float) -> float | None:
        if need > self.amount:
            return None
        missing = need - self.left(now)
        at = self._at
        for frees_at, count in self._taken:
            if missing <= 0:
                break
            missing -= round(count)
            at = frees_at
        return at - self._at

    def _full(self, now: float) -> float:
        return max(0.0, self._taken[-1][0] - self._advance(now)) if self._taken else 0.0

    def take(self, count: int, now: float) -> None:
        at = self._advance(now)
        frees_at = (math.floor(at / self._slot) + 1) * self._slot + self._seconds
        if self._taken and self._taken[-1][0] >= frees_at:
            self._taken[-1][1] += count
        else:
            self._taken.append([frees_at, count])
        self._sum += count

    def full_in(self, now: float) -> float:
        self._advance(now)
        return self._full(now)


class Calendar:
    """A counter that returns to zero at a boundary of the calendar in one time zone."""

    def __init__(self, amount: int, window: str, timezone: str = "UTC") -> None:
        self.amount = amount
        self._window = window
        self._zone = ZoneInfo(timezone)
        self._used = 0
        self._ends = -math.inf

    def _advance(self, now: float) -> float:
        if now >= self._ends:
            self._used = 0
            self._ends = next_boundary(self._window, self._zone, now)
        return now

    def left(self, now: float) -> int:
        self._advance(now)
        return self.amount - self._used

    def wait(self, need: int, now: float) -> float | None:
        if need > self.amount:
            return None
        return 0.0 if need <= self.left(now) else self._ends - now

    def take(self, count: int, now: float) -> None:
        self._advance(now)
        self._used = max(0, self._used + count)

    def full_in(self, now: float) -> float:
        self._advance(now)
        return max(0.0, self._ends - now)


class Once:
    """Credits: what is spent never comes back."""

    def __init__(self, amount: int) -> None:
        self.amount = amount
        self._used = 0

    def left(self, now: float) -> int:
        return self.amount - self._used

    def wait(self, need: int, now: float) -> float | None:
        return 0.0 if need <= self.left(now) else None

    def take(self, count: int, now: float) -> None:
        self._used += count

    def full_in(self, now: float) -> float:
        return 0.0


def next_boundary(window: str, zone: ZoneInfo, now: float) -> float:
    """The first calendar boundary after ``now``, in Unix seconds.

    Days and months begin at local midnight (daylight saving included); shorter
    windows at whole multiples since the epoch.
    """
    seconds = window_seconds(window)
    if seconds is not None and seconds % 86400:
        return (math.floor(now / seconds) + 1) * float(seconds)
    here = datetime.fromtimestamp(now, UTC).astimezone(zone)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if seconds is None:
        following = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    else:
        days = seconds // 86400
        following = midnight + timedelta(days=days - midnight.toordinal() % days)
    return following.astimezone(UTC).timestamp()
