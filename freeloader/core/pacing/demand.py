"""What is asked, by hour of the day and by need, learnt from the requests so far.

Rates are means per hour of the (UTC) day that give the latest days more weight; needs
are shares that fade over days. Where nothing is known yet, the day is taken to be even,
``PRIOR_PER_DAY`` requests long, and somebody is taken to need more. It reads no clock,
and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, sqrt
from typing import Any, NamedTuple

from freeloader.core.pacing.rush import Rush

_HOUR, _DAY = 3600.0, 86400.0
#: Requests a day where fewer were seen: what a household's own work comes to.
PRIOR_PER_DAY = 100.0
#: A new day counts at least this much in its hour's mean.
_NEW_DAY = 0.25
#: As many days the mean of all hours counts for in each.
_LEAN = 0.2
#: Hours that are the latest.
_LATEST = 3
#: Needs fade by this share in every hour: half of them in two days.
_FADE = 0.985
#: So many requests that need the most there is are imagined before any was seen.
_PRIOR_NEED = 5.0
#: What an hour leaves of how far those before it were off: half of that in a day.
_OFF_FADE = 0.97
#: Tokens of a request (all, input) where none was seen, and what one more counts in the mean.
_TOKENS, _INPUT, _MEAN = 1000.0, 700.0, 1 / 256
#: Different needs kept; they are halves of intelligence, so no more exist.
_NEEDS_MAX = 24
#: Different needs and sizes kept; and as little as is worth keeping.
_SORTS_MAX, _FEW = 48, 0.01
#: Answers of a sort from which on their mean is believed.
_ANSWERED = 4.0
#: After so many hours without a request nothing of the old days is believed.
_FORGET = 24 * 21


class Wanted(NamedTuple):
    """Those who need more: their ``share`` of all requests, and who they mostly are."""

    share: float
    label: str


class Sort(NamedTuple):
    """Requests of one need and about one ``size`` (the power of two of the tokens that were
    expected): their ``share`` of all, and the mean tokens of them, as answers told."""

    need: float
    size: int
    share: float
    read: int
    written: int


class Demand:
    """``mean_tokens`` and ``mean_input`` are of one request; ``rate`` is requests a second of
    an average day, never fewer than the prior's."""

    __slots__ = (
        "_before",
        "_count",
        "_days",
        "_hour",
        "_labels",
        "_needs",
        "_rates",
        "_shares",
        "_sorts",
        "_total",
        "_wrong",
        "mean_input",
        "mean_tokens",
        "rate",
        "rush",
    )

    def __init__(self) -> None:
        self._rates = [0.0] * 24
        self._days = [0] * 24  # how many days each rate is the mean of
        self._hour: int | None = None  # the running hour, since 1970
        self._count = 0.0
        self._needs: dict[float, float] = {}
        self._labels: dict[float, str] = {}
        self._total = 0.0
        #: By need and power of two of its tokens: how many, their input, their output; and
        #: how many were answered, and what these came to.
        self._sorts: dict[tuple[float, int], list[float]] = {}
        self._shares: tuple[float, list[float]] = (-1.0, [])  # of the present minute
        self._before, self.rate = _sums(self._rates, self._days, self._hour)
        self.mean_tokens, self.mean_input = _TOKENS, _INPUT
        self.rush = Rush()
        #: How far hours were off what was expected of them: squares of that, and of what was.
        self._wrong = (0.0, 0.0)

    def note(self, need: float, label: str, read: int, written: int, now: float) -> None:
        """One request that holds ``need``, with the tokens it likely comes to."""
        self._turn(floor(now / _HOUR))
        self._count += 1.0
        if self.rush.ends(now):
            self.rush.learn(self.usual(now), now)
        self.rush.note(now)
        self.mean_input += _MEAN * (read - self.mean_input)
        self.mean_tokens += _MEAN * (read + written - self.mean_tokens)
        sort = need, _ = sort_of(need, read + written)
        if need in self._needs or len(self._needs) < _NEEDS_MAX:
            self._needs[need] = self._needs.get(need, 0.0) + 1.0
            self._total += 1.0
            self._labels[need] = label
        if sort in self._sorts or len(self._sorts) < _SORTS_MAX:
            counts = self._sorts.setdefault(sort, [0.0] * 6)
            counts[0] += 1.0
            counts[1] += read
            counts[2] += written

    def came_to(self, sort: tuple[float, int], read: int, written: int) -> None:
        """What one of a sort (need, size) really took: clients ask for more than they get."""
        counts = self._sorts.get(sort)
        if counts is not None:
            counts[3] += 1.0
            counts[4] += read
            counts[5] += written

    @property
    def known(self) -> bool:
        """False until the first hour is over: only then is a rate more than a guess."""
        return any(self._days)

    def sorts(self) -> list[Sort]:
        """All requests by need and size, as they were of late."""
        whole = sum(counts[0] for counts in self._sorts.values())
        return [
            Sort(need, size, counts[0] / whole, *_means(counts))
            for (need, size), counts in self._sorts.items()
        ]

    @property
    def spread(self) -> float:
        """By which part of what is expected of an hour it is mostly off; 1 at most."""
        off, expected = self._wrong
        return min(1.0, sqrt(off / expected)) if expected > 0 else 0.0

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
            parts = [(self._until(minute + x * _HOUR) - first) / whole for x in hours]
            self._shares = (minute, parts)
        return self._shares[1]

    def rate_over(self, seconds: float, now: float) -> float:
        """Requests a second that a window of so many seconds has to do with: of an average
        day, and for a window shorter than an hour of the latest minutes, if they are busier."""
        lately = None if seconds >= _HOUR else self.rush.rate(now)
        return self.rate if lately is None else max(self.rate, lately)

    def usual(self, now: float) -> float:
        """Requests a second in the hour around now, as the days so far make it."""
        return self.between(now - _HOUR / 2, now + _HOUR / 2) / _HOUR

    def above(self, need: float, most: float) -> Wanted:
        """Requests that need more than ``need``, and for which ``most`` is enough."""
        much, best, label = _PRIOR_NEED if most > need else 0.0, 0.0, ""
        for wanted, weight in self._needs.items():
            if need < wanted <= most:
                much += weight
                if weight > best:
                    best, label = weight, self._labels[wanted]
        return Wanted(much / (self._total + _PRIOR_NEED), label)

    def learn(self, hours: Sequence[tuple[float, int]]) -> None:
        """Requests by hour (its beginning in wall seconds, how many), oldest first: a ledger's."""
        for start, count in hours:
            self._turn(floor(start / _HOUR))
            self._count = float(count)

    def dump(self) -> dict[str, Any]:
        return {
            "rates": list(self._rates),
            "days": list(self._days),
            "hour": self._hour,
            "count": self._count,
            "needs": [[n, w, self._labels[n]] for n, w in self._needs.items()],
            "sorts": [[need, size, *x] for (need, size), x in self._sorts.items()],
            "means": [self.mean_tokens, self.mean_input],
            "rush": list(self.rush.sums),
            "wrong": list(self._wrong),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError, KeyError or TypeError for what ``dump`` did not write."""
        rates, days = [float(x) for x in state["rates"]], [int(x) for x in state["days"]]
        if len(rates) != 24 or len(days) != 24:
            raise ValueError("a day has 24 hours")
        needs = {float(n): (float(w), str(label)) for n, w, label in state["needs"][:_NEEDS_MAX]}
        tokens, read = (float(x) for x in state["means"])
        sorts = {
            (float(need), int(size)): [*(float(x) for x in counts), 0.0, 0.0, 0.0][:6]
            for need, size, *counts in state.get("sorts", [])[:_SORTS_MAX]
        }
        hour, count = state["hour"], float(state["count"])
        if "rush" in state:
            both, square = (float(x) for x in state["rush"])
            self.rush.put((both, square))
        off, expected = (float(x) for x in state.get("wrong", (0.0, 0.0)))
        self._wrong = (max(0.0, off), max(0.0, expected))
        self._rates, self._days = rates, days
        self._hour, self._count = None if hour is None else int(hour), count
        self._needs = {n: weight for n, (weight, _) in needs.items()}
        self._labels = {n: label for n, (_, label) in needs.items()}
        if any(len(counts) < 6 for counts in sorts.values()):
            raise ValueError("a sort has three counts or six")
        self._sorts = {sort: x for sort, x in sorts.items() if x[0] > 0}
        self._total = sum(self._needs.values())
        self.mean_tokens, self.mean_input = tokens, read
        self._before, self.rate = _sums(rates, days, self._hour)
        self._shares = (-1.0, [])

    def _turn(self, hour: int) -> None:
        """The hours that are over become part of the means. A clock set back changes nothing."""
        if self._hour is None:
            self._hour = hour
            return
        if hour <= self._hour:
            return
        if hour - self._hour > _FORGET:
            self.__init__()  # type: ignore[misc]
            self._hour = hour
            return
        at = self._hour % 24
        if self._days[at]:
            expected = self._before[at + 1] - self._before[at]
            off, squares = (_OFF_FADE * x for x in self._wrong)
            self._wrong = (off + (self._count - expected) ** 2, squares + expected**2)
        for past in range(self._hour, hour):
            at = past % 24
            self._days[at] += 1
            weight = max(_NEW_DAY, 1 / self._days[at])
            self._rates[at] += weight * (self._count - self._rates[at])
            self._count = 0.0
            self._total *= _FADE
            for need in self._needs:
                self._needs[need] *= _FADE
            for counts in self._sorts.values():
                counts[:] = [_FADE * x for x in counts]
        self._sorts = {sort: x for sort, x in self._sorts.items() if x[0] > _FEW}
        self._hour = hour
        self._before, self.rate = _sums(self._rates, self._days, self._hour)

    def _until(self, at: float) -> float:
        """What is asked from 1970 until ``at``, at the rates of an average day."""
        days, rest = divmod(at, _DAY)
        hour = int(rest // _HOUR)
        before, after = self._before[hour], self._before[hour + 1]
        return days * self._before[24] + before + (after - before) * (rest / _HOUR - hour)


def sort_of(need: float, tokens: int) -> tuple[float, int]:
    """The need in halves, and the power of two of the tokens."""
    return round(need * 2) / 2, tokens.bit_length()


def _means(counts: Sequence[float]) -> tuple[int, int]:
    """Input and output of one: what was expected, until as many were answered as to go by."""
    many, read, written, answered, input_, output = counts
    if answered >= _ANSWERED:
        return round(input_ / answered), round(output / answered)
    return round(read / many), round(written / many)


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
