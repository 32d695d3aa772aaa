"""S9: a daemon that upgrades an old ledger is killed in the middle, again and again.

The old ledger is a real one, carried back to the first version's tables, with many charges.
The bench watches for the copy that every upgrade begins with, and kills at random after it.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from faults_kit import LANE, Row, furnished, market

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, until

from freeloader.store import opening
from freeloader.store.schema import LEDGER

#: The tables as they were at first.
_OLD = replace(LEDGER, migrations=LEDGER.migrations[:2])
_KILLS, _QUICK_KILLS = 50, 4
#: Charges in the old file: the upgrade takes some tenths of a second for them.
_CHARGES = 40_000
#: Kills come up to so long after the copy of the old file is made (seconds).
_WITHIN_S = 0.6
#: Starts that were no kill in an upgrade, before it is given up.
_STARTS_MAX = 4


@dataclass
class Toll:
    """``between``: kills that found it at a version between; ``broken``: what was wrong after."""

    kills: int = 0
    between: int = 0
    broken: int = 0


def upgrading(place: Path, *, quick: bool) -> list[Row]:
    """The row of the table."""
    kills = _QUICK_KILLS if quick else _KILLS
    rng, toll = random.Random(9), Toll()
    with market(place, ("alpha",)) as simulator:
        house = furnished(place, simulator, ("alpha",), environ={LANE: "direct"})
        house.start()
        assert house.chat(model="alpha/m")[0] == 200
        house.stop()
        path, old = house.home / "freeloader.db", place / "old.db"
        before = carried_back(path, old)
        for _ in range(kills * _STARTS_MAX):
            if toll.kills >= kills:
                break
            if not path.exists() or _state(path)[0] == LEDGER.version:
                _put_back(old, path)
            _start_and_kill(house, rng.uniform(0, _WITHIN_S), toll)
            _look(path, before, toll)
        house.start()
        status = house.chat(model="alpha/m")[0]
        house.stop()
        version, _, sound = _state(path)
    ok = toll.kills >= kills and not toll.broken and status == 200 and sound
    return [
        Row("S9: an upgrade is cut off", f"SIGKILL to a daemon that upgrades {_CHARGES:,} charges "
            f"from version {_OLD.version} to {LEDGER.version}, {toll.kills} times",
            "0 broken: sound, every charge there once, the next start goes on",
            f"{toll.broken} broken, {toll.between} between two versions, then version {version} "
            f"and {status}", ok and version == LEDGER.version)
    ]  # fmt: skip


def carried_back(path: Path, old: Path) -> int:
    """Makes ``old`` of what is in ``path``, with many charges; their sum in picodollars."""
    opening.prepare(old, _OLD)
    with closing(sqlite3.connect(old, isolation_level=None)) as conn:
        conn.execute("ATTACH ? AS new", [str(path)])
        for (table,) in conn.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'"):
            wanted = [row[1] for row in conn.execute(f"PRAGMA main.table_info({table})")]
            here = {row[1] for row in conn.execute(f"PRAGMA new.table_info({table})")}
            names = ", ".join(name for name in wanted if name in here)
            conn.execute(f"INSERT OR IGNORE INTO main.{table} ({names}) "
                         f"SELECT {names} FROM new.{table}")  # fmt: skip
        _multiply(conn)
        return int(conn.execute("SELECT sum(cost_pico) FROM usage").fetchone()[0])


def _multiply(conn: sqlite3.Connection) -> None:
    """The one charge, again and again, each under a name and at a time of its own."""
    columns = [row[1] for row in conn.execute("PRAGMA main.table_info(usage)")][1:]
    values = dict(zip(columns, columns, strict=True))
    values |= {name: f"{name} || '-' || n.value" for name in ("attempt_id", "request_id")}
    values |= {"at": "at - n.value", "cost_pico": "n.value"}
    conn.execute(
        "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < ?) "
        f"INSERT INTO usage ({', '.join(columns)}) SELECT {', '.join(values.values())} "
        "FROM (SELECT * FROM usage LIMIT 1), n",
        [_CHARGES],
    )


def _put_back(old: Path, path: Path) -> None:
    for stale in path.parent.glob(f"{path.name}*"):
        stale.unlink()
    shutil.copy(old, path)


def _start_and_kill(house: House, after: float, toll: Toll) -> None:
    copied = house.home / f"freeloader.db.before-v{LEDGER.version}"
    copied.unlink(missing_ok=True)
    house.start(wait=False)
    with suppress(AssertionError):
        until(copied.exists, 20, "an upgrade begins")
        time.sleep(after)
        toll.kills += 1
    house.kill()


def _look(path: Path, before: int, toll: Toll) -> None:
    version, total, sound = _state(path)
    toll.between += _OLD.version < version < LEDGER.version
    whole = _OLD.version <= version <= LEDGER.version
    toll.broken += not (sound and whole and total == before)


def _state(path: Path) -> tuple[int, int, bool]:
    """The version, the sum of its charges, and whether it is sound."""
    with closing(sqlite3.connect(path)) as conn:
        version = int(conn.execute("PRAGMA user_version").fetchone()[0])
        total = int(conn.execute("SELECT sum(cost_pico) FROM usage").fetchone()[0])
        sound = conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return version, total, sound
