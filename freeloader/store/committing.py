"""One commit of whatever waits: ``BEGIN IMMEDIATE … COMMIT``, in the writer's thread.

Where one piece is bad the batch is written once more with a savepoint for each, so that it
never takes the others with it. A fault of the file is raised; what that means for those who
wait is the writer's.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from freeloader.store.faults import file_fault
from freeloader.store.pieces import Failure, Item, Piece

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counters:
    """What a writer has done; read from any thread, written by one."""

    commits: int = 0
    written: int = 0
    failed: int = 0
    lost: int = 0
    faults: int = 0


class Commits:
    """The writing connection of a file; opened when it is needed, again after a fault."""

    def __init__(
        self,
        name: str,
        connect: Callable[[], sqlite3.Connection],
        probe: Piece[None],
        counters: Counters,
    ) -> None:
        self._name, self._connect, self._probe = name, connect, probe
        self._counters = counters
        self._conn: sqlite3.Connection | None = None
        self.last_error: str | None = None

    def all_of(self, batch: list[Item], *, probing: bool) -> list[Any]:
        """The results of one commit, a bad piece's error among them. Raises a fault of the file.

        ``probing``: the file failed before, so the commit begins with a tiny real write.
        """
        if self._conn is None:
            self._conn = self._connect()
        try:
            return self._together(self._conn, batch, _plainly, probing)
        except Exception as error:
            if file_fault(error, self._name):
                raise
            return self._together(self._conn, batch, self._one, probing)

    def _together(
        self,
        conn: sqlite3.Connection,
        batch: list[Item],
        one: Callable[[sqlite3.Connection, Item], Any],
        probing: bool,
    ) -> list[Any]:
        conn.execute("BEGIN IMMEDIATE")
        try:
            if probing:
                self._probe(conn)
            results = [one(conn, item) for item in batch]
            conn.execute("COMMIT")
        except BaseException:
            if conn.in_transaction:
                conn.execute("ROLLBACK")
            raise
        return results

    def _one(self, conn: sqlite3.Connection, item: Item) -> Any:
        """The piece's result, or its own error as a value; a fault of the file is raised."""
        results = [self._alone(conn, part) for part in item.apart()]
        return results[0]

    def _alone(self, conn: sqlite3.Connection, item: Item) -> Any:
        conn.execute("SAVEPOINT piece")
        try:
            result = item.write(conn)
        except Exception as error:
            if file_fault(error, self._name):
                raise
            conn.execute("ROLLBACK TO piece")
            conn.execute("RELEASE piece")
            self._counters.failed += 1
            if item.waiter is None:
                self.last_error = f"{self._name}: {type(error).__name__} in a posted write"
                log.error("%s", self.last_error, exc_info=error)
            return Failure(error)
        conn.execute("RELEASE piece")
        return result

    def checkpoint(self) -> None:
        """Moves the write-ahead log into the file, as far as nobody reads it. Raises its faults."""
        if self._conn is not None:
            self._conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def disconnect(self) -> None:
        """Close the connection: after an I/O error it must not be trusted, and locks must go."""
        conn, self._conn = self._conn, None
        if conn is not None:
            try:
                conn.close()
            except sqlite3.Error as error:
                log.warning("%s: closing failed: %s", self._name, type(error).__name__)


def _plainly(conn: sqlite3.Connection, item: Item) -> Any:
    return item.write(conn)
