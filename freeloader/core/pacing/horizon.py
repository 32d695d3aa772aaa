"""The day ahead as a programme: blocks of hours, what is asked in each, what windows give. Pure.

Blocks are short at first and longer later, from now to about a day ahead, and where a
quota is reset one ends. A short window gives what comes back in each block, or it is lost
there, and at first what is free. A calendar's gives what is left until its reset, and its
share of the next period after that. A long bucket that refills gives what comes back, no
sooner than it does, and of what it has stored the less, the less it is known who comes.
To use what would be lost within hours costs nothing; to use what lasts longer costs what
it is worth in the long run (``core.pacing.worth``), though it may be short of nothing
today. Windows of minutes are not planned: whether they have room is asked when it matters.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Generator, Hashable, Mapping, Sequence
from math import floor, sqrt

from freeloader.core.pacing.claims import Usual, gain
from freeloader.core.pacing.demand import Demand
from freeloader.core.pacing.fluid import Cell, Offer, Programme
from freeloader.core.pacing.plan import length_of
from freeloader.core.pacing.worth import Question, Taker, Worth
from freeloader.core.quota import Window
from freeloader.core.quota.calendared import Calendared

_HOUR = 3600.0
#: Seconds of the first block, and hours of those after it: of them the first ends with the
#: hour, or with the next if that is near.
_SOON, _BLOCKS, _NEAR = 600.0, (1, 2, 3, 6, 6, 6), 1200.0
#: Seconds until there is another plan: what ends before that is as good as over.
_NEXT = 60.0
#: As many of the first blocks have together no more of a long bucket than is there by their end:
#: those of ten minutes, and of about six and twelve hours.
_FIRSTS = (1, 4, 5)
#: Windows up to this length are lost block by block.
_SHORT = 6 * _HOUR
#: What of an hour's window is lost later, where hours are as much off as they can be: who
#: comes all at once finds no more of it than is free then.
_LOST = 0.35
#: Of a long bucket: what it keeps in any case, and what of the rest a day may use, where hours
#: are off by this part or more, or nobody knows yet. Where all come as expected it keeps nothing.
_KEEP, _SPEND, _UNSURE = 0.25, 0.4, 0.15
#: By how much, for each point of need, more is taken to be asked later: what a plan of means
#: lacks in the end is missed by those whom few can serve. In any case, and where hours of the
#: hard ones are as much off as they can be (it grows with this power of how far they are): of
#: several hours together the less.
_CARE, _OFF, _STEEP = 0.006, 0.2, 1.5
#: How much less it is worth to serve later, where hours are as much off as they can be: who is
#: here is sure.
_LATER = 0.12
#: What is taken from a later day costs a little less than is missed there: who comes is not sure.
_SAVED = 0.7


def programme(
    asked: Question,
    worth: Worth,
    days: Callable[[], Mapping[Hashable, float]],
    demand: Demand,
    now: float,
) -> Generator[None, None, Programme]:
    """The programme of the day from ``now`` on; it pauses before and after each block,
    and may be left.

    Windows are looked at before the first pause only, for ``now`` is the past after that;
    what they are worth is asked after it.
    """
    usual = Usual(asked)
    edges = _edges(now, {end for one in usual.windows.values() if (end := _reset(one, now))})
    supplies = _Supplies(demand, edges)
    for window in usual.windows.values():
        supplies.add(window)
    yield
    missed = days()
    prices: dict[frozenset[str], list[list[float]]] = {}
    cells: list[Cell] = []
    usually, unsure = demand.usual(now), _LATER * demand.spread
    for block in range(len(edges) - 1):
        start, end = edges[block], edges[block + 1]
        count = demand.between(start, end) * demand.rush.unlike(
            usually, now, start - now, end - now
        )
        care = _CARE + _OFF * demand.spread_of_hard**_STEEP / sqrt((end - now) / _HOUR)
        of, lapse = supplies.of[block], supplies.lapsing(end)
        if lapse not in prices:
            prices[lapse] = [_priced(takers, worth, missed, usual, lapse) for _, takers in asked]
        for (one, takers), costs in zip(asked, prices[lapse], strict=True):
            if takers and count > 0:
                pairs = zip(takers, costs, strict=True)
                offers = [_offer(taker, cost, of, usual) for taker, cost in pairs]
                often, worthy = count * one.share, gain(one.need)
                if block:
                    often, worthy = often * (1.0 + care * one.need), worthy - unsure
                cells.append(Cell(one.kind, often, worthy, offers, block == 0))
        yield
    names, supply = [], []
    for name, key, much in supplies.found:
        names.append(name)
        supply.append(much / usual.much[key])
    return Programme(names, supply, cells)


def _reset(window: Window, now: float) -> float | None:
    """When a day's period ends, or a longer one's."""
    if isinstance(window.counter, Calendared) and _lasts(window):
        return window.counter.period(now).end
    return None


def _edges(now: float, resets: Collection[float]) -> list[float]:
    """When blocks begin and end. Where quotas are reset one of them does: were a reset in the
    middle of a block, what is asked in a part of it would be of the wrong period."""
    edges, end = [now, now + _SOON], floor(now / _HOUR) * _HOUR
    for at, hours in enumerate(_BLOCKS):
        end += hours * _HOUR
        if at == 0 and end - now < _NEAR:
            end += _HOUR
        edges.append(end)
    for reset in sorted(one for one in resets if one - now >= _NEXT):
        at = bisect_left(edges, reset)
        free = [x for x in (at - 1, at) if 0 < x < len(edges) - 1 and edges[x] not in resets]
        if free and reset < edges[-1] and reset not in edges:
            edges[min(free, key=lambda x: abs(edges[x] - reset))] = reset
    return edges


def _priced(
    takers: Sequence[Taker],
    worth: Worth,
    days: Mapping[Hashable, float],
    usual: Usual,
    lapsing: Collection[str],
) -> list[float]:
    """What it costs each to use what lasts: of a large request as many times the least, so that
    none costs more than it is worth only for its size; that it takes more of what is short is the
    programme's. At least what is missed on later days of what is stored."""
    least = max(1.0, min((worth.cost(taker) for taker in takers), default=0.0))

    def lasts(window: Window) -> bool:
        return _lasts(window) and window.key not in lapsing

    return [
        max(worth.cost(taker, lasts) / least, _SAVED * _missed(taker, days, usual))
        for taker in takers
    ]


def _missed(taker: Taker, days: Mapping[Hashable, float], usual: Usual) -> float:
    return sum(
        part * days.get(key, 0.0)
        for key, part in usual.parts(taker)
        if usual.windows[key].kind == "refill" and _lasts(usual.windows[key])
    )


def _lasts(window: Window) -> bool:
    return length_of(window.limit.window) > _SHORT


def _offer(taker: Taker, cost: float, of: Mapping[str, tuple[int, ...]], usual: Usual) -> Offer:
    claims = [(at, part) for key, part in usual.parts(taker) for at in of.get(key, ())]
    return Offer(taker.who, cost, claims)


class _Supplies:
    """``found``: (name, window's key, how much); ``of``: by block and window, which of them."""

    def __init__(self, demand: Demand, edges: Sequence[float]) -> None:
        self._demand, self._edges = demand, edges
        self.found: list[tuple[Hashable, str, float]] = []
        self.of: list[dict[str, tuple[int, ...]]] = [{} for _ in edges[1:]]
        #: When what is left of some is lost, within hours.
        self._ends: dict[str, float] = {}

    def add(self, window: Window) -> None:
        free = max(0.0, window.amount - window.counter.used(self._edges[0]) - window.held)
        if window.kind == "calendar":
            self._calendar(window, free)
        elif window.kind != "once" and length_of(window.limit.window) <= _SHORT:
            self._short(window, free)
        else:
            self._long(window, free)

    def lapsing(self, end: float) -> frozenset[str]:
        """Of which what a block that is over at ``end`` leaves will be lost within hours."""
        return frozenset(key for key, reset in self._ends.items() if end <= reset)

    def _short(self, window: Window, free: float) -> None:
        """What comes back in each block; and what is free now. Of an hour's it is the first
        block's: what it leaves may not be missed later, and then is lost. Of a longer one it
        can also be had in those that end within its length."""
        length = length_of(window.limit.window)
        rate, edges = window.amount / length, self._edges
        found = 1.0 - _LOST * self._demand.spread if length <= _HOUR else 1.0
        within = sum(edge <= edges[0] + length for edge in edges[1:]) if length > _HOUR else 1
        claims = [
            (blocks, self._until(window, free, rate, blocks)) for blocks in sorted({1, within})
        ]
        for block, of in enumerate(self.of):
            if block >= within:
                much = found * rate * (edges[block + 1] - edges[block])
                claims = [(block + 1, self._new((window.key, block), window.key, much))]
            of[window.key] = tuple(at for blocks, at in claims if block < blocks)

    def _calendar(self, window: Window, free: float) -> None:
        """Until the reset, what is left; after it, as much as of the next period's demand."""
        assert isinstance(window.counter, Calendared)
        edges, demand = self._edges, self._demand
        now, last = edges[0], edges[-1]
        end = window.counter.period(now).end
        if end <= now + _SHORT:
            self._ends[window.key] = end
        if end >= last:
            part = demand.between(now, last) / max(1e-9, demand.between(now, end))
            at = self._new((window.key, end), window.key, free * min(1.0, part))
            for of in self.of:
                of[window.key] = (at,)
            return
        before = self._new((window.key, end), window.key, free)
        period = demand.between(end, end + length_of(window.limit.window))
        part = demand.between(end, last) / max(1e-9, period)
        later = window.counter.period(end).end
        after = self._new((window.key, later), window.key, window.amount * min(1.0, part))
        for block, of in enumerate(self.of):
            middle = (edges[block] + edges[block + 1]) / 2
            of[window.key] = (before if middle < end else after,)

    def _long(self, window: Window, free: float) -> None:
        """What a day gives in all, and besides what the first blocks can have of it: what comes
        back in the night cannot be spent at noon."""
        length, ahead = length_of(window.limit.window), self._edges[-1] - self._edges[0]
        rate = 0.0 if window.kind == "once" else window.amount / length
        whole = rate * ahead
        if window.kind == "once":
            whole = free * ahead / length
        elif window.kind == "refill":
            unsure = min(1.0, self._demand.spread / _UNSURE)
            spend = 1.0 - unsure * (1.0 - _SPEND)
            whole += spend * max(0.0, free - unsure * _KEEP * window.amount)
        claims = [(len(self.of), self._new(window.key, window.key, whole))]
        if rate:
            claims += [(blocks, self._until(window, free, rate, blocks)) for blocks in _FIRSTS]
        for block, of in enumerate(self.of):
            of[window.key] = tuple(at for blocks, at in claims if block < blocks)

    def _until(self, window: Window, free: float, rate: float, blocks: int) -> int:
        """What the first blocks can have of it together: what is free, and what comes back."""
        much = free + rate * (self._edges[blocks] - self._edges[0])
        return self._new((window.key, "until", blocks), window.key, much)

    def _new(self, name: Hashable, key: str, much: float) -> int:
        self.found.append((name, key, much))
        return len(self.found) - 1
