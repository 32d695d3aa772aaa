"""Copies of both files while the daemon runs, and their way back while it does not.

A copy is one consistent state, checked before it is called one. What comes back
never makes a budget younger: charges that the present ledger knows stay charged.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from freeloader.errors import Conflict, NotFound, Unavailable
from freeloader.store import opening
from freeloader.store.faults import FILE_ERRORS, file_fault, is_damage, unavailable
from freeloader.store.integrity import look
from freeloader.store.mending import evidence
from freeloader.store.mending.salvage import salvage
from freeloader.store.schema import JOURNAL, LEDGER, Schema

#: Rows of these are carried over into a ledger that is older than the present one.
_CARRIED = ("usage", "adjustments", "holds", "budget_tracking", "audit", "alerts")
_BESIDE = ("", "-wal", "-shm")
DOUBT = (
    "the ledger was {how}, and it is not known for certain what was spent; compare with your "
    "providers' bills, then allow paid calls again with the daemon stopped: "
    "xswarm doctor --repair --accept-loss"
)


@dataclass(frozen=True, slots=True)
class Restored:
    """``kept``: where the former files are now; ``carried``: rows of the former ledger taken
    along; ``doubt``: that paid calls wait for a word of the owner."""

    kept: list[Path] = field(default_factory=list)
    carried: int = 0
    doubt: str | None = None


def backup(ledger: Path, journal: Path, folder: Path, stamp: str) -> list[Path]:
    """Checked copies of both files in ``folder``; where they are. The daemon may run.

    Raises Unavailable for a file that cannot be copied, Conflict where a copy is there.
    A journal that is not there is left out.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = []
    for path, schema in ((ledger, LEDGER), (journal, JOURNAL)):
        if schema is JOURNAL and not path.exists():
            continue
        target = folder / f"{path.stem}-{stamp}.db"
        if target.exists():
            raise Conflict(f"{target} exists already; name another folder.")
        _copy(path, target, schema)
        made.append(target)
    return made


def find(place: Path) -> tuple[Path, Path | None]:
    """The ledger's copy that ``place`` names (a file, or a folder's newest), and its journal's.

    Raises NotFound.
    """
    if place.is_dir():
        copies = sorted(place.glob("freeloader-*.db"))
        if not copies:
            raise NotFound(f"There is no copy in {place}; `xswarm backup` makes them.")
        place = copies[-1]
    if not place.is_file():
        raise NotFound(f"There is no file {place}.")
    beside = place.with_name(place.name.replace("freeloader", "journal", 1))
    return place, beside if beside != place and beside.is_file() else None


def restore(
    copy: tuple[Path, Path | None],
    ledger: Path,
    journal: Path,
    stamp: str,
    *,
    accept_loss: bool = False,
) -> Restored:
    """Puts copies in place of both files, which are kept beside. The daemon must be stopped.

    Raises Unavailable, and changes nothing, for a copy that is not sound.
    """
    pairs = [(copy[0], ledger, LEDGER)]
    if copy[1] is not None:
        pairs.append((copy[1], journal, JOURNAL))
    for source, _, schema in pairs:
        if found := look(source, schema):
            raise unavailable(found, retry_after=None)
    kept: list[Path] = []
    for source, target, schema in pairs:
        part = target.with_name(f"{target.name}.part")
        _copy(source, part, schema)
        try:
            kept += set_aside(target, f"before-restore-{stamp}")
        except Conflict:
            part.unlink()
            raise
        opening.publish(part, target)
    former = ledger.with_name(f"{ledger.name}.before-restore-{stamp}")
    if not former.exists():
        return Restored(kept)
    carried, doubt = _carry(former, ledger, accept_loss)
    return Restored(kept, carried, doubt)


def set_aside(path: Path, mark: str) -> list[Path]:
    """A database and what SQLite keeps beside it, under another name; which there were.

    Raises Conflict, before anything is moved, where something has that name: it is an original too.
    """
    moves = [
        (path.with_name(path.name + ending), path.with_name(f"{path.name}.{mark}{ending}"))
        for ending in _BESIDE
    ]
    for _, target in moves:
        if target.exists():
            raise Conflict(f"{target} exists already; try again in a second.")
    moved = []
    for beside, target in moves:
        if beside.exists():
            beside.rename(target)
            moved.append(target)
    return moved


def _copy(path: Path, target: Path, schema: Schema) -> None:
    blamed = path
    try:
        with opening.connection(path, schema, writable=False) as conn:
            blamed = target
            opening.copy(conn, target)
    except FILE_ERRORS as error:
        blamed = path if is_damage(error) else blamed
        fault = file_fault(error, str(blamed)) or f"{path} cannot be copied: {error}"
        raise unavailable(fault, retry_after=None) from error
    if found := look(target, schema):
        target.unlink()
        raise unavailable(f"the copy is not sound: {found}", retry_after=None)


def _carry(former: Path, ledger: Path, accept_loss: bool) -> tuple[int, str | None]:
    """What the former ledger knows of money and the copy does not."""
    opening.prepare(ledger, LEDGER)
    # Read from another copy: what was set aside stays as it was.
    work = ledger.with_name(f"{former.name}.work")
    _copy_raw(former, work)
    try:
        with opening.connection(ledger, LEDGER, writable=True) as conn:
            if not _same_home(work, conn):
                return 0, None
            conn.execute("BEGIN IMMEDIATE")
            before = conn.total_changes
            found = salvage(work, conn, _CARRIED, later=True)
            carried = conn.total_changes - before
            evidence.make_sums(conn)
            doubt = None
            if not found.whole(*_CARRIED[:4]) and not accept_loss:
                doubt = DOUBT.format(how="restored from a copy")
                evidence.set_doubt(conn, doubt)
            conn.execute("COMMIT")
            return carried, doubt
    finally:
        for ending in _BESIDE:
            work.with_name(work.name + ending).unlink(missing_ok=True)


def _copy_raw(source: Path, target: Path) -> None:
    for ending in _BESIDE[:2]:
        beside = source.with_name(source.name + ending)
        if beside.exists():
            shutil.copyfile(beside, target.with_name(target.name + ending))
            target.with_name(target.name + ending).chmod(0o600)


def _same_home(former: Path, conn: sqlite3.Connection) -> bool:
    """False for a copy of another home: its charges are none of ours. Unreadable is the same."""
    try:
        with closing(sqlite3.connect(former)) as other:
            other.row_factory = sqlite3.Row
            return evidence.may_be_of_one_home(other, conn)
    except sqlite3.Error:
        return True


__all__ = ["DOUBT", "Restored", "Unavailable", "backup", "find", "restore", "set_aside"]
