"""What a unit of each free quota is worth: shadow prices of the linear programme of a day. Pure.

The programme: requests of several kinds (need and size) are shared out over what can serve
them, and no window gives more in a day than comes back. Its dual values are learnt step by
step (entropic mirror descent, as in Agrawal and Devanur's online packing): every kind is
spread over its offers, the cheapest most; a window that is asked for more than it has
becomes dearer, another cheaper. So small requests find windows of tokens and large ones
windows of requests, and what only the strong can do makes the strong dear for the rest.
Nothing is decided here, and how a window stands just now is ``core.pacing.plan``'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any, NamedTuple

#: The price of a window of which nothing is known; what ``weight`` gives is relative to it.
REFERENCE = 0.1
#: Between these a price stays.
_LEAST, _MOST = 0.001, 10.0
#: A part of every price: windows that are dear to nobody still differ by how they stand.
_ALWAYS = 0.01
#: How far one step goes, and at most (in the logarithm of the price).
_STEP, _STRIDE = 0.1, 0.3
#: How much more of a kind its cheaper offers get: the power of the price's inverse.
_SHARPNESS = 8
#: Prices that are kept.
_KEPT = 512

#: What one request takes: (a window's key, how much of it, in usual requests).
Claim = tuple[tuple[str, float], ...]


class Kind(NamedTuple):
    """Requests alike: how many are ``asked`` a day, what serving one is ``worth``, and what
    it would claim of each that can serve it."""

    asked: float
    worth: float
    offers: Sequence[Claim]


class Prices:
    """By window key. What was never priced has the reference's."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[str, float] = {}

    @property
    def known(self) -> bool:
        """Whether any step was made."""
        return bool(self._of)

    def weight(self, key: str) -> float:
        """The price relative to that of a window of which nothing is known."""
        return (self._of.get(key, REFERENCE) + _ALWAYS) / (REFERENCE + _ALWAYS)

    def step(self, kinds: Sequence[Kind], supply: Mapping[str, float]) -> None:
        """One step towards the prices at which demand and ``supply`` (in usual requests a day,
        by window) agree. Windows that are not in ``supply`` are forgotten."""
        of = {key: self._of.get(key, REFERENCE) for key in list(supply)[:_KEPT]}
        taken = dict.fromkeys(of, 0.0)
        for kind in kinds:
            _spread(kind, of, taken)
        for key, price in of.items():
            stride = _STEP * (taken[key] / supply[key] - 1.0)
            of[key] = min(_MOST, max(_LEAST, price * exp(max(-_STRIDE, min(_STRIDE, stride)))))
        self._of = of

    def dump(self) -> dict[str, float]:
        return dict(self._of)

    def load(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError or TypeError for what ``dump`` did not write."""
        found = {str(key): float(price) for key, price in list(state.items())[:_KEPT]}
        if not all(_LEAST <= price <= _MOST for price in found.values()):
            raise ValueError("a price is out of bounds")
        self._of = found


def _spread(kind: Kind, of: Mapping[str, float], taken: dict[str, float]) -> None:
    """Adds what a kind takes of each window. Dearer than its worth, it is rather not served."""
    shares, whole = [], 1.0
    for offer in kind.offers:
        cost = _LEAST
        for key, much in offer:
            cost += of.get(key, 0.0) * much
        share = (kind.worth / cost) ** _SHARPNESS
        shares.append(share)
        whole += share
    for offer, share in zip(kind.offers, shares, strict=True):
        count = kind.asked * share / whole
        for key, much in offer:
            if key in taken:
                taken[key] += count * much
