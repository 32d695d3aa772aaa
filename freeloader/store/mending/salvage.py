"""Reads rows out of a damaged file into a fresh one, around the holes.

A table is read by row number from both ends; where a page cannot be read it is
skipped, and that is counted. Nothing is made up. Changes only the target.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from freeloader.store.mending import sql

#: Rows asked for at once, and how far a hole is stepped over at first.
PAGE = 200
#: No table of ours has more; a hole is searched in steps up to this.
STEP_MAX = 1 << 16
HOLES_MAX = 10_000


@dataclass(slots=True)
class Saved:
    """What came of one table. ``holes``: places that could not be read; ``refused``: rows that
    were read and are no rows of ours."""

    table: str
    rows: int = 0
    holes: int = 0
    refused: int = 0

    @property
    def whole(self) -> bool:
        return not self.holes and not self.refused


@dataclass(slots=True)
class Salvage:
    """What came of all tables; ``problem``: the file could not be read at all."""

    tables: dict[str, Saved] = field(default_factory=dict)
    problem: str | None = None

    def whole(self, *names: str) -> bool:
        """True if nothing of these tables is missing."""
        return self.problem is None and all(
            name in self.tables and self.tables[name].whole for name in names
        )


def salvage(
    source: Path, target: sqlite3.Connection, tables: Sequence[str], *, later: bool = False
) -> Salvage:
    """Copies what can be read of ``tables`` into ``target``, where they are; existing rows stay.

    Only of a running sum that is there already the larger one stands. ``later``: the source
    went on after the target was copied, maybe with other numbers for its rows: they get new
    ones, and what it has ended is ended.
    """
    found = Salvage()
    try:
        conn = sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)
        conn.row_factory = sqlite3.Row
        conn.execute("PRAGMA writable_schema = ON")  # read on in spite of a strange schema
        conn.execute("PRAGMA cell_size_check = ON")
        conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        found.problem = f"{source.name}: {error}"
        return found
    try:
        for table in tables:
            found.tables[table] = _table(conn, target, table, later)
    finally:
        conn.close()
    return found


def _table(conn: sqlite3.Connection, target: sqlite3.Connection, table: str, later: bool) -> Saved:
    saved = Saved(table)
    wanted = [str(row[1]) for row in target.execute(f"PRAGMA table_info({table})")]
    same = sql.SAME_ROW.get(table) if later else None
    if same is not None:
        wanted.remove("id")
    for rows in _pages(conn, table, saved):
        for row in rows:
            values = {name: row[name] for name in row.keys() if name in wanted}  # noqa: SIM118
            try:
                target.execute(_insert(table, tuple(values), same, later), values)
                saved.rows += 1
            except (sqlite3.Error, OverflowError, UnicodeError):
                saved.refused += 1
    return saved


@cache
def _insert(table: str, columns: tuple[str, ...], same: str | None, later: bool) -> str:
    """The statement for one row. All names are those of our own schema."""
    names, marks = ", ".join(columns), ", ".join(f":{name}" for name in columns)
    if same is not None:
        unless = f"SELECT 1 FROM {table} WHERE {same}"  # noqa: S608
        return f"INSERT INTO {table}({names}) SELECT {marks} WHERE NOT EXISTS ({unless})"
    more = {"budget_tracking": sql.LARGER_SUM, "holds": sql.ENDED_HOLD if later else ""}
    return f"INSERT OR IGNORE INTO {table}({names}) VALUES ({marks}){more.get(table, '')}"  # noqa: S608


def _pages(conn: sqlite3.Connection, table: str, saved: Saved) -> Iterator[list[sqlite3.Row]]:
    """Forward until a hole, over it in growing steps, on until the end."""
    end = _end(conn, table, saved)
    at, step = -(1 << 62), 1
    while at < end and saved.holes < HOLES_MAX:
        rows, broken = _some(conn, table, at, end)
        if rows:
            yield rows
            at, step = max(int(row["rowid_"]) for row in rows), 1
            if not broken and len(rows) < PAGE:
                return
        elif not broken:
            return
        if broken:
            saved.holes += 1
            # Where row numbers begin is not known: small ones are tried from 0.
            at = max(at, 0) + step
            step = min(step * 2, STEP_MAX)


def _some(
    conn: sqlite3.Connection, table: str, after: int, end: int
) -> tuple[list[sqlite3.Row], bool]:
    """The next rows as far as they can be read, and whether something cannot."""
    rows: list[sqlite3.Row] = []
    statement = (
        f"SELECT rowid AS rowid_, * FROM {table} "  # noqa: S608 - a name of our own schema
        "WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT ?"
    )
    try:
        # One by one: what was read before a broken page is kept.
        cursor = conn.execute(statement, (after, end, PAGE))
        rows.extend(iter(cursor))
    except (sqlite3.Error, UnicodeError, OverflowError):
        return rows, True
    return rows, False


def _end(conn: sqlite3.Connection, table: str, saved: Saved) -> int:
    """The largest row number; where even that cannot be read, a bound."""
    try:
        statement = f"SELECT max(rowid) FROM {table}"  # noqa: S608 - a name of our own schema
        row = conn.execute(statement).fetchone()
        return -(1 << 62) if row[0] is None else int(row[0])
    except sqlite3.Error:
        saved.holes += 1
        return 1 << 26
