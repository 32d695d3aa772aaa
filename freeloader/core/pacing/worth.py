"""What a window's quota is worth in the long run, whoever could do with it. Pure.

Were an average day's requests to grow all alike, some windows would give way first: a
unit of those is worth something, a unit of others nothing. Such prices tell where a
request takes least of what anybody will miss: small ones go where tokens are counted,
large ones where calls are, and what only the strong can do leaves the strong to it. They
hang on what is asked and on what windows give back, not on how much is left just now.

They are the duals of the maximum concurrent flow, found by multiplicative weights
(Plotkin, Shmoys and Tardos, 1995; Young, 1995): in every round all is served where it is
cheapest, and what is used most becomes dearer. What to do with the day ahead is
``core.pacing.horizon``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp
from typing import NamedTuple

from freeloader.core.pacing.kinds import Asked
from freeloader.core.pacing.plan import length_of
from freeloader.core.quota import Window
from freeloader.core.quota.calendared import Calendared

_DAY = 86_400.0
#: Windows up to this length are not planned.
_SHORTEST = 600.0
#: A month's rest counts for a day at least, and a rate as this at least.
_LEAST = 1e-6
#: How much dearer what is used most becomes in a round: at first, and after so many.
_BOLD, _CALM, _CALMEST = 4.0, 10.0, 200
#: How sharply the cheapest is preferred, and how fast the mean of all rounds follows.
_SHARP, _FOLLOW = 40.0, 0.1


class Taker(NamedTuple):
    """``who`` could serve a kind, and what one request takes of its windows."""

    who: str
    claims: Sequence[tuple[Window, float]]


Question = Sequence[tuple[Asked, Sequence[Taker]]]


class Worth:
    """Better with each round; a new question goes on from the weights of the last."""

    __slots__ = ("_kinds", "_mean", "_rates", "_rounds", "_scale", "_weights")

    def __init__(self) -> None:
        self._rates: dict[str, float] = {}
        self._weights: dict[str, float] = {}
        self._mean: dict[str, float] = {}
        #: Each kind's share, and for each who can serve it (window, part of its day).
        self._kinds: list[tuple[float, list[list[tuple[str, float]]]]] = []
        self._rounds, self._scale = 0, 0.0

    def begin(self, asked: Question, now: float) -> None:
        """The kinds that are asked, and by whom they can be served."""
        windows = {
            window.key: window
            for _, takers in asked
            for taker in takers
            for window, much in taker.claims
            if much > 0 and planned(window)
        }
        self._rates = {key: max(_LEAST, a_day(window, now)) for key, window in windows.items()}
        self._kinds = [
            (one.share, [self._parts(taker) for taker in takers]) for one, takers in asked if takers
        ]
        usual = 1.0 / max(1, len(windows))
        self._weights = _whole({key: self._weights.get(key, usual) for key in windows})
        self._mean = {key: self._mean.get(key, self._weights[key]) for key in windows}
        self._scaled()

    def round(self) -> None:
        """Serves a day's requests where they are cheapest, and prices follow."""
        used = dict.fromkeys(self._weights, 0.0)
        for share, offers in self._kinds:
            costs = [sum(self._weights[key] * part for key, part in parts) for parts in offers]
            least = min(costs)
            if least <= 0:
                continue  # somebody has no lack of it
            spread = [exp(-_SHARP * (cost / least - 1.0)) for cost in costs]
            each = share / sum(spread)
            for weight, parts in zip(spread, offers, strict=True):
                for key, part in parts:
                    used[key] += each * weight * part
        most = max(used.values(), default=0.0)
        if most > 0:
            step = _BOLD / (1.0 + min(self._rounds, _CALMEST) / _CALM)
            grown = {k: w * exp(step * (used[k] / most - 1.0)) for k, w in self._weights.items()}
            self._weights = _whole(grown)
        self._rounds += 1
        follow = max(_FOLLOW, 1.0 / self._rounds)
        for key, weight in self._weights.items():
            self._mean[key] += follow * (weight - self._mean[key])
        self._scaled()

    def cost(self, taker: Taker, of: Callable[[Window], bool] = lambda _: True) -> float:
        """What a request costs there, of windows that are ``of`` interest; the mean request
        costs 1 where it is cheapest. Nothing where nothing is planned."""
        return self._scale * sum(
            self._mean[window.key] / self._rates[window.key] * much
            for window, much in taker.claims
            if window.key in self._rates and of(window)
        )

    def _parts(self, taker: Taker) -> list[tuple[str, float]]:
        rates = self._rates
        return [(w.key, much / rates[w.key]) for w, much in taker.claims if w.key in rates]

    def _scaled(self) -> None:
        cost = whole = 0.0
        for share, offers in self._kinds:
            least = min(sum(self._mean[key] * part for key, part in parts) for parts in offers)
            cost += share * least
            whole += share if least > 0 else 0.0
        self._scale = whole / cost if cost > 0 else 0.0


def planned(window: Window) -> bool:
    """Whether it takes part: windows of minutes, and of calls at a time, do not."""
    if window.kind == "concurrency" or window.amount <= 0:
        return False
    return length_of(window.limit.window) >= _SHORTEST


def a_day(window: Window, now: float) -> float:
    """What it gives on a day: of a month, and of credits, what is left is spread over the rest."""
    length = length_of(window.limit.window)
    if window.kind == "calendar" and length > _DAY:
        assert isinstance(window.counter, Calendared)
        rest = window.counter.period(now).end - now
    elif window.kind == "once":
        rest = length
    else:
        return window.amount / length * _DAY
    free = max(0.0, window.amount - window.counter.used(now) - window.held)
    return free / max(1.0, rest / _DAY)


def _whole(weights: Mapping[str, float]) -> dict[str, float]:
    """The same, as parts of one; none so little that it could never grow again."""
    least = 1e-9
    whole = sum(weights.values()) or 1.0
    return {key: max(least, weight / whole) for key, weight in weights.items()}
