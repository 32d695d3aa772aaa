"""The one writer of a database file: a thread, a bounded queue, group commit.

Whatever is queued goes into one commit (``committing``). A fault of the file fails the
waiting writes, becomes ``problem``, and is probed until it is over. Nothing here knows what
is written; pieces must be plain SQL without side effects, because a kept one may run again.

::

    submit(fn)             waits until it is on disk; fails at once while there is a problem
    submit(fn, keep=True)  the same, but after a failure it stays queued until it succeeds
    post(fn)               does not wait; stays queued until it succeeds
    post(fn, soon=True)    the same, in the very next commit
    gather(many, row)      the same for one row, written together with others of its kind
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from freeloader.store.committing import Commits, Counters
from freeloader.store.faults import FILE_ERRORS, FileError, file_fault, unavailable
from freeloader.store.pieces import BATCH_MAX, Failure, Item, Many, Piece, Queue, tell

T = TypeVar("T")
log = logging.getLogger(__name__)

IDLE_S = 1.0
#: Posted rows are on disk within 250 ms: they wait for company no longer than this.
LINGER_S = 0.15
RETRY_FIRST_S, RETRY_MAX_S = 0.1, 1.0
CLOSE_TRIES = 3
CLOSE_S = 15.0


class Writer:
    """See the module. ``connect`` opens the file for writing; ``probe`` is a tiny real write.

    ``queue_max`` bounds the queue, in rows; when it is full, ``submit`` raises Unavailable
    and ``post`` drops the oldest posted row (``drop_oldest``) or the new one,
    counted in ``counters.lost``. ``linger_s`` is how long posted pieces may wait
    for company; a submitted one never waits.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], sqlite3.Connection],
        probe: Piece[None],
        *,
        queue_max: int = 20_000,
        linger_s: float = LINGER_S,
        drop_oldest: bool = False,
    ) -> None:
        self._name = name
        self.counters = Counters()
        self._commits = Commits(name, connect, probe, self.counters)
        self._queue_max = queue_max
        self._linger_s = linger_s
        self._drop_oldest = drop_oldest
        self._queue = Queue()
        self._fresh: deque[tuple[Many, Any]] = deque()  # rows that are not in the queue yet
        self._ready = threading.Condition()
        self._urgent = False
        self._working = False
        self._closing = False
        self._retry_s = RETRY_FIRST_S
        self.problem: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"writer {name}", daemon=True)
        self._thread.start()

    # ── called from the event loop ───────────────────────────────────────────

    async def submit(self, piece: Piece[T], *, keep: bool = False) -> T:
        """Run ``piece`` in the next commit; its result once that is durable.

        Raises what ``piece`` raises, or Unavailable. After a cancelled wait the
        write may still happen.
        """
        # What must not be lost may pass the bound that holds and posted writes keep.
        return await self._queued(piece, keep, (2 if keep else 1) * self._queue_max)

    def post(self, piece: Piece[Any], *, soon: bool = False) -> bool:
        """Queue ``piece`` and go on. False if it was not taken (counted as lost)."""
        with self._ready:
            self._draw_in()
            if not self._has_room():
                return False
            self._queue.append(Item(piece, keep=True))
            if soon:
                self._urgent = True
                self._ready.notify()
            else:
                self._notify()
        return True

    def gather(self, many: Many, row: Any) -> bool:
        """Queue a row for ``many`` (one object for all rows of a kind), as ``post`` does.

        Three come with each request: none but the first of a batch asks for the lock, which
        the thread may hold at that moment without the interpreter's own.
        """
        if self._queue.rows + len(self._fresh) >= self._queue_max or self._closing:
            with self._ready:
                self._draw_in()
                if not self._has_room():
                    return False
                self._queue.gather(many, row)
                self._notify()
            return True
        self._fresh.append((many, row))
        if len(self._fresh) in (1, BATCH_MAX):
            with self._ready:
                self._ready.notify()
        return True

    async def flush(self) -> None:
        """Return when everything queued before is durable; Unavailable while it cannot be."""
        with self._ready:
            idle = not self.waiting and not self._working
        if not idle:
            # Its own place beyond the bound: a full queue is when it matters.
            await self._queued(_nothing, False, 2 * self._queue_max)

    async def _queued(self, piece: Piece[T], keep: bool, queue_max: int) -> T:
        if self.problem is not None and not keep:
            raise unavailable(self.problem)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._ready:
            if self._closing:
                raise unavailable(f"{self._name} is closed", retry_after=None)
            self._draw_in()
            if len(self._queue) >= queue_max:
                raise unavailable(f"{self._name} has too many writes waiting")
            self._queue.append(Item(piece, keep, (loop, future)))
            self._urgent = True
            self._ready.notify()
        return await future

    @property
    def last_error(self) -> str | None:
        """What went wrong with a posted write, of which nobody else would hear."""
        return self._commits.last_error

    @property
    def waiting(self) -> int:
        """Rows queued and not yet durable (those in a running commit not counted)."""
        return len(self._queue) + len(self._fresh)

    def close(self) -> int:
        """Write what is queued, end the thread; how many pieces were lost. Blocks; idempotent."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        self._thread.join(CLOSE_S)
        if not self._thread.is_alive():  # what came in the very moment of its end
            with self._ready:
                self._draw_in()
                self.counters.lost += sum(map(len, self._queue.clear()))
        return self.counters.lost

    def _draw_in(self) -> None:
        """With the lock: what was gathered without it stands in the queue, in its order."""
        fresh, gather = self._fresh, self._queue.gather
        while fresh:
            gather(*fresh.popleft())

    def _has_room(self) -> bool:
        """Room for one more row, if need be the oldest one's; else what comes is lost."""
        full = len(self._queue) >= self._queue_max
        if full and self._drop_oldest and not self._closing and self._queue.drop_oldest():
            self.counters.lost += 1
            full = False
        if full or self._closing:
            self.counters.lost += 1
            return False
        return True

    def _notify(self) -> None:
        """The first row wakes the writer, which then lingers; a full batch ends the lingering."""
        if len(self._queue) in (1, BATCH_MAX):
            self._ready.notify()

    # ── the thread ───────────────────────────────────────────────────────────

    def _run(self) -> None:
        batch: list[Item] | None = None
        try:
            batch = self._work()
        finally:
            # Also after what nobody foresaw: nobody may wait for a thread that is gone.
            self._end(batch or [])

    def _work(self) -> list[Item] | None:
        """Until closed; the batch that could not be written in the end."""
        dirty = False
        tries = 0
        while True:
            batch = self._take(IDLE_S if dirty else None)
            if batch is None or (self._closing and tries >= CLOSE_TRIES):
                return batch
            if batch or self.problem is not None:
                dirty = True
                tries = 0 if self._write(batch) else tries + 1
                self._working = False
            else:
                dirty = False
                self._checkpoint()

    def _take(self, idle_s: float | None) -> list[Item] | None:
        """The next batch; empty: idle, or time to probe; None: closed and all done."""
        with self._ready:
            if self.problem is not None:
                self._ready.wait_for(lambda: self._closing, self._retry_s)
            else:
                self._ready.wait_for(lambda: self._closing or self.waiting, idle_s)
                if self.waiting and not self._urgent and not self._closing:
                    self._ready.wait_for(self._enough, self._linger_s)
            self._draw_in()
            if self._closing and not self._queue:
                return None
            batch = self._queue.take()
            self._urgent = self._queue.urgent()
            self._working = bool(batch)
            return batch

    def _enough(self) -> bool:
        return self._urgent or self._closing or self.waiting >= BATCH_MAX

    def _write(self, batch: list[Item]) -> bool:
        """One commit. False after a fault of the file."""
        try:
            results = self._commits.all_of(batch, probing=self.problem is not None)
        except FILE_ERRORS as error:
            self._fault(batch, error)
            return False
        if self.problem is not None:
            log.warning("%s works again", self._name)
            self.problem = None
            self._retry_s = RETRY_FIRST_S
        self.counters.commits += 1
        self.counters.written += sum(map(len, batch))
        self._tell(batch, results)
        return True

    def _fault(self, batch: list[Item], error: FileError) -> None:
        problem = file_fault(error, self._name) or f"{self._name} failed: {error}"
        if self.problem is None:
            log.error("%s", problem)
        else:
            self._retry_s = min(self._retry_s * 2, RETRY_MAX_S)
        self.counters.faults += 1
        with self._ready:
            self.problem = problem
            self._draw_in()
            affected = [*batch, *self._queue.clear()]
            self._queue.extend(item for item in affected if item.keep)
        failure = Failure(unavailable(problem, retry_after=RETRY_MAX_S))
        self._tell(affected, [failure] * len(affected))
        self._commits.disconnect()

    def _checkpoint(self) -> None:
        """In a quiet moment, so that a busy one need not."""
        try:
            self._commits.checkpoint()
        except sqlite3.Error as error:
            self._fault([], error)

    def _end(self, batch: list[Item]) -> None:
        with self._ready:
            self._closing = True
            self._draw_in()
            left = [*batch, *self._queue.clear()]
        lost = sum(map(len, left))
        self.counters.lost += lost
        if left:
            log.error("%s: %d writes lost: %s", self._name, lost, self.problem)
        closed = Failure(unavailable(self.problem or f"{self._name} is closed"))
        self._tell(left, [closed] * len(left))
        self._commits.disconnect()

    def _tell(self, items: list[Item], results: list[Any]) -> None:
        if not tell(items, results):
            log.debug("a waiter's event loop is closed: nobody is left to tell")


def _nothing(conn: sqlite3.Connection) -> None:
    """Rides in a commit to learn when it is done."""
