"""Retention, copies, checks: history goes, sums stay, a copy is whole."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from store_kit import NOW, FakeClock, hold, open_store, usage

from freeloader.errors import Conflict
from freeloader.money import Meters
from freeloader.store import DecisionRow, Store
from freeloader.store.integrity import journal_integrity, ledger_integrity
from freeloader.store.mending import backup

DAY = 86_400


def daily(home: Path) -> list[tuple[object, ...]]:
    conn = sqlite3.connect(home / "freeloader.db")
    columns = "day, project, attempts, requests, input, cost_pico, premium_pico"
    rows = conn.execute(f"SELECT {columns} FROM usage_daily ORDER BY day, project").fetchall()
    left = conn.execute("SELECT count(*) FROM usage").fetchone()
    conn.close()
    return [*rows, left]


async def test_old_usage_is_rolled_up_by_day_and_budgets_do_not_notice(
    store: Store, home: Path
) -> None:
    meters = Meters(requests=1, input=10)
    for n in range(50):
        row = usage(str(n), 3, at=NOW - 2 * DAY + n, project="a" if n % 2 else None, meters=meters)
        store.ledger.record_usage(row)
    store.ledger.record_usage(usage("new", 100, premium_pico=900))
    assert await store.ledger.trim(NOW - DAY, slice_rows=7, pause_s=0) == 50
    assert daily(home) == [
        ("2026-11-18", "", 25, 25, 250, 75, 0),
        ("2026-11-18", "a", 25, 25, 250, 75, 0),
        ("2026-11-20", "p", 1, 0, 0, 100, 900),
        (1,),
    ]
    assert await store.ledger.spent(NOW - 2 * DAY, NOW + 900) == 250
    assert await store.ledger.spent(NOW - 2 * DAY, NOW - DAY, project="a") == 75
    # What is rolled up later is added to what is there.
    late = usage("late", 5, at=NOW - 2 * DAY + 60, project="a", meters=meters)
    store.ledger.record_usage(late)
    await store.ledger.trim(NOW - DAY, pause_s=0)
    assert daily(home)[1] == ("2026-11-18", "a", 26, 26, 260, 80, 0)


async def test_no_more_rows_stay_than_allowed(store: Store, home: Path) -> None:
    for n in range(30):
        store.ledger.record_usage(usage(str(n), 1, at=NOW + n))
    assert await store.ledger.trim(0.0, max_rows=10, pause_s=0) == 20
    assert daily(home)[-1] == (10,)
    assert await store.ledger.trim(0.0, max_rows=10, pause_s=0) == 0


async def test_ended_holds_go_with_history_and_open_ones_never(store: Store) -> None:
    old = NOW - 5 * DAY
    await store.ledger.hold([hold("open", 9, at=old), hold("done", 9, at=old), hold("new", 9)])
    for name in ("done", "new"):
        await store.ledger.release(f"h-{name}", NOW)
    await store.ledger.trim(NOW - DAY, pause_s=0)
    assert [row.hold_id for row in await store.ledger.open_holds()] == ["h-open"]
    # The id of the one that went is free again; the newer one is still known.
    await store.ledger.hold([hold("done", 9)])
    with pytest.raises(Conflict):
        await store.ledger.hold([hold("new", 9)])


async def test_holds_are_placed_between_slices(store: Store) -> None:
    for n in range(400):
        store.ledger.record_usage(usage(str(n), 1, at=NOW - 5 * DAY))
    trimming = asyncio.create_task(store.ledger.trim(NOW, slice_rows=2, pause_s=0))
    for n in range(20):
        await store.ledger.hold([hold(f"x{n}")])
    assert not trimming.done()
    assert await trimming == 400


async def test_a_copy_made_while_writing_is_whole_and_opens(
    store: Store, home: Path, tmp_path: Path
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()

    async def write() -> None:
        for n in range(200):
            await store.ledger.hold([hold(str(n), 10)])
            await store.ledger.settle(f"h-{n}", usage(str(n)), 7, "reported", NOW)

    store.journal.decision(DecisionRow("d1", "r1", NOW))
    await store.journal.decisions()  # it is written
    writing = asyncio.create_task(write())
    while await store.ledger.spent(NOW, NOW + 900) == 0:
        await asyncio.sleep(0)
    files = (home / "freeloader.db", home / "journal.db")
    ledger, journal = await asyncio.to_thread(backup.backup, *files, copies, "20261120T120000Z")
    await writing
    assert ledger.name == "freeloader-20261120T120000Z.db"
    assert [path.stat().st_mode & 0o777 for path in (ledger, journal)] == [0o600, 0o600]
    assert sorted(path.name for path in copies.iterdir()) == sorted([ledger.name, journal.name])
    ledger.rename(copies / "freeloader.db")
    journal.rename(copies / "journal.db")
    restored = open_store(copies)
    spent = await restored.ledger.spent(NOW, NOW + 900)
    count = await restored.ledger.requests_since(NOW, NOW + 900)
    held = len(await restored.ledger.open_holds())
    assert spent == 7 * count > 0
    assert held <= 1
    assert await restored.journal.get("d1") is not None
    await restored.close()


def test_a_copy_never_writes_over_anything(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "freeloader-x.db"
    target.write_bytes(b"mine")
    with pytest.raises(Conflict, match="exists already"):
        backup.backup(home / "freeloader.db", home / "journal.db", tmp_path, "x")
    assert target.read_bytes() == b"mine"


async def test_checks_find_nothing_in_a_sound_store_and_name_what_is_wrong(home: Path) -> None:
    store = open_store(home, FakeClock())
    assert await store.ledger.integrity(thorough=True) == []
    assert await store.journal.integrity() == []
    await store.close()
    assert ledger_integrity(home / "freeloader.db") is None
    assert "not the journal" in str(journal_integrity(home / "freeloader.db"))
    (home / "journal.db").write_bytes(b"\0" * 5000)
    assert "damaged" in str(journal_integrity(home / "journal.db"))
    assert "cannot be opened" in str(ledger_integrity(home / "nowhere.db"))


async def test_counters_tell_what_the_writers_did(store: Store) -> None:
    before = store.stats()["freeloader"]["commits"]
    await asyncio.gather(*(store.ledger.hold([hold(str(n))]) for n in range(50)))
    after = store.stats()["freeloader"]
    assert after["commits"] - before < 25
    assert (after["waiting"], after["lost"], after["failed"]) == (0, 0, 0)
