"""Who waits for what, and in which order: the line of requests that found everything full.

Fair between projects: each gets a turn before any gets its second (start-time fair
queueing with equal shares), first come first served within one. A ticket claims what
the candidate it waits for lacks; who stands behind it, and who only just arrives, finds
those claims taken. Pure: no clock, no waking; that is the gateway's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from freeloader.core.model import EMPTY

#: Requests that may wait at once.
SEATS = 512
#: Projects whose turns are remembered; more than these are looked through for what is past.
_PROJECTS = 1024


@dataclass(frozen=True, slots=True)
class Ticket:
    """One waiting request. ``turn`` orders projects fairly, ``number`` is the order of arrival.

    ``claims``: how much it needs of each resource that keeps it waiting (a quota window's
    key, or a budget's name).
    """

    number: int
    project: str
    turn: int
    claims: Mapping[str, int] = EMPTY


class Line:
    """All tickets. Every method takes time in proportion to the tickets, at most."""

    def __init__(self, seats: int = SEATS) -> None:
        self._seats = seats
        self._tickets: dict[int, Ticket] = {}
        self._last: dict[str, int] = {}  # the newest turn given to a project
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._tickets)

    def __contains__(self, number: int) -> bool:
        return number in self._tickets

    def join(self, project: str) -> Ticket:
        """A place at the end of the project's own queue. Ask ``crowded_out`` first."""
        self._arrivals += 1
        turn = self._last[project] = self._next_turn(project)
        ticket = Ticket(self._arrivals, project, turn)
        self._tickets[ticket.number] = ticket
        return ticket

    def passed(self, project: str) -> None:
        """One of the project was served as it came, while others waited: that was its turn."""
        if self._tickets:
            self._last[project] = self._next_turn(project)

    def _next_turn(self, project: str) -> int:
        current = min((ticket.turn for ticket in self._tickets.values()), default=1)
        if len(self._last) > _PROJECTS:
            self._last = {name: turn for name, turn in self._last.items() if turn >= current}
        return max(current - 1, self._last.get(project, 0)) + 1

    def rejoin(self, ticket: Ticket) -> None:
        """It was its turn, and somebody was quicker: the same place as before."""
        self._tickets[ticket.number] = ticket

    def claim(self, number: int, claims: Mapping[str, int]) -> None:
        """What it waits for now."""
        self._tickets[number] = replace(self._tickets[number], claims=dict(claims))

    def leave(self, number: int, *, served: bool) -> Ticket | None:
        """It was served, or gave up: the ticket as it was. A second time changes nothing."""
        ticket = self._tickets.pop(number, None)
        if ticket is None:
            return None
        if not served:
            self._give_back(ticket)
        if not self._tickets:
            self._last.clear()
        return ticket

    def _give_back(self, gone: Ticket) -> None:
        """A turn not taken is not paid for: who of the project comes after moves up by one."""
        self._last[gone.project] = max(0, self._last.get(gone.project, 0) - 1)
        for number, t in self._tickets.items():
            if t.turn > gone.turn and t.project == gone.project:
                self._tickets[number] = Ticket(number, t.project, t.turn - 1, t.claims)

    def ordered(self) -> list[Ticket]:
        """All, whose turn it is first."""
        return sorted(self._tickets.values(), key=_place)

    def ahead(self, number: int | None, project: str = "") -> dict[str, int]:
        """What those claim who are before a ticket (None: before one that the project took now,
        which is not behind everybody: others may have more than their turn waiting)."""
        mine = self._tickets.get(number) if number is not None else None
        place = (self._next_turn(project), self._arrivals + 1) if mine is None else _place(mine)
        total: dict[str, int] = {}
        for ticket in self._tickets.values():
            if _place(ticket) < place:
                for name, amount in ticket.claims.items():
                    total[name] = total.get(name, 0) + amount
        return total

    def crowded_out(self, project: str) -> int | None:
        """Who has to go so that ``project`` may join: nobody (None), the newest ticket of the
        project with the longest queue, or 0: the one that wants to join."""
        if len(self._tickets) < self._seats:
            return None
        counts = Counter(ticket.project for ticket in self._tickets.values())
        longest, most = max(counts.items(), key=lambda item: (item[1], item[0]))
        if counts.get(project, 0) + 1 >= most:
            return 0
        return max(t.number for t in self._tickets.values() if t.project == longest)


def _place(ticket: Ticket) -> tuple[int, int]:
    return (ticket.turn, ticket.number)
