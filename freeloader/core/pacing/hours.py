"""How much is asked in each hour of the (UTC) day, learnt from the days so far. Pure.

Rates are means per hour that give the latest days more weight. Where nothing is known
yet, the day is taken to be even, ``PRIOR_PER_DAY`` requests long; of the first hour some
is enough to go by. How far hours were off what was expected of them is told beside it.
What is asked, and how busy the latest minutes are, is ``core.pacing.demand``'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, sqrt
from typing import Any

HOUR, _DAY = 3600.0, 86400.0
#: Requests a day where fewer were seen: what a household's own work comes to.
PRIOR_PER_DAY = 100.0
#: A new day counts at least this much in its hour's mean.
_NEW_DAY = 0.25
#: As many days the mean of all hours counts for in each.
_LEAN = 0.2
#: Hours that are the latest.
_LATEST = 3
#: What an hour leaves of how far those before it were off: half of that in a day.
_OFF_FADE = 0.97
#: Of the very first hour so many seconds and requests are enough to go by; and what nobody
#: asked yet counts for as many seconds of it.
_EARLY, _SOME, _LEAN_EARLY = 600.0, 20.0, 300.0
#: After so many hours without a request nothing of the old days is believed.
_FORGET = 24 * 21


class Hours:
    """``rate`` is requests a second of an average day, never fewer than the prior's."""

    __slots__ = ("_before", "_count", "_days", "_hour", "_rates", "_shares", "_since", "_wrong",
                 "rate")  # fmt: skip

    def __init__(self) -> None:
        self._rates = [0.0] * 24
        self._days = [0] * 24  # how many days each rate is the mean of
        self._hour: int | None = None  # the running hour, since 1970
        self._count = 0.0
        self._since: float | None = None  # the first request, until the first hour is over
        self._shares: tuple[float, list[float]] = (-1.0, [])  # of the present minute
        self._before, self.rate = _sums(self._rates, self._days, self._hour)
        #: How far hours were off what was expected of them: squares of that, and of what was.
        self._wrong = (0.0, 0.0)

    def count(self, now: float, much: float = 1.0) -> int:
        """One request came, and counts for ``much``; so many hours ended since the one before."""
        ended = self._turn(floor(now / HOUR))
        if self._since is None and not self.known:
            self._since = now
        self._count += much
        return ended

    @property
    def known(self) -> bool:
        """False until the first hour is over: only then is a rate more than a guess."""
        return any(self._days)

    def ready(self, now: float) -> bool:
        """Whether there is something to plan by: the first hour is over, or some of it was
        seen; all hours are taken to be like that until more is known."""
        if self.known:
            return True
        if self._since is None or now - self._since < _EARLY or self._count < _SOME:
            return False
        often = self._count * HOUR / (now - self._since + _LEAN_EARLY)
        self._before, self.rate = _sums([often] * 24, [1] * 24, None)
        self._shares = (-1.0, [])
        return True

    @property
    def spread(self) -> float:
        """By which part of what is expected of an hour it is mostly off; 1 at most, and as long
        as no hour was compared. On a first day it is expected to be like those before it."""
        off, expected = self._wrong
        return min(1.0, sqrt(off / expected)) if self.compared else 1.0

    @property
    def compared(self) -> bool:
        """Whether an hour was compared with what was expected of it."""
        return self._wrong[1] > 0

    def between(self, start: float, end: float) -> float:
        """Requests that are likely asked between two moments."""
        return max(0.0, self._until(end) - self._until(start))

    def ahead(self, start: float, now: float, end: float) -> float:
        """Which share of what is asked between ``start`` and ``end`` is still to come, 0–1."""
        if now >= end:
            return 0.0
        if now <= start:
            return 1.0
        last = self._until(end)
        whole = last - self._until(start)
        return (last - self._until(now)) / whole if whole > 0 else (end - now) / (end - start)

    def shares(self, now: float, hours: Sequence[int]) -> list[float]:
        """Which part of an average day's requests comes within so many hours from now, each.
        Worked out once a minute: it is asked for every bucket of every decision."""
        minute = now // 60 * 60.0
        if self._shares[0] != minute or len(self._shares[1]) != len(hours):
            first, whole = self._until(minute), self._before[24]
            parts = [(self._until(minute + x * HOUR) - first) / whole for x in hours]
            self._shares = (minute, parts)
        return self._shares[1]

    def usual(self, now: float) -> float:
        """Requests a second in the hour around now, as the days so far make it."""
        return self.between(now - HOUR / 2, now + HOUR / 2) / HOUR

    def learn(self, hours: Sequence[tuple[float, int]]) -> None:
        """Requests by hour (its beginning in wall seconds, how many), oldest first: a ledger's."""
        for start, count in hours:
            self._turn(floor(start / HOUR))
            self._count = float(count)

    def dump(self) -> dict[str, Any]:
        return {
            "rates": list(self._rates),
            "days": list(self._days),
            "hour": self._hour,
            "count": self._count,
            "since": self._since,
            "wrong": list(self._wrong),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError, KeyError or TypeError for what ``dump`` did not write."""
        rates, days = [float(x) for x in state["rates"]], [int(x) for x in state["days"]]
        if len(rates) != 24 or len(days) != 24:
            raise ValueError("a day has 24 hours")
        hour, count, since = state["hour"], float(state["count"]), state.get("since")
        off, expected = (float(x) for x in state.get("wrong", (0.0, 0.0)))
        self._since = None if since is None else float(since)
        self._wrong = (max(0.0, off), max(0.0, expected))
        self._rates, self._days = rates, days
        self._hour, self._count = None if hour is None else int(hour), count
        self._before, self.rate = _sums(rates, days, self._hour)
        self._shares = (-1.0, [])

    def _turn(self, hour: int) -> int:
        """The hours that are over become part of the means; so many they are. A clock set back
        changes nothing."""
        if self._hour is None:
            self._hour = hour
            return 0
        ended = hour - self._hour
        if ended <= 0:
            return 0
        if ended > _FORGET:
            Hours.__init__(self)
            self._hour = hour
            return ended
        if self._since is not None and not self.known:
            # It began somewhere in that hour.
            self._count *= HOUR / max(_EARLY, (self._hour + 1) * HOUR - self._since)
        self._since = None
        at = self._hour % 24
        if self.known:
            expected = self._before[at + 1] - self._before[at]
            off, squares = (_OFF_FADE * x for x in self._wrong)
            self._wrong = (off + (self._count - expected) ** 2, squares + expected**2)
        for past in range(self._hour, hour):
            at = past % 24
            self._days[at] += 1
            weight = max(_NEW_DAY, 1 / self._days[at])
            self._rates[at] += weight * (self._count - self._rates[at])
            self._count = 0.0
        self._hour = hour
        self._before, self.rate = _sums(self._rates, self._days, self._hour)
        return ended

    def _until(self, at: float) -> float:
        """What is asked from 1970 until ``at``, at the rates of an average day."""
        days, rest = divmod(at, _DAY)
        hour = int(rest // HOUR)
        before, after = self._before[hour], self._before[hour + 1]
        return days * self._before[24] + before + (after - before) * (rest / HOUR - hour)


def _sums(
    rates: Sequence[float], days: Sequence[int], hour: int | None
) -> tuple[list[float], float]:
    """What is asked before each hour of the day, and in all of it; and by the second.

    A mean of few days leans towards that of all hours. An hour never seen is taken to be like
    all and like the latest: a morning's mean says too little of the day that begins, and the
    day's latest hours too much of the night.
    """
    seen = [rate for rate, count in zip(rates, days, strict=True) if count]
    mean = unseen = sum(seen) / len(seen) if seen else PRIOR_PER_DAY / 24
    before = [] if hour is None else [(hour - back) % 24 for back in range(1, _LATEST + 1)]
    latest = [rates[at] for at in before if days[at]]
    if latest:
        unseen = (mean + sum(latest) / len(latest)) / 2
    out = [0.0]
    for rate, count in zip(rates, days, strict=True):
        often = (rate * count + _LEAN * mean) / (count + _LEAN) if count else unseen
        out.append(out[-1] + often)
    return out, max(PRIOR_PER_DAY, out[24]) / _DAY
