"""A sliding window, counted in slices: what was used in the last so many seconds.

While they are few they are short, for a window that is always full goes round once in its length
and a slice: it would lose a sixtieth of its quota, were that a sixtieth long. It knows amounts
over wall time alone, and takes what others used of the same key to be as new as it can be. The
other counters are in ``counters``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, inf
from typing import Any

#: A sliding window forgets in steps of this share of its length; each has so many parts, and
#: while there are fewer slices than steps one is only a part long.
_SLICES, _PARTS = 60, 60


class Rolling:
    """A sliding window of ``span`` seconds, kept in slices; a slice goes when all of it is old.

    What a provider counts beyond what we sent (the key is used elsewhere too) is
    kept apart and taken to be as new as the answer that told of it.
    """

    __slots__ = ("_others", "_slices", "_span", "_sum", "_told", "_width")

    def __init__(self, span: float) -> None:
        self._span, self._width = span, span / _SLICES / _PARTS
        # [end of slice, amount, when the first of it can have been admitted], oldest first
        self._slices: list[list[float]] = []
        self._sum = 0.0  # of all their amounts: looked at far more often than one becomes old
        self._others = [0.0, 0.0]  # [end of slice, amount]
        self._told = 0.0  # when the request was sent whose answer told of it

    def used(self, now: float) -> float:
        if not self._slices and not self._others[1]:
            return 0.0
        self._clamp(now)
        mine, oldest = self._sum, now - self._span
        if self._slices and self._slices[0][0] <= oldest:
            mine = sum(part[1] for part in self._slices if part[0] > oldest)
        return mine + (self._others[1] if self._others[0] + self._span > now else 0.0)

    def add(self, amount: float, now: float, since: float) -> None:
        self._clamp(now)
        slices, oldest = self._slices, now - self._span
        if slices and slices[0][0] <= oldest:
            slices = self._slices = [part for part in slices if part[0] > oldest]
            self._sum = sum(part[1] for part in slices)
        if amount <= 0:
            return
        end, since = self._end(now), min(since, now)
        self._sum += amount
        if slices and (last := slices[-1])[0] >= end:
            last[1] += amount
            last[2] = min(since, last[2])
        else:
            end = end if len(slices) < _SLICES else self._end(now, _PARTS)
            slices.append([end, amount, since])

    def passed(self, amount: float, now: float) -> float:
        """``add``, and what is used then: in a slice that runs that is one addition."""
        slices = self._slices
        if slices and not self._others[1] and amount > 0:
            last = slices[-1]
            running = now < last[0] <= self._end(now, _PARTS)
            if running and slices[0][0] > now - self._span:
                last[1] += amount
                last[2] = min(last[2], now)
                self._sum += amount
                return self._sum
        self.add(amount, now, now)
        return self.used(now)

    def put(self, used: float, now: float) -> None:
        self._slices, self._others, self._sum = [], [0.0, 0.0], 0.0
        self.add(used, now, 0.0)

    def begin(self, others: Sequence[Rolling], now: float) -> None:
        """Takes over what other windows have counted and is recent enough for this one; what
        was counted in a slice that began before that is taken to be within it."""
        oldest = now - self._span
        parts = [part for other in others for part in (*other._slices, [*other._others, 0.0])]
        for end, amount, since in sorted(parts):
            if end > oldest:
                self.add(amount, min(end, now), since)

    def told(self, used: float, own: float, now: float, before: float | None) -> None:
        self._clamp(now)
        sure = 0.0  # ours, finished before that request was sent and surely still counted there
        if before is not None:
            sure = sum(
                amount
                for end, amount, first in self._slices
                if end <= before and first + self._span > now
            )
        others = max(0.0, used - own - sure)
        stale = before is None or before <= self._told
        if stale and self._others[0] + self._span > now:
            others = max(others, self._others[1])
        self._others = [self._end(now), others]
        self._told = max(self._told, now if before is None else before)

    def below(self, level: float, now: float) -> float:
        left = self.used(now)
        if left <= level:
            return now
        parts = sorted((part[0], part[1]) for part in (*self._slices, self._others))
        for end, amount in parts:
            if end + self._span > now:
                left -= amount
                if left <= level:
                    return end + self._span
        return inf

    def clock_set(self, step: float, now: float) -> None:
        """The clock was set forward by ``step`` seconds, and no time passed. (Where it was set
        back, ``_clamp`` does.)"""
        if step <= 0:
            return
        later = ceil(step / self._width) * self._width  # slices stay on their grid
        self._slices = [[end + later, much, since + step] for end, much, since in self._slices]
        self._others[0] += later
        self._told += step
        self._clamp(now)

    def dump(self) -> dict[str, Any]:
        slices = [list(part) for part in self._slices]
        return {"slices": slices, "others": list(self._others)}

    def load(self, state: Mapping[str, Any]) -> None:
        parts = ([float(end), float(much), float(first)] for end, much, first in state["slices"])
        self._slices = sorted(parts)[-4 * _SLICES :]
        self._sum = sum(part[1] for part in self._slices)
        end, much = state["others"]
        self._others = [float(end), float(much)]

    def _end(self, now: float, parts: int = 1) -> float:
        width = self._width * parts
        return (floor(now / width) + 1) * width

    def _clamp(self, now: float) -> None:
        """After the clock was set back, what lies in the future happened just now."""
        latest = self._end(now, _PARTS)
        if self._others[0] > latest:
            self._others[0] = latest
        if not self._slices or self._slices[-1][0] <= latest:
            return
        ahead = sum(part[1] for part in self._slices if part[0] >= latest)
        self._slices = [part for part in self._slices if part[0] < latest]
        self._slices.append([latest, ahead, 0.0])
        self._told = 0.0
