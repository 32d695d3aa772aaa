"""Faults of the disk while running: said at once, nothing made up, over when they are over."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from store_kit import NOW, hold, open_store, usage
from test_store_kill import HERE, PATH

from freeloader.errors import Unavailable


def test_a_full_disk_refuses_holds_keeps_settlements_and_heals(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "store_full.py"), str(home)],
        env={**os.environ, "PYTHONPATH": PATH},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert "freeloader.db" in report.pop("problem")
    assert report == {
        "code": "ledger_unavailable",
        "settled": "kept",
        "taken": True,
        "readable": 0,
        "held": True,
        "spent": 60,
        "requests": 2,
        "sound": [],
        "lost": 0,
    }


async def test_a_lock_refuses_paid_work_lets_reads_through_and_heals(
    home: Path, quick_locks: None
) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    await store.ledger.hold([hold("1", 100), hold("2", 100)])
    other = sqlite3.connect(home / "freeloader.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as refused:
        await store.ledger.hold([hold("3", 100)])
    assert refused.value.code == "ledger_unavailable"
    assert refused.value.retry_after
    assert "locked by another program" in str(store.ledger.problem)
    assert store.ledger.record_usage(usage("free"))
    with pytest.raises(Unavailable):
        await store.ledger.settle("h-1", usage("1"), 70, "reported", NOW)
    with pytest.raises(Unavailable):
        await store.ledger.release("h-2", NOW)
    assert len(await store.ledger.open_holds()) == 2
    # The journal is another file: it goes on.
    assert store.journal.problem is None
    other.execute("ROLLBACK")
    other.close()
    while store.ledger.problem:
        await asyncio.sleep(0.005)
    assert await store.ledger.open_holds() == []
    assert await store.ledger.spent(NOW, NOW + 900) == 70
    assert store.problems == []
    await store.close()


async def test_a_locked_ledger_opens_and_can_be_read(home: Path, quick_locks: None) -> None:
    store = open_store(home)
    store.ledger.record_usage(usage("1", 5))
    await store.close()
    other = sqlite3.connect(home / "freeloader.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = open_store(home)
    assert await store.ledger.spent(NOW, NOW + 900) == 5
    with pytest.raises(Unavailable):
        await store.ledger.boot(NOW)
    other.execute("ROLLBACK")
    other.close()
    await store.close()


async def test_damage_found_while_reading_stops_paid_work(home: Path) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    for n in range(300):
        store.ledger.record_usage(usage(str(n), 1, model="m" * 500))
    await store.close()
    store = open_store(home)
    await store.ledger.boot(NOW)
    path = home / "freeloader.db"
    whole = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (len(whole) - 8192))
    with pytest.raises(Unavailable, match="damaged"):
        await store.ledger.usage_of("r-7")
    with pytest.raises(Unavailable) as refused:
        await store.ledger.hold([hold("x")])
    assert refused.value.code == "ledger_unavailable"
    await store.close()


async def test_a_store_that_is_closed_says_so_and_may_be_closed_again(home: Path) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    await store.close()
    await store.close()
    with pytest.raises(Unavailable):
        await store.ledger.hold([hold("1")])
    with pytest.raises(Unavailable):
        await store.ledger.spent(NOW, NOW + 900)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="a folder that takes no file")
def test_no_room_for_temporary_files_is_no_fault_of_the_ledger(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "store_nowhere.py"), str(home)],
        env={**os.environ, "PYTHONPATH": PATH, "SQLITE_TMPDIR": "/proc/self/task"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
