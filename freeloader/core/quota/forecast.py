"""How fast a window is being used, and when it will be empty at that rate. Pure.

The rate is what was used of late, older use counting less (half after ten minutes);
a forecast is an observation carried on, never a promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, isfinite

#: Seconds in which what was used fades to 1/e.
_FADE_S = 900.0
#: Nothing is foretold from less than this many seconds of watching, nor of use: one call
#: alone is no rate.
_WATCHED_S = 30.0


@dataclass(slots=True)
class Flow:
    """What passed, fading. Times are wall seconds; one that goes back fades nothing."""

    level: float = 0.0
    at: float = 0.0
    since: float = inf

    def add(self, amount: float, now: float) -> None:
        self.level = self._faded(now) + amount
        self.at = max(self.at, now)
        self.since = min(self.since, now)

    def clock_set(self, step: float) -> None:
        """The clock was set forward by ``step`` seconds (negative: back), and no time passed."""
        self.at, self.since = self.at + step, self.since + step

    def per_second(self, now: float) -> float:
        """The present rate; 0 where too little was seen."""
        watched = now - self.since
        if not isfinite(watched) or min(watched, self.at - self.since) < _WATCHED_S:
            return 0.0
        # What fades from the start on would make a young flow look too slow.
        return self._faded(now) / (_FADE_S * (1 - exp(-watched / _FADE_S)))

    def _faded(self, now: float) -> float:
        return self.level * exp(-max(0.0, now - self.at) / _FADE_S)


def lasts_until(
    left: float, rate: float, back: float, now: float, reset: float | None
) -> float | None:
    """When ``left`` is used up at ``rate`` a second, of which ``back`` comes back meanwhile.

    ``reset``: when all of it is there again. None: it lasts (until then, or for good).
    """
    net = rate - back
    if rate <= 0 or net <= 0:
        return None
    end = now + max(0.0, left) / net
    if not isfinite(end) or (reset is not None and end >= reset):
        return None
    return end
