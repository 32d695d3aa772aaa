"""Copies come back row by row; of a damaged file what can be read is saved, the rest is said."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from mending_kit import CHARGE, STAMP, cycles, damaged, fill, filled, mend, rows, spent
from store_kit import NOW, FakeClock, hold, open_store, usage

from freeloader.errors import Conflict, NotFound, Unavailable
from freeloader.store import AttemptRow, KeyRow, Store, opening
from freeloader.store.integrity import ledger_doubt
from freeloader.store.mending import backup, repair
from freeloader.store.schema import JOURNAL, LEDGER


async def test_copies_made_under_writes_come_back_row_by_row(home: Path, tmp_path: Path) -> None:
    compared, wrong = await cycles(home, tmp_path, 3)
    assert wrong == []
    assert compared > 50


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


async def test_what_was_spent_since_counts_where_only_sums_know_what_was_before(
    home: Path, tmp_path: Path
) -> None:
    """Rows lost or trimmed before the copy: later charges are not swallowed by their sum."""
    await filled(home, 5)
    with closing(sqlite3.connect(home / "freeloader.db")) as conn, conn:
        conn.execute("DELETE FROM usage")
    made = backup.backup(home / "freeloader.db", home / "journal.db", tmp_path / "c", STAMP)
    store = open_store(home)
    await store.ledger.boot(NOW)
    await fill(store, 5, start=5)
    await store.close()
    backup.restore(backup.find(made[0]), home / "freeloader.db", home / "journal.db", STAMP)
    assert await spent(home) == 10 * 60


async def test_a_hold_that_ended_after_the_copy_is_not_charged_again(
    home: Path, tmp_path: Path
) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    await store.ledger.hold([hold("done", 1000), hold("gone", 1000)])
    made = backup.backup(home / "freeloader.db", home / "journal.db", tmp_path / "c", STAMP)
    await store.ledger.settle("h-done", usage("done"), CHARGE, "reported", NOW)
    await store.ledger.release("h-gone", NOW)
    await store.close()
    backup.restore(backup.find(made[0]), home / "freeloader.db", home / "journal.db", STAMP)
    assert await spent(home) == CHARGE
    with closing(sqlite3.connect(home / "freeloader.db")) as conn:
        assert conn.execute("SELECT state FROM holds ORDER BY hold_id").fetchall()[:2] == [
            ("settled",), ("released",)
        ]  # fmt: skip


@pytest.mark.parametrize("count", [1, 7])
async def test_a_copy_from_before_a_repair_takes_every_charge_once(
    home: Path, tmp_path: Path, count: int
) -> None:
    """The repaired ledger has other numbers for its rows than the copy."""
    store = open_store(home)
    await store.ledger.boot(NOW)
    await fill(store, count)
    await store.ledger.hold([hold(str(count), 1000)])
    made = backup.backup(home / "freeloader.db", home / "journal.db", tmp_path / "c", STAMP)
    await store.ledger.settle(f"h-{count}", usage(str(count)), CHARGE, "reported", NOW)
    row = AttemptRow(f"a-{count}", f"r-{count}", "q", 1, NOW, "groq@1/m", "ok", cost_pico=CHARGE)
    store.journal.attempt(row)
    await fill(store, 4, start=count + 1)
    await store.close()
    (home / "freeloader.db").write_bytes(b"ruined" * 2000)
    assert mend(home, ok=True).kept
    store = open_store(home)
    await store.ledger.boot(NOW)
    await fill(store, 3, start=count + 5)
    await store.ledger.adjust(f"a-{count + 5}", 7, "the bill said so", NOW)
    await store.close()
    backup.restore(backup.find(made[0]), home / "freeloader.db", home / "journal.db", "later")
    assert await spent(home) == (count + 8) * CHARGE + 7


async def test_charges_that_nobody_can_compare_make_no_negative_savings(home: Path) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    await fill(store, 5)
    told = {"wouldHaveCostUsd": 900e-12, "costUsd": 1e-12}
    store.journal.attempt(AttemptRow("a-told", "r-told", "q", 1, NOW, "groq@1/m", "ok",
                                     cost_pico=1, detail=told))  # fmt: skip
    await store.close()
    (home / "freeloader.db").write_bytes(b"ruined" * 2000)
    mend(home, ok=True)
    store = open_store(home)
    await store.ledger.boot(NOW)
    await store.ledger.hold([hold("lost", 1000)])  # by a daemon that died
    await store.ledger.boot(NOW)
    tally = (await store.reports.tally(NOW - 3600, NOW + 1, ()))[()]
    assert tally.cost_pico == 5 * CHARGE + 1 + 1000
    assert tally.premium_pico - tally.known_pico == 899
    await store.close()


async def test_what_was_spent_since_is_doubtful_where_the_former_ledger_is_ruined(
    home: Path, tmp_path: Path
) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    await fill(store, 5)
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


async def test_damage_is_refused_or_harmless_and_a_repair_never_forgets_money(
    home: Path, tmp_path: Path
) -> None:
    random, seen = Random(7), set()
    await filled(home, 150)
    for n in range(12):
        shutil.copytree(home, tmp_path / f"d{n}")
        seen.add(await damaged(tmp_path / f"d{n}", random, 150 * 60))
    assert "repaired, in doubt" in seen


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
    await store.ledger.boot(NOW)
    await fill(store, 50)
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


@pytest.mark.parametrize("seed", range(6))
async def test_a_damaged_write_ahead_log_takes_no_charge_with_it(
    home: Path, tmp_path: Path, seed: int
) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    await fill(store, 40)
    await store.journal.decisions()  # all of it is written
    killed = tmp_path / "killed"
    shutil.copytree(home, killed)
    await store.close()
    path, random = killed / "freeloader.db-wal", Random(seed)
    broken = bytearray(path.read_bytes())
    if seed == 5:
        broken.clear()
    else:
        at = random.randrange(len(broken))
        broken[at : at + 16] = random.randbytes(16)
    path.write_bytes(broken)
    store = open_store(killed)
    await store.ledger.boot(NOW)
    lost = await store.reconcile(NOW)
    assert await store.ledger.spent(NOW, NOW + 900) >= 40 * 60
    assert await store.reconcile(NOW) == 0, "once"
    assert (await store.reports.tally(NOW, NOW + 1, ()))[()].cost_pico >= 40 * 60
    assert bool(lost) == any("only the journal" in row.subject
                             for row in await store.ledger.audits())  # fmt: skip
    await store.close()


async def test_a_ledger_that_is_gone_is_no_empty_budget(home: Path) -> None:
    await filled(home, 5)
    for ending in ("", "-wal", "-shm"):
        (home / f"freeloader.db{ending}").unlink(missing_ok=True)
    store = open_store(home)
    await store.ledger.boot(NOW)
    assert await store.reconcile(NOW) == 5
    assert [key.id for key in await store.ledger.keys()] == ["k1"]
    with pytest.raises(Unavailable, match="begun anew"):
        await store.ledger.hold([hold("more")])
    await store.close()
    assert await spent(home, doubt=True) == 5 * CHARGE
    assert mend(home, ok=True).done == ["paid calls are allowed again"]
    assert await spent(home) == 5 * CHARGE
