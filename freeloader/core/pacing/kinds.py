"""Requests alike, for planning: those that the same can serve, and about as large. Pure.

Two needs between which no candidate's strength lies are one; sizes are powers of two of
the tokens. The few kinds that are asked most are planned; another goes by the one of its
needs that is nearest in size, and needs that nobody has asked for go by the next higher
ones (whoever serves those can serve it), or else by the highest.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from freeloader.core.pacing.demand import Sort, sort_of

#: Kinds that are planned; what is asked less often than the others goes by them.
_MOST = 16

#: How many of the strengths are too little for it, and its tokens' power of two.
Kind = tuple[int, int]


class Asked(NamedTuple):
    """A kind's ``share`` of all requests, the greatest ``need`` among them, their mean tokens."""

    kind: Kind
    share: float
    need: float
    read: int
    written: int


class Kinds:
    """``asked``: what is planned, the most frequent first."""

    __slots__ = ("_sizes", "_strengths", "asked")

    def __init__(self, strengths: Sequence[float] = (), sorts: Sequence[Sort] = ()) -> None:
        self._strengths = sorted(set(strengths))
        found: dict[Kind, list[Sort]] = {}
        for sort in sorts:
            found.setdefault(self._kind(sort.need, sort.size), []).append(sort)
        every = [_together(kind, alike) for kind, alike in found.items()]
        self.asked = sorted(every, key=lambda one: (-one.share, one.kind))[:_MOST]
        self._sizes: dict[int, list[int]] = {}
        for one in self.asked:
            self._sizes.setdefault(one.kind[0], []).append(one.kind[1])

    def of(self, need: float, tokens: int) -> Kind | None:
        """The kind that a request goes by; None where nothing is planned."""
        level, size = self._kind(*sort_of(need, tokens))
        if not self._sizes:
            return None
        if level not in self._sizes:
            level = min((one for one in self._sizes if one > level), default=max(self._sizes))
        return level, min(self._sizes[level], key=lambda known: (abs(known - size), known))

    def _kind(self, need: float, size: int) -> Kind:
        return bisect_left(self._strengths, need), size


def _together(kind: Kind, alike: Sequence[Sort]) -> Asked:
    share = sum(sort.share for sort in alike)
    read = sum(sort.share * sort.read for sort in alike) / share
    written = sum(sort.share * sort.written for sort in alike) / share
    return Asked(kind, share, max(sort.need for sort in alike), round(read), round(written))
