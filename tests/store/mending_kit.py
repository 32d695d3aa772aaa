"""Filling, damaging, copying and restoring ledgers: for the tests and for `scripts/bench crash`."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from random import Random

from store_kit import NOW, hold, open_store, usage

from freeloader.errors import Unavailable
from freeloader.money import Meters
from freeloader.store import AttemptRow, DecisionRow, KeyRow, Store
from freeloader.store.integrity import ledger_integrity
from freeloader.store.mending import backup, repair

STAMP = "20261120T120000Z"
CHARGE = 60


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything in a file, table by table."""
    conn = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    names = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: conn.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}
    conn.close()
    return {name: table for name, table in found.items() if not name.startswith("sqlite_")}


async def fill(store: Store, count: int, start: int = 0) -> None:
    """So many attempts held and charged, in the ledger and in the journal."""
    for n in range(start, start + count):
        await store.ledger.hold([hold(str(n), 100)])
        await store.ledger.settle(f"h-{n}", usage(str(n)), CHARGE, "reported", NOW)
        store.journal.decision(DecisionRow(f"r-{n}", "q", NOW, project="p", key_id="k"))
        row = AttemptRow(f"a-{n}", f"r-{n}", "q", 1, NOW, "groq@1/m", "ok", cost_pico=CHARGE,
                         meters=Meters(requests=1))  # fmt: skip
        store.journal.attempt(row)


async def filled(home: Path, count: int) -> None:
    """A booted ledger with one key and so many charges, closed again."""
    store = open_store(home)
    await store.ledger.boot(NOW)
    await store.ledger.put_key(KeyRow("k1", "hash", "client", NOW))
    await store.ledger.keys()
    await fill(store, count)
    await store.close()


async def spent(home: Path, *, doubt: bool = False) -> int:
    """What a fresh start knows of; refused to spend more, where in ``doubt``."""
    store = open_store(home)
    try:
        await store.ledger.boot(NOW)
        found = await store.ledger.spent(NOW, NOW + 900)
        refused = await _refused(store)
        assert doubt is (refused is not None), refused
        if refused is not None:
            assert "not known for certain" in refused.message
            assert refused.code == "ledger_unavailable"
            assert any("not known for certain" in line for line in store.problems)
        assert await store.ledger.integrity(thorough=True) == []
        return found
    finally:
        await store.close()


async def _refused(store: Store) -> Unavailable | None:
    """Why a hold is not placed; it is released again where it is."""
    try:
        await store.ledger.hold([hold("more")])
    except Unavailable as refused:
        return refused
    await store.ledger.release("h-more", NOW)
    return None


def mend(home: Path, *, ok: bool = False) -> repair.Repaired:
    ledger, journal = home / "freeloader.db", home / "journal.db"
    return repair.repair(ledger, journal, NOW, STAMP, accept_loss=ok)


async def damaged(home: Path, random: Random, charged: int) -> str:
    """Damages a ledger of ``charged`` picodollars, starts, repairs; what came of it.

    AssertionError where money was forgotten, or spent on in spite of a doubt.
    """
    path = home / "freeloader.db"
    whole = path.read_bytes()
    broken = bytearray(whole)
    if random.random() < 0.25:
        broken = broken[: random.randrange(0, len(whole))]
    else:
        for _ in range(random.choice((1, 5, 40))):
            at = random.randrange(len(whole))
            broken[at : at + 64] = random.randbytes(64)[: len(whole) - at]
    path.write_bytes(broken)
    try:
        known = await spent(home)
    except Unavailable:
        pass
    else:
        assert known == charged, f"open, and knows of {known}"
        return "harmless"
    if ledger_integrity(path) is None:
        return "refused while running"
    kept = path.read_bytes()
    done = mend(home)
    assert (home / f"freeloader.db.damaged-{STAMP}").read_bytes() == kept, "the original is kept"
    known = await spent(home, doubt=done.doubt is not None)
    # The journal knows every charge: none is forgotten, whatever could be read.
    assert known >= charged, f"repaired, and knows of {known}"
    assert [row[0] for row in rows(path)["app_keys"]] == ["k1"], "the key is gone"
    return "repaired, in doubt" if done.doubt is not None else "repaired"


async def cycles(home: Path, folder: Path, count: int) -> tuple[int, list[str]]:
    """Backups while writing, restored elsewhere: how many rows were compared, what differs."""
    store, compared = open_store(home), 0
    wrong: list[str] = []
    await store.ledger.boot(NOW)
    writing = asyncio.create_task(fill(store, 1_000_000))
    for n in range(count):
        await asyncio.sleep(0.02)
        copies, back = folder / f"copies{n}", folder / f"back{n}"
        back.mkdir()
        made = await asyncio.to_thread(
            backup.backup, home / "freeloader.db", home / "journal.db", copies, STAMP
        )
        here = (back / "freeloader.db", back / "journal.db")
        done = await asyncio.to_thread(backup.restore, backup.find(copies), *here, STAMP)
        wrong += [f"cycle {n}: {done}"] if done.kept or done.doubt else []
        for copy, target in zip(made, here, strict=True):
            there, again = rows(copy), rows(target)
            compared += sum(map(len, there.values()))
            if there != again:
                wrong.append(f"cycle {n}: {target.name} differs from its copy")
        usages, sums = rows(here[0])["usage"], rows(here[0])["budget_tracking"]
        if sum(row[3] for row in sums) != CHARGE * len(usages):
            wrong.append(f"cycle {n}: the sums do not fit the rows")
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await store.close()
    return compared, wrong
