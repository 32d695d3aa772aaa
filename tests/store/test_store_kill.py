"""``kill -9`` in the middle of writing: nothing acknowledged is lost, nothing is counted twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from store_kit import NOW, open_store

import freeloader

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
