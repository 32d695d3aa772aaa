"""One request's way through the waiting room. It decides nothing and holds nothing."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import inf

from freeloader.core.snapshot import Snapshot
from freeloader.gateway.ports import BooksPort
from freeloader.gateway.waiting.room import Room, Seat
from freeloader.money import Meters


class Turn:
    """One request's way through the room: it takes a seat only where it has to wait."""

    def __init__(
        self, room: Room, project: str | None, kind: Hashable, needs: Meters, patience: float
    ) -> None:
        """``patience``: the monotonic moment until which it waits."""
        self._room, self._project, self._kind, self._needs = room, project, kind, needs
        self.patience = patience
        self._seat: Seat | None = None

    def view(self, books: BooksPort) -> Snapshot:
        """The books without what those ahead wait for."""
        return self._room.view(books, self._seat, self._project)

    async def wait(self, claims: Mapping[str, int], wait_s: float, mono: float) -> bool:
        """True: look again now. False: patience is over, or the room is full, for good."""
        if self._seat is None:
            self._seat = self._room.join(self._project, self._kind, self._needs)
        patience = self.patience - mono
        if self._seat is not None and await self._room.wait(self._seat, claims, wait_s, patience):
            return True
        self.patience = -inf
        return False

    def taken(self) -> None:
        """It is about to hold what it found; in the same breath."""
        if self._seat is not None:
            self._room.leave(self._seat, served=True)
        else:
            self._room.passed(self._project)

    def lost(self) -> None:
        """The hold was refused after all: its place is still its own."""
        if self._seat is not None:
            self._room.rejoin(self._seat)

    def end(self) -> None:
        """Served, refused or gone."""
        if self._seat is not None:
            self._room.leave(self._seat, served=False)
            self._seat = None
