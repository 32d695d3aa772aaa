"""Files are made whole, upgraded with a copy, and refused rather than replaced."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from store_kit import NOW, hold, open_store, usage

from freeloader.errors import Unavailable
from freeloader.store import opening
from freeloader.store.schema import JOURNAL, LEDGER

SEED_TABLES = {
    *("providers", "models", "accounts", "usage", "benchmarks"),
    *("budget_tracking", "config_history", "discovery_log"),
}


def version(path: Path) -> int:
    conn = sqlite3.connect(path)
    found = conn.execute("PRAGMA user_version").fetchone()[0]
    conn.close()
    return int(found)


def tables(path: Path) -> set[str]:
    conn = sqlite3.connect(path)
    found = {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    conn.close()
    return found


def next_schema() -> object:
    def more(db):
        db["notes"].create({"id": int}, pk="id")

    return replace(LEDGER, migrations=(*LEDGER.migrations, more))


async def test_a_fresh_home_gets_both_files_for_its_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = open_store(tmp_path)
        await store.ledger.boot(NOW)
        await store.ledger.hold([hold("1")])
    finally:
        os.umask(old)
    assert {oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {"0o600"}
    await store.close()
    ledger = tmp_path / "freeloader.db"
    assert tables(ledger) >= SEED_TABLES | {"holds", "adjustments", "alerts", "audit"}
    assert {"decisions", "attempts", "prompts"} <= tables(tmp_path / "journal.db")
    assert version(ledger) == LEDGER.version
    conn = sqlite3.connect(ledger)
    assert conn.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    conn.close()


async def test_permissions_that_are_too_wide_are_narrowed(home: Path) -> None:
    (home / "freeloader.db").chmod(0o644)
    await open_store(home).close()
    assert (home / "freeloader.db").stat().st_mode & 0o777 == 0o600


async def test_s9_an_upgrade_keeps_a_copy_of_what_was(home: Path) -> None:
    store = open_store(home)
    store.ledger.record_usage(usage("1", 42))
    await store.close()
    path = home / "freeloader.db"
    opening.prepare(path, next_schema())
    assert version(path) == LEDGER.version + 1
    assert "notes" in tables(path)
    copied = home / f"freeloader.db.before-v{LEDGER.version + 1}"
    assert (version(copied), "notes" in tables(copied)) == (LEDGER.version, False)
    assert copied.stat().st_mode & 0o777 == 0o600
    for file in (path, copied):
        conn = sqlite3.connect(file)
        assert conn.execute("SELECT cost_pico FROM usage").fetchall() == [(42,)]
        conn.close()


async def test_s9_a_migration_that_fails_leaves_the_file_as_it_was(home: Path) -> None:
    def fails(db):
        db["half"].create({"id": int}, pk="id")
        raise sqlite3.OperationalError("interrupted")

    path = home / "freeloader.db"
    with pytest.raises(Unavailable):
        opening.prepare(path, replace(LEDGER, migrations=(*LEDGER.migrations, fails)))
    assert (version(path), "half" in tables(path)) == (LEDGER.version, False)
    await open_store(home).close()


@pytest.mark.parametrize(
    ("made", "name"), [(False, "part"), (True, "before-v{}"), (True, "before-v{}.part")]
)
def test_a_folder_in_the_place_of_a_file_of_ours_is_what_is_named(
    tmp_path: Path, made: bool, name: str
) -> None:
    path = tmp_path / "freeloader.db"
    if made:
        opening.prepare(path, LEDGER)
    blocked = tmp_path / f"freeloader.db.{name.format(LEDGER.version + 1)}"
    blocked.mkdir()
    with pytest.raises(Unavailable) as refused:
        opening.prepare(path, next_schema())
    assert f"{blocked} is a folder" in refused.value.message
    assert "move it away" in refused.value.message
    assert not made or version(path) == LEDGER.version
    blocked.rmdir()
    opening.prepare(path, next_schema())
    assert version(path) == LEDGER.version + 1


def test_s9_a_newer_file_is_refused_and_left_alone(home: Path) -> None:
    path = home / "freeloader.db"
    opening.prepare(path, next_schema())
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="newer version of this program") as refused:
        open_store(home)
    assert refused.value.code == "ledger_unavailable"
    assert path.read_bytes() == before


def test_an_empty_file_is_not_an_empty_ledger(home: Path) -> None:
    path = home / "freeloader.db"
    path.write_bytes(b"")
    with pytest.raises(Unavailable, match="is empty"):
        open_store(home)
    assert path.stat().st_size == 0


@pytest.mark.parametrize("what", ["text", "header", "pages", "cut"])
def test_a_damaged_file_is_named_and_left_alone(home: Path, what: str) -> None:
    path = home / "freeloader.db"
    whole = path.read_bytes()
    broken = {
        "text": b"not a database at all" * 100,
        "header": b"\0" * 100 + whole[100:],
        "pages": whole[:8192] + b"\xff" * 8192 + whole[16384:],
        "cut": whole[: len(whole) // 2],
    }[what]
    path.write_bytes(broken)
    with pytest.raises(Unavailable, match="freeloader") as refused:
        open_store(home)
    assert refused.value.code == "ledger_unavailable"
    assert path.read_bytes() == broken


def test_a_journal_is_never_taken_for_a_ledger(home: Path) -> None:
    shutil.copy(home / "journal.db", home / "freeloader.db")
    with pytest.raises(Unavailable, match="is not the ledger"):
        open_store(home)


def test_a_write_ahead_log_without_its_file_is_not_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "freeloader.db-wal").write_bytes(b"writes of a file that is gone")
    with pytest.raises(Unavailable, match="holds writes of it"):
        open_store(tmp_path)
    assert not (tmp_path / "freeloader.db").exists()


async def test_what_a_crash_left_of_a_first_start_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "freeloader.db.part").write_bytes(b"half")
    await open_store(tmp_path).close()
    assert not (tmp_path / "freeloader.db.part").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file"):
        open_store(tmp_path / "nowhere")


async def test_a_damaged_journal_stops_nobody_and_is_shown(home: Path) -> None:
    (home / "journal.db").write_bytes(b"ruined" * 1000)
    store = open_store(home)
    await store.ledger.boot(NOW)
    await store.ledger.hold([hold("1")])
    assert "damaged" in str(store.journal.problem)
    assert any("journal.db" in line for line in store.problems)
    with pytest.raises(Unavailable):
        await store.journal.decisions()
    assert await store.journal.integrity() == [store.journal.problem]
    await store.close()
    assert (home / "journal.db").read_bytes() == b"ruined" * 1000


@pytest.mark.parametrize("schema", [LEDGER, JOURNAL], ids=["ledger", "journal"])
def test_every_table_is_strict(tmp_path: Path, schema: object) -> None:
    opening.prepare(tmp_path / "t.db", schema)
    conn = sqlite3.connect(tmp_path / "t.db")
    loose = [row[1] for row in conn.execute("PRAGMA table_list") if not row[5]]
    conn.close()
    assert [name for name in loose if not name.startswith("sqlite_")] == []


def test_making_files_leaves_nothing_heavy_behind(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from freeloader.store import opening; from freeloader.store.schema import LEDGER\n"
        "opening.prepare(Path(sys.argv[1]), LEDGER)\n"
        "assert 'sqlite_utils' in sys.modules and 'numpy' not in sys.modules\n"
    )
    made = tmp_path / "freeloader.db"
    subprocess.run([sys.executable, "-c", program, str(made)], check=True)
    assert version(made) == LEDGER.version


@pytest.mark.parametrize("schema", [LEDGER, JOURNAL], ids=["ledger", "journal"])
def test_a_new_file_is_in_wal_mode_before_anything_is_written(tmp_path: Path, schema) -> None:
    opening.prepare(tmp_path / "new.db", schema)
    conn = sqlite3.connect(f"file:{tmp_path / 'new.db'}?mode=ro", uri=True)
    assert conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    conn.close()


@pytest.mark.parametrize("schema", [LEDGER, JOURNAL], ids=["ledger", "journal"])
def test_every_migration_is_one_transaction(tmp_path: Path, schema) -> None:
    def state(path: Path) -> list[object]:
        conn = sqlite3.connect(path)
        found = conn.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        conn.close()
        return [version(path), *found]

    for number in range(1, schema.version):
        path = tmp_path / f"{number}.db"
        opening.prepare(path, replace(schema, migrations=schema.migrations[:number]))
        before = state(path)

        def cut(db, number=number) -> None:
            schema.migrations[number](db)
            raise sqlite3.OperationalError("interrupted")

        with pytest.raises(Unavailable):
            opening.prepare(path, replace(schema, migrations=(*schema.migrations[:number], cut)))
        assert state(path) == before, f"migration {number + 1} left something behind"
        opening.prepare(path, schema)
        assert version(path) == schema.version
