"""The waiting room: requests that found every candidate full for a moment wait here.

One room for quota windows and held budgets. Who is next is ``core.waiting``'s; this
is its asyncio shell: when something changed in the books, or the earliest wait is over,
the waiting are called one after the other, each decides and reserves for itself, and
says so. It decides nothing, reserves nothing and counts no quota.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import cast

from freeloader.core import budget
from freeloader.core.snapshot import Snapshot
from freeloader.core.waiting import SEATS, Line, Ticket
from freeloader.gateway.ports import BooksPort
from freeloader.gateway.waiting.behind import Behind
from freeloader.money import Meters

#: Nobody looks again later than this, whatever was foretold: clocks jump, machines sleep.
RECHECK_S = 1.0
#: Nor sooner than this.
_SOONEST_S = 0.005
#: Calling everybody may take so long (seconds) without a rest; the rest is so many times
#: what it took, at most so long.
_LONG_CALL_S, _REST_SHARE, _REST_MAX_S = 0.01, 3.0, 0.25
#: Before the longest time a request may take is over, a waiting one is told no.
_MARGIN_S = 1.0
#: The most that a time to come back is set back by chance.
_SPREAD_MAX_S = 2.0


@dataclass(slots=True, eq=False)
class Seat:
    """One waiting request. Of two with one ``kind`` (the same question), what is too little
    for the smaller ``needs`` is too little for the larger."""

    ticket: Ticket
    kind: Hashable
    needs: Meters
    wait_s: float = RECHECK_S
    called: asyncio.Event = field(default_factory=asyncio.Event)
    evicted: bool = False


class Room:
    """Who waits. ``changed`` is to be called whenever something may have come free.

    ``longest_s`` bounds what any request may ask for; ``spread`` (0 to 1, random) sets those
    apart who are told to come back at the same moment.
    """

    def __init__(
        self,
        longest_s: Callable[[], float] = lambda: 600.0,
        spread: Callable[[], float] = lambda: 0.0,
        seats: int = SEATS,
    ) -> None:
        self._longest_s, self._spread = longest_s, spread
        self._line = Line(seats)
        self._seats: dict[int, Seat] = {}
        self._round: deque[int] = deque()
        self._refused: list[Seat] = []
        self._on_turn: Seat | None = None
        self._calling = self._again = self._closed = False
        self._began = self._rest = 0.0  # of the calling, in the loop's time
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._line)

    def patience_s(self, asked_s: float) -> float:
        """How long a request may wait: what it asks for, and time left to say no politely."""
        longest = self._longest_s()
        return min(asked_s, max(0.0, longest - min(_MARGIN_S, longest / 10)))

    def retry_after(self, seconds: float) -> float:
        """Never sooner than ``seconds``; later by a tenth and two seconds at most."""
        return seconds + self._spread() * min(_SPREAD_MAX_S, seconds / 10)

    def view(self, books: BooksPort, seat: Seat | None, project: str | None = None) -> Snapshot:
        """The books as somebody sees them who comes after those ahead: of the seat, or of one
        that ``project`` would take now."""
        if not self._seats or (len(self._seats) == 1 and seat is not None):
            return books
        number = None if seat is None else seat.ticket.number
        ahead = self._line.ahead(number, project or budget.DEFAULT_PROJECT)
        return cast(Snapshot, Behind(books, ahead)) if ahead else books

    def join(self, project: str | None, kind: Hashable, needs: Meters) -> Seat | None:
        """A seat, or None where the room is full and the project's own queue the longest."""
        if self._closed:
            return None
        name = project or budget.DEFAULT_PROJECT
        goes = self._line.crowded_out(name)
        if goes == 0:
            return None
        if goes is not None:
            self._turn_out(self._seats[goes])
        seat = Seat(self._line.join(name), kind, needs)
        self._seats[seat.ticket.number] = seat
        return seat

    async def wait(
        self, seat: Seat, claims: Mapping[str, int], wait_s: float, patience_s: float
    ) -> bool:
        """Until it is this seat's turn to try. False: not within ``patience_s``, or crowded out.

        ``wait_s``: how long it will take as far as is known; ``claims``: what of.
        """
        if seat.evicted:
            return False
        seat.wait_s = max(_SOONEST_S, min(wait_s, RECHECK_S))
        self._line.claim(seat.ticket.number, claims)
        seat.called.clear()
        if self._on_turn is seat:
            self._refused.append(seat)
            self._on_turn = None
            self._next()
        elif not self._calling:
            self._arm(seat.wait_s)
        try:
            async with asyncio.timeout(max(0.0, patience_s)):
                await seat.called.wait()
        except TimeoutError:
            return False
        return not seat.evicted

    def leave(self, seat: Seat, *, served: bool) -> None:
        """Its place is free; once. To be called in the same breath as the hold is asked for."""
        number = seat.ticket.number
        if self._seats.pop(number, None) is None:
            return
        seat.ticket = self._line.leave(number, served=served) or seat.ticket
        if self._on_turn is seat:
            self._on_turn = None
            self._next()
        elif not served:
            self.changed()  # what it claimed is there for those behind

    def passed(self, project: str | None) -> None:
        """Somebody is about to hold what it found as it came: where others wait, that counts."""
        self._line.passed(project or budget.DEFAULT_PROJECT)

    def rejoin(self, seat: Seat) -> None:
        """Somebody was quicker after all: back to the same place."""
        if not seat.evicted:
            self._line.rejoin(seat.ticket)
            self._seats[seat.ticket.number] = seat

    def changed(self) -> None:
        """Something may have come free: everybody is called, in order, who might be served."""
        if not self._seats:
            return
        if self._calling:
            self._again = True
            return
        self._began = asyncio.get_running_loop().time()
        if self._began < self._rest:
            self._arm(self._rest - self._began)
            return
        self._calling = True
        self._round = deque(ticket.number for ticket in self._line.ordered())
        self._refused = []
        self._next()

    def _next(self) -> None:
        while self._round:
            seat = self._seats.get(self._round.popleft())
            if seat is None or any(_no_less(seat, other) for other in self._refused):
                continue
            self._on_turn = seat
            seat.called.set()
            return
        self._calling = False
        self._rest_a_while()
        if self._again:
            self._again = False
            self._arm(0.0)
        elif self._seats:
            self._arm(min(seat.wait_s for seat in self._seats.values()))

    def _rest_a_while(self) -> None:
        """A long line of many kinds takes long to call: it gets a share of the loop, not all."""
        now = asyncio.get_running_loop().time()
        took = now - self._began
        self._rest = now + min(_REST_MAX_S, _REST_SHARE * took) if took > _LONG_CALL_S else 0.0

    def close(self) -> None:
        """Nobody waits for what will not come any more: everybody is told so, and who comes."""
        self._closed = True
        for seat in list(self._seats.values()):
            self._turn_out(seat)
        if self._timer is not None:
            self._timer.cancel()

    def _turn_out(self, seat: Seat) -> None:
        seat.evicted = True
        self.leave(seat, served=False)
        seat.called.set()

    def _arm(self, seconds: float) -> None:
        """Look again then; an earlier look that is due already stays."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if not self._timer.cancelled() and self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        # Never quite at once: uvloop gives a handle without a time for a delay of nothing.
        self._timer = loop.call_later(max(seconds, _SOONEST_S), self._due)

    def _due(self) -> None:
        self._timer = None
        self.changed()


def _no_less(seat: Seat, other: Seat) -> bool:
    """True where ``seat`` cannot be served because ``other`` could not."""
    if seat.kind != other.kind:
        return False
    mine, theirs = seat.needs, other.needs
    pairs = ((mine.input, theirs.input), (mine.output, theirs.output), (mine.images, theirs.images))
    return all(own >= other_ for own, other_ in pairs)
