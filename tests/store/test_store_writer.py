"""The writer: grouped, bounded, fair to every piece, and itself again after a fault."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from freeloader.errors import Conflict, Unavailable
from freeloader.store.pieces import put_all
from freeloader.store.writer import BATCH_MAX, Writer


def connect(path: Path) -> sqlite3.Connection:
    conn = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA busy_timeout = 20")
    conn.execute("CREATE TABLE IF NOT EXISTS t(x INTEGER UNIQUE)")
    return conn


def probe(conn: sqlite3.Connection) -> None:
    conn.execute("PRAGMA user_version = 1")


def put(x: int):
    return lambda conn: conn.execute("INSERT INTO t VALUES (?)", (x,)).rowcount


@contextmanager
def writer(tmp_path: Path, **options: object) -> Iterator[Writer]:
    path = tmp_path / "t.db"
    made = Writer("t.db", lambda: connect(path), probe, **options)
    try:
        yield made
    finally:
        made.close()


def rows(tmp_path: Path) -> list[int]:
    conn = sqlite3.connect(tmp_path / "t.db")
    found = [row[0] for row in conn.execute("SELECT x FROM t ORDER BY rowid")]
    conn.close()
    return found


class Gate:
    """A piece that holds the writer up until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()

    def __call__(self, conn: sqlite3.Connection) -> None:
        self.entered.set()
        self.go.wait(10)


async def behind(gate: Gate, made: Writer) -> asyncio.Task[None]:
    """Wait until the writer is held up by ``gate``."""
    task = asyncio.create_task(made.submit(gate))
    await asyncio.to_thread(gate.entered.wait, 10)
    return task


async def test_what_waits_is_written_in_one_commit_and_in_order(tmp_path: Path) -> None:
    with writer(tmp_path) as made:
        gate = Gate()
        held = await behind(gate, made)
        many = [asyncio.create_task(made.submit(put(n))) for n in range(100)]
        await asyncio.sleep(0)
        assert made.waiting == 100
        gate.go.set()
        assert await asyncio.gather(*many) == [1] * 100
        await held
        assert made.counters.commits == 2
        assert rows(tmp_path) == list(range(100))


async def test_a_batch_has_a_bound(tmp_path: Path) -> None:
    with writer(tmp_path) as made:
        gate = Gate()
        held = await behind(gate, made)
        many = [asyncio.create_task(made.submit(put(n))) for n in range(BATCH_MAX + 1)]
        await asyncio.sleep(0)
        gate.go.set()
        await asyncio.gather(held, *many)
        assert made.counters.commits == 3


async def test_a_bad_piece_fails_alone(tmp_path: Path) -> None:
    def conflict(conn: sqlite3.Connection) -> None:
        conn.execute("INSERT INTO t VALUES (99)")
        raise Conflict("it exists")

    def broken(conn: sqlite3.Connection) -> None:
        conn.execute("INSERT INTO nowhere VALUES (1)")

    with writer(tmp_path) as made:
        gate = Gate()
        held = await behind(gate, made)
        tasks = [
            asyncio.create_task(made.submit(piece))
            for piece in (put(1), put(1), conflict, broken, put(2))
        ]
        await asyncio.sleep(0)
        gate.go.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        await held
        assert [type(result) for result in done] == [
            int,
            sqlite3.IntegrityError,
            Conflict,
            sqlite3.OperationalError,
            int,
        ]
        assert rows(tmp_path) == [1, 2]
        assert made.problem is None


async def test_posted_pieces_are_written_and_their_errors_are_shown(tmp_path: Path) -> None:
    with writer(tmp_path) as made:
        assert made.post(put(1))
        assert made.post(put(1))
        await made.flush()
        assert rows(tmp_path) == [1]
        assert made.last_error == "t.db: IntegrityError in a posted write"


async def test_posted_pieces_are_written_without_anybody_waiting(tmp_path: Path) -> None:
    with writer(tmp_path, linger_s=0.001) as made:
        made.post(put(1))
        while made.counters.commits == 0:
            await asyncio.sleep(0.001)
        assert rows(tmp_path) == [1]


async def test_what_is_posted_for_soon_waits_for_no_company_and_takes_along_what_does(
    tmp_path: Path,
) -> None:
    with writer(tmp_path, linger_s=3600.0) as made:
        for first in (0, 2):  # idle, and with others lingering
            made.post(put(first), soon=first == 0)
            made.post(put(first + 1), soon=True)
            async with asyncio.timeout(10):
                while made.counters.written < first + 2:
                    await asyncio.sleep(0.001)
        assert rows(tmp_path) == [0, 1, 2, 3]


async def test_closing_writes_what_waits_and_takes_nothing_more(tmp_path: Path) -> None:
    with writer(tmp_path, linger_s=5.0) as made:
        for n in range(1000):
            made.post(put(n))
        assert made.close() == 0
        assert rows(tmp_path) == list(range(1000))
        assert made.post(put(5000)) is False
        with pytest.raises(Unavailable, match="closed"):
            await made.submit(put(5001))


async def test_a_full_queue_refuses_and_says_so(tmp_path: Path) -> None:
    with writer(tmp_path, queue_max=3) as made:
        gate = Gate()
        held = await behind(gate, made)
        assert [made.post(put(n)) for n in range(4)] == [True, True, True, False]
        with pytest.raises(Unavailable) as refused:
            await made.submit(put(9))
        assert (refused.value.code, refused.value.retry_after) == ("ledger_unavailable", 1.0)
        # A settlement is let in all the same.
        kept = asyncio.create_task(made.submit(put(7), keep=True))
        await asyncio.sleep(0)
        gate.go.set()
        await asyncio.gather(held, kept)
        await made.flush()
        assert (rows(tmp_path), made.counters.lost) == ([0, 1, 2, 7], 1)


async def test_a_full_queue_may_drop_the_oldest_instead(tmp_path: Path) -> None:
    with writer(tmp_path, queue_max=3, drop_oldest=True) as made:
        gate = Gate()
        held = await behind(gate, made)
        assert all(made.post(put(n)) for n in range(5))
        gate.go.set()
        await held
        await made.flush()
        assert (rows(tmp_path), made.counters.lost) == ([2, 3, 4], 2)


async def test_a_lock_is_a_fault_that_ends_by_itself_and_loses_nothing(tmp_path: Path) -> None:
    with writer(tmp_path) as made:
        await made.submit(put(0))
        other = connect(tmp_path / "t.db")
        other.execute("BEGIN IMMEDIATE")
        made.post(put(1))
        with pytest.raises(Unavailable, match="locked by another program") as refused:
            await made.submit(put(2))
        assert refused.value.code == "ledger_unavailable"
        with pytest.raises(Unavailable):
            await made.submit(put(3), keep=True)
        assert made.problem == "t.db is locked by another program; end the program that holds it"
        other.execute("ROLLBACK")
        while made.problem:
            await asyncio.sleep(0.005)
        await made.submit(put(4))
        # What was told to have failed never happened; what was to be kept did.
        assert rows(tmp_path) == [0, 1, 3, 4]
        other.close()


async def test_while_there_is_a_problem_writes_fail_at_once(tmp_path: Path) -> None:
    with writer(tmp_path) as made:
        made.problem = "t.db is on fire"
        with pytest.raises(Unavailable, match="on fire"):
            await made.submit(put(1))


async def test_closing_during_a_fault_ends_and_counts_what_is_lost(tmp_path: Path) -> None:
    with writer(tmp_path) as made:
        await made.submit(put(0))
        other = connect(tmp_path / "t.db")
        other.execute("BEGIN IMMEDIATE")
        made.post(put(1))
        with pytest.raises(Unavailable):
            await made.submit(put(2), keep=True)
        assert await asyncio.to_thread(made.close) == 2
        other.close()


async def test_who_waits_may_leave_and_the_write_is_made(tmp_path: Path) -> None:
    with writer(tmp_path) as made:
        gate = Gate()
        held = await behind(gate, made)
        leaver = asyncio.create_task(made.submit(put(1)))
        await asyncio.sleep(0)
        leaver.cancel()
        gate.go.set()
        await asyncio.gather(held, leaver, return_exceptions=True)
        await made.flush()
        assert rows(tmp_path) == [1]


def test_a_writer_outlives_its_waiters_event_loop(tmp_path: Path) -> None:
    with writer(tmp_path) as made:
        gate = Gate()

        async def leave() -> None:
            task = await behind(gate, made)
            task.cancel()

        asyncio.run(leave())
        gate.go.set()
        assert asyncio.run(made.submit(put(1))) == 1


def put_numbers(conn: sqlite3.Connection, rows: list[int]) -> None:
    conn.executemany("INSERT INTO t VALUES (?)", [(x,) for x in rows])


async def test_rows_of_one_kind_are_written_together_and_in_order(tmp_path: Path) -> None:
    seen: list[int] = []

    def counted(conn: sqlite3.Connection, rows: list[int]) -> None:
        seen.append(len(rows))
        put_numbers(conn, rows)

    with writer(tmp_path) as made:
        held = await behind(gate := Gate(), made)
        assert all(made.gather(counted, n) for n in range(BATCH_MAX + 1))
        made.post(put(1000))
        made.gather(counted, 1001)
        assert made.waiting == BATCH_MAX + 3
        gate.go.set()
        await held
        await made.flush()
        assert rows(tmp_path) == [*range(BATCH_MAX + 1), 1000, 1001]
        assert seen == [BATCH_MAX, 1, 1]
        assert made.counters.written == BATCH_MAX + 5  # the gate and the flush too


async def test_a_bad_row_never_takes_those_gathered_with_it(tmp_path: Path) -> None:
    with writer(tmp_path) as made:
        held = await behind(gate := Gate(), made)
        for n in (1, 2, 2, 3):
            made.gather(put_numbers, n)
        gate.go.set()
        await held
        await made.flush()
        assert (rows(tmp_path), made.counters.failed) == ([1, 2, 3], 1)
        assert made.last_error == "t.db: IntegrityError in a posted write"


async def test_gathered_rows_are_bounded_one_by_one(tmp_path: Path) -> None:
    with writer(tmp_path, queue_max=3, drop_oldest=True) as made:
        held = await behind(gate := Gate(), made)
        assert all(made.gather(put_numbers, n) for n in range(5))
        gate.go.set()
        await held
        await made.flush()
        assert (rows(tmp_path), made.counters.lost) == ([2, 3, 4], 2)


async def test_gathered_rows_outlive_a_fault(tmp_path: Path) -> None:
    with writer(tmp_path) as made:
        await made.submit(put(0))
        other = connect(tmp_path / "t.db")
        other.execute("BEGIN IMMEDIATE")
        made.gather(put_numbers, 1)
        with pytest.raises(Unavailable):
            await made.submit(put(9))
        made.gather(put_numbers, 2)
        other.execute("ROLLBACK")
        other.close()
        while made.problem:
            await asyncio.sleep(0.005)
        await made.flush()
        assert rows(tmp_path) == [0, 1, 2]


def test_many_rows_take_few_executions() -> None:
    """Each hands the interpreter's lock over and back: 41 rows are 32, 8 and 1."""
    conn = sqlite3.connect(":memory:")
    conn.execute("CREATE TABLE t(a, b)")
    ran: list[str] = []
    conn.set_trace_callback(ran.append)
    sized = [(n, f"INSERT INTO t VALUES {', '.join(['(?, ?)'] * n)}") for n in (32, 8, 1)]
    put_all(conn, sized, [(n, -n) for n in range(41)])
    assert len([one for one in ran if one.startswith("INSERT")]) == 3
    assert list(conn.execute("SELECT * FROM t ORDER BY rowid")) == [(n, -n) for n in range(41)]
    conn.close()


async def test_what_is_gathered_keeps_its_place_among_what_is_posted(tmp_path: Path) -> None:
    order: list[int] = []

    def many(conn: sqlite3.Connection, values: Sequence[int]) -> None:
        order.extend(values)

    def one(number: int) -> Callable[[sqlite3.Connection], None]:
        return lambda conn: order.append(number)

    with writer(tmp_path, linger_s=5.0) as made:
        for number in range(0, 60, 3):
            made.gather(many, number)
            made.gather(many, number + 1)
            made.post(one(number + 2))
        assert made.waiting > 0
        await made.submit(one(60))
        made.gather(many, 61)
        await made.flush()
        assert order == list(range(62))
        assert made.waiting == 0


async def test_rows_that_are_gathered_are_bounded_and_none_is_lost_unseen(tmp_path: Path) -> None:
    with writer(tmp_path, queue_max=3, linger_s=5.0) as made:
        gate = Gate()
        held = await behind(gate, made)
        taken = [made.gather(lambda conn, rows: None, n) for n in range(5)]
        assert taken == [True, True, True, False, False]
        assert made.counters.lost == 2
        gate.go.set()
        await held
        made.close()
        assert made.gather(lambda conn, rows: None, 9) is False
        assert made.counters.lost == 3
