"""What waits for a writer: pieces in their order, counted by their rows, bounded.

Rows of one kind that come one after another are gathered into one piece, so that a busy
second costs a few statements and not thousands. Knows no thread and no file: whoever uses
it holds the lock.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

T = TypeVar("T")
Piece = Callable[[sqlite3.Connection], T]
Many = Callable[[sqlite3.Connection, Sequence[Any]], object]
"""Writes rows that were gathered; a single one too, where another of them is bad."""

#: Rows of one piece, and of one commit but for the last piece's.
BATCH_MAX = 256


def put_all(
    conn: sqlite3.Connection,
    statements: Sequence[tuple[int, str]],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """Writes rows with as few executions as there are statements for; the last is for one row."""
    start = 0
    for size, statement in statements:
        while len(rows) - start >= size:
            part = rows[start : start + size]
            conn.execute(statement, list(chain.from_iterable(part)))
            start += size


@dataclass(slots=True)
class Item:
    """One queued piece. ``waiter`` is the loop and future to tell, until it has been told.

    ``rows`` are what ``many`` writes, where it is gathered.
    """

    piece: Piece[Any] | None
    keep: bool
    waiter: tuple[asyncio.AbstractEventLoop, asyncio.Future[Any]] | None = None
    many: Many | None = None
    rows: Sequence[Any] = ()

    def __len__(self) -> int:
        return len(self.rows) or 1

    def write(self, conn: sqlite3.Connection) -> Any:
        """All of it; the piece's result."""
        if self.many is not None:
            return self.many(conn, self.rows)
        assert self.piece is not None
        return self.piece(conn)

    def apart(self) -> list[Item]:
        """Its rows, each a piece of its own; itself where it is not gathered."""
        if self.many is None:
            return [self]
        return [Item(None, self.keep, many=self.many, rows=(row,)) for row in self.rows]


class Queue:
    """``len`` is in rows."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self.rows = 0

    def __len__(self) -> int:
        return self.rows

    def append(self, item: Item) -> None:
        self._items.append(item)
        self.rows += len(item)

    def gather(self, many: Many, row: Any) -> None:
        """One more row for ``many``: with the last piece where that is of its kind."""
        if self._items:
            last = self._items[-1]
            rows = last.rows
            if last.many is many and len(rows) < BATCH_MAX:
                assert isinstance(rows, list)
                rows.append(row)
                self.rows += 1
                return
        self.append(Item(None, keep=True, many=many, rows=[row]))

    def take(self) -> list[Item]:
        """The first pieces, of ``BATCH_MAX`` rows together; one at least, if there is one."""
        found: list[Item] = []
        rows = 0
        while self._items and rows < BATCH_MAX:
            found.append(self._items.popleft())
            rows += len(found[-1])
        self.rows -= rows
        return found

    def urgent(self) -> bool:
        """Whether anybody waits for one of them."""
        return any(item.waiter for item in self._items)

    def clear(self) -> list[Item]:
        """Empties it; what was in it."""
        found = list(self._items)
        self._items.clear()
        self.rows = 0
        return found

    def extend(self, items: Iterable[Item]) -> None:
        for item in items:
            self.append(item)

    def drop_oldest(self) -> bool:
        """Drops the oldest row that nobody waits for. False: there is none."""
        for index, item in enumerate(self._items):
            if item.waiter is None:
                self.rows -= 1
                if len(item) == 1:
                    del self._items[index]
                else:
                    item.rows = list(item.rows[1:])
                return True
        return False


@dataclass(frozen=True, slots=True)
class Failure:
    """What a piece raised, as its result."""

    error: BaseException


def tell(items: Sequence[Item], results: Sequence[Any]) -> bool:
    """Wakes all waiters, one call per event loop. False where a loop is closed: nobody is left."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for item, result in zip(items, results, strict=True):
        if item.waiter is not None:
            loop, future = item.waiter
            item.waiter = None
            by_loop.setdefault(loop, []).append((future, result))
    heard = True
    for loop, told in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, told)
        except RuntimeError:
            heard = False
    return heard


def _resolve(told: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in told:
        if future.done():
            continue
        if isinstance(result, Failure):
            future.set_exception(result.error)
        else:
            future.set_result(result)
