"""Who is to serve what over the day ahead: a fluid programme, and the rounds that solve it. Pure.

The programme: requests of several kinds are asked in several blocks of time; each kind
can be served by some, each of whom takes of some supplies; no supply gives more than it
has, and what serving is worth is to be as much as possible. It is solved with entropy
added (the sharper, the less), so that its answer is shares rather than one winner: a
round spreads every kind over its offers, the cheaper the more, and what is asked for
more than it has becomes dearer (dual ascent; Sinkhorn's way of scaling, with claims in
place of ones). A round costs microseconds for each offer. Prices of an earlier programme
are where the next begins.

What the supplies and the blocks are is ``core.pacing.horizon``'s, who is next by the
shares is ``core.pacing.shares``'s.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from math import exp, log
from typing import NamedTuple

#: How much sharper than its cost: at 60 an offer that costs a sixtieth more of what the
#: request is worth gets e times less. Sharper ones need more rounds and gain little.
SHARPNESS = 60.0
#: How far a round goes: this part of what would set one supply right were it alone and the
#: worth one, for others move too; and at most, in logarithms of what is asked to what is there.
_STEP, _STRIDE = 0.8 / SHARPNESS, 2.0
#: How much longer the next stride of a price is that goes on in one direction, how much shorter
#: after it turned, and how long and short they become (Rprop; Riedmiller and Braun, 1993). When
#: a rush begins or ends prices that mattered become nothing: at one pace it took half an hour.
#: With longer ones two supplies of the same kinds chase one another without end.
_LONGER, _SHORTER, _PACES = 1.5, 0.5, (0.5, 8.0)
#: Above this no price goes, and here it begins. Worth is from just below 2 to 22.
_MOST, _FIRST, _DEAREST = 50.0, 0.1, 50.0
#: Less of a share than this part of the greatest is none.
_NONE = 0.005
#: Requests that are as good as none.
_TINY = 1e-4


class Offer(NamedTuple):
    """``who`` would serve for ``cost`` and a part of supplies: (which, how much of it)."""

    who: str
    cost: float
    claims: Sequence[tuple[int, float]]


class Cell(NamedTuple):
    """Requests of a kind that are ``asked`` in one block, and what serving one is ``worth``.
    ``first``: it is the block that runs."""

    kind: Hashable
    asked: float
    worth: float
    offers: Sequence[Offer]
    first: bool


class Programme(NamedTuple):
    """``names`` of the supplies tell which of them are those of an earlier programme."""

    names: Sequence[Hashable]
    supply: Sequence[float]
    cells: Sequence[Cell]


class Portion(NamedTuple):
    """The ``share`` of a kind that somebody is to serve now (0: none of it), and at what
    ``cost``: a part of what serving is worth."""

    share: float
    cost: float


class Fluid:
    """Prices of supplies, made better round by round."""

    __slots__ = ("_paces", "_prices", "_programme", "_rose")

    def __init__(self) -> None:
        self._programme = Programme((), (), ())
        self._prices: list[float] = []
        #: Of each price: how much longer than usual its strides are, and if the last was upwards.
        self._paces: list[float] = []
        self._rose: list[bool] = []

    def begin(self, programme: Programme) -> None:
        """Goes on from the prices of the last one, of supplies that have the same names."""
        before = zip(self._programme.names, self._prices, self._paces, self._rose, strict=True)
        known = {name: (price, pace, rose) for name, price, pace, rose in before}
        self._programme = programme
        found = [known.get(name, (_FIRST, 1.0, True)) for name in programme.names]
        self._prices = [price for price, _, _ in found]
        self._paces = [pace for _, pace, _ in found]
        self._rose = [rose for _, _, rose in found]

    def round(self) -> None:
        """One round: all cells are spread, all prices follow."""
        prices, supply = self._prices, self._programme.supply
        taken = self.taken()
        for at, has in enumerate(supply):
            stride = log((taken[at] + _TINY) / (has + _TINY))
            rises = stride > 0
            pace = self._paces[at] * (_LONGER if rises is self._rose[at] else _SHORTER)
            self._paces[at], self._rose[at] = min(max(pace, _PACES[0]), _PACES[1]), rises
            stride = self._paces[at] * _STEP * min(_STRIDE, max(-_STRIDE, stride))
            prices[at] = min(_MOST, max(0.0, prices[at] + stride))

    def prices(self) -> dict[Hashable, float]:
        """What a unit of each supply costs, by its name."""
        return dict(zip(self._programme.names, self._prices, strict=True))

    def taken(self) -> list[float]:
        """What is taken of each supply at the present prices."""
        prices = self._prices
        taken = [0.0] * len(prices)
        for cell in self._programme.cells:
            weights, whole = _weights(cell, prices)
            scale = cell.asked / whole
            for weight, offer in zip(weights, cell.offers, strict=True):
                count = weight * scale
                if count > _TINY:
                    for at, much in offer.claims:
                        taken[at] += count * much
        return taken

    def portions(self) -> dict[Hashable, Mapping[str, Portion]]:
        """By kind and by who can serve it: the shares of the block that runs."""
        out: dict[Hashable, Mapping[str, Portion]] = {}
        for cell in self._programme.cells:
            if not cell.first:
                continue
            weights, whole = _weights(cell, self._prices)
            least = _NONE * max(weights, default=0.0)
            kept = sum(weight for weight in weights if weight >= least)
            part = sum(weights) / whole / kept if kept else 0.0  # as much is served without them
            out[cell.kind] = {
                offer.who: Portion(
                    weight * part if weight >= least else 0.0,
                    _cost(offer, self._prices) / cell.worth,
                )
                for weight, offer in zip(weights, cell.offers, strict=True)
            }
        return out


def _weights(cell: Cell, prices: Sequence[float]) -> tuple[list[float], float]:
    """Of each offer, and of all with that of not serving, which costs what serving is worth."""
    sharp = -SHARPNESS / cell.worth
    weights = [exp(sharp * _cost(offer, prices)) for offer in cell.offers]
    return weights, sum(weights) + exp(-SHARPNESS)


def _cost(offer: Offer, prices: Sequence[float]) -> float:
    cost = offer.cost
    for at, much in offer.claims:
        cost += prices[at] * much
    return min(cost, _DEAREST)
