"""``kill -9`` in the middle of writing: nothing acknowledged is lost, nothing is counted twice."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from store_kit import NOW, open_store, usage
from store_upgrade import NEXT, ROWS

import freeloader
from freeloader.store import opening
from freeloader.store.schema import LEDGER

HERE = Path(__file__).parent
PATH = os.pathsep.join([str(Path(freeloader.__file__).parents[1]), str(HERE)])


def kill_after(home: Path, prefix: str, lines: int) -> list[str]:
    """What the victim acknowledged until it was killed, some time after ``lines`` lines."""
    victim = subprocess.Popen(
        [sys.executable, str(HERE / "store_victim.py"), str(home), prefix],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": PATH},
    )
    assert victim.stdout is not None
    told = []
    for line in victim.stdout:
        told.append(line.decode().strip())
        if len(told) == lines:
            victim.kill()
    victim.wait()
    assert victim.returncode == -9
    return told


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_acknowledged_write_is_lost(home: Path, seed: int) -> None:
    random = Random(seed)
    told: list[str] = []
    for round_ in range(5):
        told += kill_after(home, f"n{round_}", random.randint(1, 400))
    held = {line[2:] for line in told if line.startswith("h ")}
    settled = {line[2:] for line in told if line.startswith("s ")}
    store = open_store(home)
    await store.ledger.boot(NOW)
    lost = {row.hold_id[2:] for row in await store.ledger.expired(limit=10_000)}
    assert await store.ledger.open_holds() == []
    for name in held:
        rows = await store.ledger.usage_of(f"r-{name}")
        assert [row.cost_pico for row in rows] == [100 if name in lost else 60], name
    assert not settled & lost
    # What was written and not yet told stands too; each of eight clients had at most one a round.
    attempts = await store.ledger.requests_since(NOW, NOW + 900)
    assert len(held) <= attempts <= len(held) + 8 * 5
    spent = await store.ledger.spent(NOW, NOW + 900)
    assert spent == 60 * (attempts - len(lost)) + 100 * len(lost)
    assert await store.ledger.integrity(thorough=True) == []
    await store.close()


@pytest.mark.parametrize("lines", [1, ROWS // 2, ROWS, ROWS + 1, ROWS + 2, ROWS + 3])
async def test_s9_killed_in_an_upgrade_it_is_begun_again_and_ends_once(
    home: Path, lines: int
) -> None:
    """Killed after so many steps, twice; then it is done, and each charge was raised once."""
    store = open_store(home)
    store.ledger.record_usage(usage("1", 42))
    await store.close()
    path = home / "freeloader.db"
    for _ in range(2):
        told = _upgrade_and_kill(path, lines)
        conn = sqlite3.connect(path)
        version = conn.execute("PRAGMA user_version").fetchone()[0]
        [(cost,)] = conn.execute("SELECT cost_pico FROM usage").fetchall()
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        conn.close()
        # As many upgrades as the file says it has, and what it says was not half done.
        assert LEDGER.version <= version <= NEXT.version
        assert cost == 42 + (version == NEXT.version)
        assert "whole" not in told or version == NEXT.version
    opening.prepare(path, NEXT)
    conn = sqlite3.connect(path)
    assert conn.execute("PRAGMA user_version").fetchone()[0] == NEXT.version
    assert conn.execute("SELECT cost_pico FROM usage").fetchall() == [(43,)]
    assert conn.execute("SELECT count(*) FROM notes").fetchone()[0] == ROWS
    conn.close()


def _upgrade_and_kill(path: Path, lines: int) -> list[str]:
    """What it said until it was killed at its line number ``lines`` (or its last one)."""
    victim = subprocess.Popen(
        [sys.executable, str(HERE / "store_upgrade.py"), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": PATH},
    )
    assert victim.stdout is not None
    told = []
    for line in victim.stdout:
        told.append(line.decode().strip())
        if len(told) == lines or told[-1] == "whole":
            victim.kill()
    victim.wait()
    assert victim.returncode == -9
    return told
