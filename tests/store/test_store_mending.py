"""Copies come back row by row; of a damaged file what can be read is saved, the rest is said."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path
from random import Random

import pytest
from store_kit import NOW, FakeClock, hold, open_store, usage

from freeloader.errors import Conflict, NotFound, Unavailable
from freeloader.money import Meters
from freeloader.store import AttemptRow, DecisionRow, KeyRow, Store, opening
from freeloader.store.integrity import ledger_doubt, ledger_integrity
from freeloader.store.mending import backup, repair
from freeloader.store.schema import JOURNAL, LEDGER

STAMP = "20261120T120000Z"


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything in a file, table by table."""
    conn = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    names = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: conn.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}
    conn.close()
    return {name: table for name, table in found.items() if not name.startswith("sqlite_")}


async def fill(store: Store, count: int, start: int = 0) -> None:
    for n in range(start, start + count):
        await store.ledger.hold([hold(str(n), 100)])
        await store.ledger.settle(f"h-{n}", usage(str(n)), 60, "reported", NOW)
        store.journal.decision(DecisionRow(f"r-{n}", "q", NOW, project="p", key_id="k"))
        store.journal.attempt(
            AttemptRow(f"a-{n}", f"r-{n}", "q", 1, NOW, "groq@1/m", "ok", cost_pico=60,
                       meters=Meters(requests=1))
        )  # fmt: skip


async def spent(home: Path, *, doubt: bool = False) -> int:
    """What a fresh start knows of; refused to spend more, where in ``doubt``."""
    store = open_store(home)
    await store.ledger.boot(NOW)
    found = await store.ledger.spent(NOW, NOW + 900)
    if doubt:
        with pytest.raises(Unavailable, match="not known for certain") as refused:
            await store.ledger.hold([hold("more")])
        assert refused.value.code == "ledger_unavailable"
        assert any("not known for certain" in line for line in store.problems)
    else:
        await store.ledger.hold([hold("more")])
        await store.ledger.release("h-more", NOW)
    assert await store.ledger.integrity(thorough=True) == []
    await store.close()
    return found


def mend(home: Path, **options: bool) -> repair.Repaired:
    return repair.repair(
        home / "freeloader.db",
        home / "journal.db",
        NOW,
        STAMP,
        accept_loss=options.get("ok", False),
    )


async def test_copies_made_under_writes_come_back_row_by_row(home: Path, tmp_path: Path) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    writing = asyncio.create_task(fill(store, 300))
    for n in range(3):
        await asyncio.sleep(0.05)
        folder, back = tmp_path / f"copies{n}", tmp_path / f"back{n}"
        made = await asyncio.to_thread(
            backup.backup, home / "freeloader.db", home / "journal.db", folder, f"{STAMP}{n}"
        )
        back.mkdir()
        done = backup.restore(
            backup.find(folder), back / "freeloader.db", back / "journal.db", STAMP
        )
        assert (done.kept, done.doubt) == ([], None)
        for copy, name in zip(made, ("freeloader.db", "journal.db"), strict=True):
            assert rows(back / name) == rows(copy)
        counted = rows(back / "freeloader.db")
        assert sum(row[3] for row in counted["budget_tracking"]) == 60 * len(counted["usage"])
    await writing
    await store.close()


async def test_a_restored_ledger_knows_what_was_spent_since(home: Path, tmp_path: Path) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    await fill(store, 5)
    made = backup.backup(home / "freeloader.db", home / "journal.db", tmp_path / "c", STAMP)
    await fill(store, 5, start=5)
    await store.ledger.hold([hold("open", 1000)])
    await store.close()
    done = backup.restore(backup.find(made[0]), home / "freeloader.db", home / "journal.db", STAMP)
    assert done.carried > 0
    assert sorted(path.name for path in done.kept) == [
        f"freeloader.db.before-restore-{STAMP}", f"journal.db.before-restore-{STAMP}",
    ]  # fmt: skip
    assert await spent(home) == 10 * 60 + 1000


async def test_what_was_spent_since_is_doubtful_where_the_former_ledger_is_ruined(
    home: Path, tmp_path: Path
) -> None:
    store = open_store(home)
    await fill_booted(store, 5)
    await store.close()
    backup.backup(home / "freeloader.db", home / "journal.db", tmp_path / "c", STAMP)
    (home / "freeloader.db").write_bytes(b"ruined" * 2000)
    done = backup.restore(
        backup.find(tmp_path / "c"), home / "freeloader.db", home / "journal.db", STAMP
    )
    assert done.doubt is not None
    assert await spent(home, doubt=True) == 5 * 60
    assert ledger_doubt(home / "freeloader.db") == done.doubt
    assert mend(home, ok=True).done == ["paid calls are allowed again"]
    assert await spent(home) == 5 * 60


async def fill_booted(store: Store, count: int) -> None:
    await store.ledger.boot(NOW)
    await fill(store, count)


def test_what_is_no_copy_changes_nothing(home: Path, tmp_path: Path) -> None:
    before = (home / "freeloader.db").read_bytes()
    with pytest.raises(NotFound):
        backup.find(tmp_path / "none")
    with pytest.raises(NotFound):
        backup.find(tmp_path)
    bad = tmp_path / "freeloader-x.db"
    bad.write_bytes(before[:5000])
    with pytest.raises(Unavailable):
        backup.restore(backup.find(bad), home / "freeloader.db", home / "journal.db", STAMP)
    assert (home / "freeloader.db").read_bytes() == before
    folder = tmp_path / "c"
    backup.backup(home / "freeloader.db", home / "journal.db", folder, STAMP)
    with pytest.raises(Conflict):
        backup.backup(home / "freeloader.db", home / "journal.db", folder, STAMP)


async def test_sound_files_are_left_alone(home: Path) -> None:
    before = rows(home / "freeloader.db")
    assert mend(home) == repair.Repaired()
    assert rows(home / "freeloader.db") == before


@pytest.mark.parametrize("seed", range(12))
async def test_damage_is_refused_or_harmless_and_a_repair_never_forgets_money(
    home: Path, seed: int
) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    await store.ledger.put_key(KeyRow("k1", "hash", "client", NOW))
    await store.ledger.keys()
    await fill(store, 150)
    await store.close()
    path, random = home / "freeloader.db", Random(seed)
    whole = path.read_bytes()
    broken = bytearray(whole)
    if seed % 4 == 3:
        broken = broken[: random.randrange(0, len(whole))]
    else:
        for _ in range(random.choice((1, 5, 40))):
            at = random.randrange(len(whole))
            broken[at : at + 64] = random.randbytes(64)[: len(whole) - at]
    path.write_bytes(broken)
    try:
        assert await spent(home) == 150 * 60, "open, and all is known"
    except Unavailable:
        if (found := ledger_integrity(path)) is None:
            return  # a broken index or the like, found while running: refused all the same
        kept = path.read_bytes()
        done = mend(home)
        assert done.done, found
        assert (home / f"freeloader.db.damaged-{STAMP}").read_bytes() == kept
        # The journal knows every charge: none is forgotten, whatever could be read.
        assert await spent(home, doubt=done.doubt is not None) >= 150 * 60
        assert [row[0] for row in rows(path)["app_keys"]] == ["k1"]


async def test_without_any_witness_nothing_is_spent_until_the_owner_has_looked(home: Path) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    await fill(store, 5)
    await store.close()
    (home / "freeloader.db").write_bytes(b"")
    (home / "journal.db").unlink()
    done = mend(home)
    assert done.doubt is not None
    assert await spent(home, doubt=True) == 0
    # Looking again changes nothing; only a word of the owner does.
    assert mend(home).done == []
    assert await spent(home, doubt=True) == 0
    mend(home, ok=True)
    assert await spent(home) == 0


async def test_a_damaged_journal_is_mended_and_casts_no_doubt(home: Path) -> None:
    store = open_store(home)
    await fill_booted(store, 50)
    await store.close()
    path = home / "journal.db"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 5000] = b"\xff" * 5000
    path.write_bytes(whole)
    done = mend(home)
    assert len(done.done) == 1
    assert done.doubt is None
    assert await spent(home) == 50 * 60
    assert len(rows(path)["decisions"]) > 10


def test_a_newer_file_is_not_repaired(home: Path) -> None:
    conn = sqlite3.connect(home / "freeloader.db")
    conn.execute("PRAGMA user_version = 99")
    conn.close()
    with pytest.raises(Unavailable, match="newer version"):
        mend(home)


async def test_a_ledger_that_cannot_be_opened_leaves_keys_and_accounts_known(home: Path) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    await store.ledger.put_key(KeyRow("k1", "hash", "client", NOW))
    assert [key.id for key in await store.ledger.keys()] == ["k1"]
    assert await store.ledger.accounts() == []
    await store.close()
    path = home / "freeloader.db"
    whole = path.read_bytes()
    path.write_bytes(b"ruined" * 1000)
    store = Store.open(path, home / "journal.db", FakeClock(), strict=False)
    assert [key.id for key in await store.ledger.keys()] == ["k1"]
    assert await store.ledger.accounts() == []
    for refused in (store.ledger.boot(NOW), store.reopen(), store.ledger.spent(NOW, NOW + 9)):
        with pytest.raises(Unavailable, match="damaged"):
            await refused
    assert not store.ledger.record_usage(usage("free"))
    assert any("damaged" in line for line in store.problems)
    assert any("not written" in line for line in store.problems)
    path.write_bytes(whole)
    await store.reopen()
    await store.ledger.boot(NOW)
    await store.ledger.hold([hold("1")])
    await store.close()


def test_memory_is_in_the_journals_file_only(tmp_path: Path) -> None:
    for name, schema in (("freeloader.db", LEDGER), ("journal.db", JOURNAL)):
        opening.prepare(tmp_path / name, schema)
    assert "remembered" in rows(tmp_path / "journal.db")
    assert "remembered" not in rows(tmp_path / "freeloader.db")
    shutil.rmtree(tmp_path)
