"""One database file as the rest of the store sees it: a writer, readers, a state.

Reads run in threads of their own, each in one read transaction, so the event
loop never waits for the disk. Knows no tables.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf, nextafter
from pathlib import Path
from typing import TypeVar

from freeloader.errors import Unavailable
from freeloader.store import opening
from freeloader.store.faults import FILE_ERRORS, FileError, file_fault, is_damage, unavailable
from freeloader.store.pieces import Many, Piece
from freeloader.store.schema import Schema
from freeloader.store.writer import Writer

T = TypeVar("T")

Trim = Callable[[sqlite3.Connection, float, int], int]
"""Deletes at most so many rows from before a moment; how many it did."""

SLICE, PAUSE_S = 50, 0.01
READERS = 2
READS_MAX = 512
FLUSH_S = 1.0


class DatabaseFile:
    """An open file of ``schema`` at ``path``; ``prepare`` it first.

    ``problem`` is None, or one phrase saying what is wrong with it just now.
    """

    def __init__(
        self, path: Path, schema: Schema, writer: Writer, *, unusable: str | None = None
    ) -> None:
        self.path = path
        self.schema = schema
        self.writer = writer
        self._unusable = unusable
        self._closed = False
        self._reads = 0
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix=f"reader {path.name}")

    @property
    def problem(self) -> str | None:
        return self._unusable or self.writer.problem

    async def reopen(self) -> None:
        """Look again at a file that could not be used when it was opened.

        Raises Unavailable with what is wrong with it now. Damage found while running stands.
        """
        if self._unusable is None or self._closed:
            return
        try:
            await asyncio.to_thread(opening.prepare, self.path, self.schema)
        except Unavailable as error:
            self._unusable = str(error.details.get("problem", error.message))
            raise
        self._unusable = None

    async def submit(self, piece: Piece[T], *, keep: bool = False) -> T:
        """See ``Writer.submit``."""
        self._usable()
        return await self.writer.submit(piece, keep=keep)

    def post(self, piece: Piece[object], *, soon: bool = False) -> bool:
        """See ``Writer.post``. What a file that cannot be used is given counts as lost."""
        if self._unusable:
            self.writer.counters.lost += 1
            return False
        return self.writer.post(piece, soon=soon)

    def gather(self, many: Many, row: object) -> bool:
        """See ``Writer.gather``. What a file that cannot be used is given counts as lost."""
        if self._unusable:
            self.writer.counters.lost += 1
            return False
        return self.writer.gather(many, row)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """The result of ``query`` over one consistent state that has all earlier writes in it.

        While the file cannot be written, it is what was written until then.
        Raises Unavailable if it cannot be read, or too many reads are waiting.
        """
        self._usable()
        if self._reads >= READS_MAX:
            raise Unavailable("Too many queries are running; try again.", retry_after=1.0)
        self._reads += 1
        try:
            if self.writer.problem is None:
                await self._flushed()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._query, query)
        finally:
            self._reads -= 1

    async def cutoff(
        self, before: float, max_rows: int | None, max_bytes: int | None, count: str, nth: str
    ) -> float:
        """The moment before which rows must go: by age, by number, by the size of the file.

        ``count`` and ``nth`` are the table's statements: how many rows there are, and the
        moment of the newest that is one too many.
        """

        def query(conn: sqlite3.Connection) -> float:
            keep = max_rows
            if max_bytes is not None and (used := _bytes_used(conn)) > max_bytes:
                # A little less than fits, so that not every run deletes a little.
                share = 0.9 * max_bytes / used
                whole = int(conn.execute(count).fetchone()[0])
                keep = min(whole if keep is None else keep, int(whole * share))
            row = None if keep is None else conn.execute(nth, {"keep": keep}).fetchone()
            return before if row is None else max(before, nextafter(row["at"], inf))

        return await self.read(query)

    async def in_slices(self, trim: Trim, before: float, slice_rows: int, pause_s: float) -> int:
        """Delete in small transactions with pauses, so that no hold waits long behind one."""
        gone = 0
        while True:
            done = await self.submit(lambda conn: trim(conn, before, slice_rows))
            gone += done
            if done < slice_rows:
                return gone
            await asyncio.sleep(pause_s)

    async def integrity(self, *, thorough: bool = False) -> list[str]:
        """What is wrong with the file, one line each; empty if it is sound. Never raises."""

        def run(conn: sqlite3.Connection) -> list[str]:
            return opening.damage(conn, thorough=thorough)

        problem = [self.problem] if self.problem else []
        try:
            return problem + await asyncio.to_thread(self._apart, run)
        except Unavailable as error:
            return problem or [str(error.details.get("problem", error.message))]

    def close(self) -> int:
        """Flush and close; how many writes were lost. Blocks."""
        self._unusable = self._unusable or f"{self.path.name} is closed"
        self._closed = True
        self._pool.shutdown(wait=True)
        for conn in self._opened:
            conn.close()
        self._opened.clear()
        # Last, so that SQLite folds the write-ahead log into the file.
        return self.writer.close()

    async def _flushed(self) -> None:
        """Wait for earlier writes, but never long for a slow or faulty writer."""
        try:
            async with asyncio.timeout(FLUSH_S):
                await self.writer.flush()
        except (TimeoutError, Unavailable):
            return

    def _usable(self) -> None:
        if self._unusable:
            raise unavailable(self._unusable, retry_after=None)

    def _query(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            conn = self._reader()
            conn.execute("BEGIN")
            try:
                return query(conn)
            finally:
                if conn.in_transaction:
                    conn.execute("ROLLBACK")
        except FILE_ERRORS as error:
            self._read_fault(error)
            raise

    def _reader(self) -> sqlite3.Connection:
        conn: sqlite3.Connection | None = getattr(self._local, "conn", None)
        if conn is None:
            conn = opening.connect(self.path, self.schema, writable=False)
            self._local.conn = conn
            self._opened.append(conn)
        return conn

    def _apart(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Long work on a connection of its own, so that no query waits for it."""
        self._usable()
        try:
            with opening.connection(self.path, self.schema, writable=False) as conn:
                return run(conn)
        except FILE_ERRORS as error:
            self._read_fault(error)
            raise

    def _read_fault(self, error: FileError) -> None:
        """Raise Unavailable if the file is at fault. Damage found once stands until a restart."""
        fault = file_fault(error, self.path.name)
        if fault is None:
            return
        if is_damage(error):
            self._unusable = fault
        raise unavailable(fault) from error


def _bytes_used(conn: sqlite3.Connection) -> int:
    """What the file holds; pages that were freed are filled again before it grows."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (int(conn.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return (pages - free) * size
