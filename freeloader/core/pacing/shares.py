"""Who is next by the shares of a plan: how far each is behind what is due to it. Pure.

Of every request served, each gets due its share and whoever serves has one less. So the
shares hold over a few requests, whatever the order in which they come, and what somebody
could not serve is not owed for ever. Where a plan leaves some requests to nobody, what is
served is still shared out in full; that it is more than the plan serves, or costs more than
it is worth, is told apart (``leaves``); who refuses it is not decided here. What the shares are is
``core.pacing.fluid``'s.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from freeloader.core.pacing.fluid import Portion

#: Requests that are due or served ahead, at most: more is forgotten.
_MOST_DUE = 4.0
#: Requests of a kind that are served in a row though the plan leaves some to nobody, and that
#: are made up for afterwards, at most; so little of a kind that is left out is none. And so much
#: of all requests has to be left out, or none is: a plan is a guess, and where it just about
#: suffices nobody is refused for it.
_IN_A_ROW, _HARDLY, _SHORT = 8.0, 0.02, 0.08
#: What costs so many times what serving is worth is too dear; a little more may be a plan's error.
_TOO_DEAR = 1.12
#: Strain of whoever is just not due, what one request ahead adds, and of who has no share.
_AHEAD, _EACH, NO_SHARE = 0.1, 0.1, 1.0


class Shares:
    """Empty until a plan was made."""

    __slots__ = ("_due", "_plan", "_room", "_served", "_short")

    def __init__(self) -> None:
        self._plan: Mapping[Hashable, Mapping[str, Portion]] = {}
        self._due: dict[tuple[Hashable, str], float] = {}
        #: By kind: what part of it the plan serves, and how many requests may be served now.
        self._served: dict[Hashable, float] = {}
        self._room: dict[Hashable, float] = {}
        self._short = False

    def put(
        self, plan: Mapping[Hashable, Mapping[str, Portion]], asked: Mapping[Hashable, float]
    ) -> None:
        """A new plan, and how much of each kind is ``asked``. What is due to those who still
        have a share stays due."""
        self._plan = {kind: _in_full(portions) for kind, portions in plan.items()}
        self._served = {kind: _whole(portions) for kind, portions in plan.items()}
        self._room = {kind: self._room.get(kind, _IN_A_ROW) for kind in plan}
        out = sum(asked[kind] * (1.0 - part) for kind, part in self._served.items())
        self._short = out >= _SHORT * sum(asked[kind] for kind in plan)
        self._due = {
            (kind, who): self._due.get((kind, who), 0.0)
            for kind, portions in self._plan.items()
            for who, portion in portions.items()
            if portion.share
        }

    def asked(self, kind: Hashable) -> None:
        """A request of this kind came, whether it is served or not."""
        if kind in self._room:
            self._room[kind] = min(_IN_A_ROW, self._room[kind] + self._served[kind])

    def leaves(self, kind: Hashable, who: str) -> bool:
        """Whether the plan leaves the next request of this kind to nobody rather than to ``who``:
        of those that came so many were served as it serves, or it costs there more than it is
        worth."""
        if not self._short:
            return False
        part = self._served.get(kind, 1.0)
        if part < 1.0 - _HARDLY and self._room[kind] < 1.0:
            return True
        portion = self._plan.get(kind, {}).get(who)
        return portion is not None and not portion.share and portion.cost > _TOO_DEAR

    def taken(self, kind: Hashable, who: str) -> None:
        """A request of this kind is served by ``who``, whether it was due to it or not."""
        if kind in self._room:
            self._room[kind] = max(-_IN_A_ROW, self._room[kind] - 1.0)
        for name, portion in self._plan.get(kind, {}).items():
            if portion.share:
                due = self._due[kind, name] + portion.share - (name == who)
                self._due[kind, name] = min(_MOST_DUE, max(-_MOST_DUE, due))

    def strain(self, kind: Hashable, who: str) -> float | None:
        """0: a request is due to ``who``; more, the less it is; None: nothing is planned."""
        portion = self._plan.get(kind, {}).get(who)
        if portion is None:
            return None
        if not portion.share:
            return NO_SHARE + portion.cost
        due = self._due[kind, who] + portion.share
        return 0.0 if due > 0 else _AHEAD - _EACH * due


def _in_full(portions: Mapping[str, Portion]) -> Mapping[str, Portion]:
    """The same shares, of those that are served."""
    whole = _whole(portions)
    if not whole:
        return portions
    return {who: portion._replace(share=portion.share / whole) for who, portion in portions.items()}


def _whole(portions: Mapping[str, Portion]) -> float:
    return sum(portion.share for portion in portions.values())
