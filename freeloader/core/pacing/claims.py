"""What requests usually take of windows, and what serving one is worth. Pure.

Claims are counted in what a request usually takes of a window, so that windows of requests
and of tokens are alike to whoever solves a programme (``core.pacing.fluid``). What is laid
out over which time is ``core.pacing.horizon``'s and ``core.pacing.days``'s.
"""

from __future__ import annotations

from freeloader.core.pacing.worth import Question, Taker, planned
from freeloader.core.quota import Window

#: What serving a request is worth, small or large, where what the mean one costs in the long
#: run is 1; and for such a need that much once more, which grows by its fourth power: of what
#: many can serve as many as possible are served, of what few can whoever needs it most.
_WORTH, _NEED, _POWER = 2.0, 5.67, 4


def gain(need: float) -> float:
    """What serving a request of such a need is worth."""
    return _WORTH * (1.0 + (need / _NEED) ** _POWER)


class Usual:
    """``windows`` that are planned, by key, and how ``much`` a request usually takes of each."""

    __slots__ = ("much", "windows")

    def __init__(self, asked: Question) -> None:
        self.windows: dict[str, Window] = {}
        sums: dict[str, list[float]] = {}
        for one, takers in asked:
            for taker in takers:
                for window, much in taker.claims:
                    if much > 0 and planned(window):
                        self.windows[window.key] = window
                        found = sums.setdefault(window.key, [0.0, 0.0])
                        found[0] += one.share * much
                        found[1] += one.share
        self.much = {key: much / share for key, (much, share) in sums.items()}

    def parts(self, taker: Taker) -> list[tuple[str, float]]:
        """What one request takes there of each window, in usual ones."""
        return [
            (window.key, much / self.much[window.key])
            for window, much in taker.claims
            if window.key in self.much
        ]
