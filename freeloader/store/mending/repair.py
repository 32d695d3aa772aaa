"""Makes a sound file of a damaged one: what can be read, and what else bears witness.

The original is set aside, never changed. Where rows that say what was spent cannot be
read, the new ledger says so, and nothing is paid for until the owner has looked: a
hole in the books is not an empty budget.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from freeloader.errors import Unavailable
from freeloader.store import opening
from freeloader.store.faults import unavailable
from freeloader.store.integrity import look
from freeloader.store.mending import evidence
from freeloader.store.mending.backup import DOUBT, set_aside
from freeloader.store.mending.salvage import Salvage, salvage
from freeloader.store.schema import JOURNAL, LEDGER, Schema

_MONEY = ("holds", "usage", "adjustments", "budget_tracking")


@dataclass(frozen=True, slots=True)
class Repaired:
    """``done``: what was done, one line each; ``kept``: where the originals are;
    ``doubt``: why paid calls wait for the owner, if they do."""

    done: list[str] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    doubt: str | None = None


def repair(
    ledger: Path,
    journal: Path,
    now: float,
    stamp: str,
    *,
    accept_loss: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Repaired:
    """Both files sound again; sound ones are left alone. The daemon must be stopped.

    ``now`` is wall seconds. Raises Unavailable for a file of a newer program, or one
    that is locked or cannot be written: nothing is repaired there.
    """
    out = Repaired()
    for path, schema in ((journal, JOURNAL), (ledger, LEDGER)):
        if not path.exists() and not path.with_name(path.name + "-wal").exists():
            continue
        found = _problem(path, schema)
        if found is None:
            continue
        say(f"{path.name}: reading what can be read")
        saved, more = _rebuilt(path, schema, journal, now, stamp, out.kept)
        out.done.append(f"{found}: {_told(saved)}")
        out.done.extend(more)
        if schema is LEDGER and not saved.whole(*_MONEY) and not accept_loss:
            out = Repaired(out.done, out.kept, DOUBT.format(how="damaged and repaired"))
    if ledger.exists():
        _word(ledger, out, now, accept_loss)
    return out


def _problem(path: Path, schema: Schema) -> str | None:
    """What is wrong, if it is something that a repair can mend; raises for the rest."""
    found = look(path, schema) if path.exists() else f"{path} is gone"
    if found is None or "damaged" in found or "is not " in found or "is gone" in found:
        return found
    if path.stat().st_size == 0:
        return f"{path} is empty"
    raise unavailable(found, retry_after=None)


def _rebuilt(
    path: Path, schema: Schema, journal: Path, now: float, stamp: str, kept: list[Path]
) -> tuple[Salvage, list[str]]:
    work = path.with_name(f"repair-{path.stem}-{stamp}")
    work.mkdir(mode=0o700)
    try:
        for ending in ("", "-wal"):
            beside = path.with_name(path.name + ending)
            if beside.exists():
                shutil.copyfile(beside, work / f"old.db{ending}")
        fresh = work / "new.db"
        opening.prepare(fresh, schema)
        with opening.connection(fresh, schema, writable=True) as conn:
            conn.execute("BEGIN IMMEDIATE")
            own = evidence.forget_own(conn) if schema is LEDGER else {}
            saved = salvage(work / "old.db", conn, evidence.tables(conn))
            more = _witnesses(conn, journal, own, now) if schema is LEDGER else []
            conn.execute("COMMIT")
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if found := look(fresh, schema):
            raise unavailable(f"what could be saved is not sound: {found}", retry_after=None)
        kept += set_aside(path, f"damaged-{stamp}")
        opening.publish(fresh, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return saved, more


def _witnesses(
    conn: sqlite3.Connection, journal: Path, own: dict[str, str], now: float
) -> list[str]:
    done = []
    evidence.restore_own(conn, own)
    if journal.exists() and look(journal, JOURNAL) is None:
        opening.prepare(journal, JOURNAL)
        with opening.connection(journal, JOURNAL, writable=False) as other:
            if added := evidence.from_journal(conn, other, now):
                done.append(f"{added} charges were taken over from the journal")
            done += [f"{name} were taken over from the journal" for name in
                     evidence.recall(conn, other, now)]  # fmt: skip
    evidence.make_sums(conn)
    return done


def _word(ledger: Path, out: Repaired, now: float, accept_loss: bool) -> None:
    """The doubt into the ledger, or out of it; and a line in the audit."""
    try:
        opening.prepare(ledger, LEDGER)
    except Unavailable as error:
        raise unavailable(str(error.details["problem"]), retry_after=None) from error
    with opening.connection(ledger, LEDGER, writable=True) as conn:
        conn.execute("BEGIN IMMEDIATE")
        if out.doubt is not None:
            evidence.set_doubt(conn, out.doubt)
        elif accept_loss and evidence.end_doubt(conn):
            out.done.append("paid calls are allowed again")
        if out.done:
            evidence.note(conn, now, out.done, [str(path.name) for path in out.kept])
        conn.execute("COMMIT")


def _told(saved: Salvage) -> str:
    if saved.problem is not None:
        return "nothing in it can be read; a new file was begun"
    rows = sum(table.rows for table in saved.tables.values())
    torn = [name for name, table in saved.tables.items() if not table.whole]
    lost = f"; not all of {', '.join(torn)} could be read" if torn else "; nothing is missing"
    return f"{rows} rows were saved{lost}"
