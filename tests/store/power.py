"""Power cuts at random moments of a recorded run: what the ledger acknowledged is still there."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from recording import Disk
from store_kit import NOW, open_store

from freeloader.errors import Unavailable

HERE = Path(__file__).parent
OURS = ("freeloader.db", "freeloader.db-wal")
Log = list[tuple[str, str, int, bytes]]


@dataclass
class Cuts:
    """``lost``: acknowledged and not there, or not what was acknowledged. It must be empty."""

    images: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    openings: list[float] = field(default_factory=list)


def recorded(home: Path, count: int, target: Path) -> tuple[dict[str, bytes], Log] | None:
    """The files before the run, and all that was written; None where nothing can be recorded."""
    root = HERE.parents[1]
    done = subprocess.run(
        [sys.executable, str(HERE / "store_recorded.py"), str(home), str(count), str(target)],
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{HERE}"},
        capture_output=True,
        check=False,
    )
    if done.returncode == 3:
        return None
    assert done.returncode == 0, done.stderr.decode()
    before, log = pickle.loads(target.read_bytes())
    return before, log


async def cut(
    before: dict[str, bytes], log: Log, images: int, seed: int, cuts: Cuts | None = None
) -> Cuts:
    """So many images, each opened as after a restart, and compared with what was told."""
    random, cuts = Random(seed), cuts or Cuts()
    moments = sorted(random.randrange(1, len(log)) for _ in range(images))
    for disk, told in _states(before, log, moments):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            disk.cut(random, home)
            cuts.images += 1
            cuts.acknowledged += len(told)
            await _compare(home, told, cuts)
    return cuts


def _states(
    before: dict[str, bytes], log: Log, moments: list[int]
) -> Iterator[tuple[Disk, dict[str, str]]]:
    disk = Disk({name: bytearray(data) for name, data in before.items() if name in OURS})
    told: dict[str, str] = {}
    wanted = iter(moments)
    following = next(wanted, None)
    for number, entry in enumerate(log):
        while following == number:
            yield disk, told
            following = next(wanted, None)
        if entry[0] in ("held", "settled"):
            told[entry[1]] = entry[0]
        elif entry[1] in OURS:
            disk.apply(entry)


async def _compare(home: Path, told: dict[str, str], cuts: Cuts) -> None:
    begun = time.perf_counter()
    try:
        store = open_store(home)
        await store.ledger.boot(NOW)
    except Unavailable as error:
        cuts.lost.append(f"the ledger does not open: {error.message}")
        return
    cuts.openings.append(time.perf_counter() - begun)
    found: dict[str, int] = {}
    for row in (await store.reports.tally(NOW, NOW + 1, ("provider", "account"))).values():
        found["all"] = row.cost_pico
    rows = await store.ledger._file.read(
        lambda conn: conn.execute("SELECT attempt_id, cost_pico FROM usage").fetchall()
    )
    charged = {str(row["attempt_id"])[2:]: int(row["cost_pico"]) for row in rows}
    for name, state in told.items():
        cost = charged.get(name)
        if cost is None or (state == "settled" and cost != 60) or cost not in (60, 100):
            cuts.lost.append(f"{name} was {state}, and is charged {cost}")
    spent = await store.ledger.spent(NOW, NOW + 900)
    if spent != sum(charged.values()) or spent != found.get("all", 0):
        cuts.lost.append(f"sums {spent} and {found}, rows {sum(charged.values())}")
    cuts.lost += await store.ledger.integrity(thorough=True)
    await store.close()
