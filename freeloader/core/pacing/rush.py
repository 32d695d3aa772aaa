"""The latest minutes: how busy they are, and for how long what is unusual about them lasts. Pure.

A rush of minutes says little of the next hour, a working day that has begun says much.
Which of the two this is, is learnt: of every ten minutes so far, how much of what was
unusual at their beginning was there in all of them. What the usual is, the caller says.
"""

from __future__ import annotations

from math import exp

#: The latest minutes, in seconds; a pause after which they are over; requests that are busy.
_LATELY, _QUIET, _BUSY = 120.0, 600.0, 8
#: What is tried over so many seconds; between these two times the usual it teaches nothing.
_TRIAL, _LIKE = 600.0, (1 / 1.5, 1.5)
#: What lasts of it where nothing was tried; what that belief weighs, in trials of twice the
#: usual; how much of them a trial leaves.
_PRIOR, _WEIGHT, _KEEP = 0.95, 4.0, 0.99
#: Seconds in which what is unusual falls to a third, and so many times the usual, at most.
_LONGEST, _MOST = 86_400.0, 10.0


class Rush:
    """Requests of the latest minutes."""

    __slots__ = ("_at", "_count", "_fast", "_first", "_seen", "_span", "_trial", "sums")

    def __init__(self) -> None:
        # A decaying count, when it was brought up to date, since when, and how many these are.
        self._fast, self._at, self._first, self._count = 0.0, 0.0, 0.0, 0
        #: Of the running trial: its beginning, requests that are usual in it, and the unusual
        #: part (1: twice the usual); and the requests seen since.
        self._trial: tuple[float, float, float] | None = None
        self._seen = 0
        #: Products of what was unusual before and then, and its squares before.
        self.sums = (_PRIOR * _WEIGHT, _WEIGHT)
        self._span = _span_of(_PRIOR)

    def note(self, now: float) -> None:
        """Counts one more; the latest minutes begin anew after a pause."""
        if not 0.0 <= now - self._at <= _QUIET:
            self._fast, self._first, self._count = 0.0, now, 0
        else:
            self._fast *= exp(-(now - self._at) / _LATELY)
        self._fast += 1.0 / _LATELY
        self._count += 1
        self._seen += 1
        self._at = now

    def rate(self, now: float) -> float | None:
        """Requests a second of the latest minutes; None: too few to say."""
        if self._count < _BUSY or now - self._at > _QUIET:
            return None
        seen = 1.0 - exp(-max(1.0, self._at - self._first) / _LATELY)
        return self._fast * exp(-max(0.0, now - self._at) / _LATELY) / seen

    def ends(self, now: float) -> bool:
        """Whether ``learn`` has something to do; to be asked before a request is noted."""
        return self._trial is None or not 0.0 <= now - self._trial[0] < _TRIAL

    def learn(self, usual: float, now: float) -> None:
        """Ends a trial and begins the next. ``usual``: requests a second that are usual now."""
        if self._trial is not None:
            at, expected, unusual = self._trial
            # After a longer time others were missing as well: it was a pause.
            if unusual and now - at < 2 * _TRIAL:
                self._judge(unusual, self._seen / expected - 1.0)
        rate, expected, unusual = self.rate(now), usual * _TRIAL, 0.0
        if rate is not None and expected >= 1.0:
            times = rate / usual
            if not _LIKE[0] < times < _LIKE[1]:
                unusual = min(_MOST, times) - 1.0
        self._trial, self._seen = (now, expected, unusual), 0

    def unlike(self, usual: float, now: float, start: float, end: float) -> float:
        """How many times the usual is likely asked between so many seconds from now."""
        rate = self.rate(now)
        if rate is None or usual <= 0:
            return 1.0
        times = min(_MOST, rate / usual)
        if _LIKE[0] < times < _LIKE[1]:
            return 1.0
        if times < 1.0 and start <= 0.0:
            # It may well end, but is likelier to last: what is free in its next minutes is lost
            # if it is kept for a rush that does not come, and the next plan is a minute away.
            return times
        part = self._span / (end - start) * (exp(-start / self._span) - exp(-end / self._span))
        return 1.0 + (times - 1.0) * part

    def put(self, sums: tuple[float, float]) -> None:
        """What an earlier run learnt. Raises ValueError for what cannot be."""
        both, square = sums
        if not (square > 0 and abs(both) < float("inf")):
            raise ValueError("a rush is remembered by a product and a square")
        self.sums = sums
        self._span = _span_of(both / square)

    def _judge(self, unusual: float, later: float) -> None:
        both, square = (_KEEP * x for x in self.sums)
        both += unusual * min(_MOST, later)
        self.put((both, square + unusual * unusual))


def _span_of(part: float) -> float:
    """Seconds in which what is unusual falls to a third, where so much of it is there in the
    mean of a trial."""
    low, high = 1.0, _LONGEST
    for _ in range(40):
        middle = (low + high) / 2
        if middle / _TRIAL * (1.0 - exp(-_TRIAL / middle)) < part:
            low = middle
        else:
            high = middle
    return high
