"""What quota is worth that lasts, where days like the usual one follow one another. Pure.

The day ahead sees what is stored and asks for nobody after it. Here nothing is stored: what
an average day asks is set against what windows give back in one, as the same kind of programme.
Where that is not enough, whoever is served from what is stored takes it from somebody of a
later day, and the prices tell how much of what serving is worth he takes; where it is
enough they are nothing. What the quota of the day ahead is worth is ``core.pacing.horizon``'s.
"""

from __future__ import annotations

from freeloader.core.pacing.claims import Usual, gain
from freeloader.core.pacing.demand import Demand
from freeloader.core.pacing.fluid import Cell, Offer, Programme
from freeloader.core.pacing.worth import Question, Taker, a_day

_DAY = 86_400.0


def programme(asked: Question, demand: Demand, now: float) -> Programme:
    """One day like the usual one, in one block; supplies have the names of their windows, and
    are counted in what a request usually takes."""
    usual = Usual(asked)
    at = {key: i for i, key in enumerate(usual.windows)}

    def offer(taker: Taker) -> Offer:
        parts = usual.parts(taker)
        return Offer(taker.who, 0.0, [(at[key], part) for key, part in parts])

    count = demand.rate * _DAY
    cells = [
        Cell(one.kind, count * one.share, gain(one.need), [*map(offer, takers)], False)
        for one, takers in asked
        if takers
    ]
    supply = [a_day(window, now) / usual.much[key] for key, window in usual.windows.items()]
    return Programme(list(at), supply, cells)
