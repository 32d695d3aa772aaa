"""Opens a database file: makes it, checks it, brings it up to this program's version.

A file that is empty, damaged, of another kind or newer than this program is
refused, never replaced: an empty ledger would be a full budget. A new file is
built beside its place and moved there when complete, so that a crash leaves
either no file or a whole one. Before an upgrade the file is copied.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from freeloader.errors import Unavailable
from freeloader.store.faults import FILE_ERRORS, file_fault, unavailable
from freeloader.store.schema import Schema

if TYPE_CHECKING:
    from sqlite_utils import Database

BUSY_MS = 2_000
"""How long a statement waits for another program's lock before that is a fault."""

CHECK_BYTES_MAX = 32 * 2**20
"""Files up to this size are checked for damage at every opening (about 0.1 s)."""

MODE = 0o600


def connect(path: Path, schema: Schema, *, writable: bool) -> sqlite3.Connection:
    """A connection in manual transaction mode, usable from any one thread at a time.

    Raises sqlite3.Error; never creates the file.
    """
    _beside(path)
    uri = f"{path.absolute().as_uri()}?mode={'rw' if writable else 'ro'}"
    conn = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        conn.row_factory = sqlite3.Row
        conn.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        if writable:
            conn.execute("PRAGMA journal_mode = WAL")
            conn.execute(f"PRAGMA synchronous = {schema.synchronous}")
        else:
            conn.execute("PRAGMA query_only = ON")
    except sqlite3.Error:
        conn.close()
        raise
    return conn


@contextmanager
def connection(path: Path, schema: Schema, *, writable: bool) -> Iterator[sqlite3.Connection]:
    """``connect`` for the length of a block."""
    conn = connect(path, schema, writable=writable)
    try:
        yield conn
    finally:
        conn.close()


def prepare(path: Path, schema: Schema) -> None:
    """Make sure that ``path`` is a sound file of ``schema`` at this program's version.

    A file at the right version is only read, so a read-only or locked one opens.
    Raises Unavailable (``ledger_unavailable``) naming the file and what to do.
    """
    try:
        if not path.exists():
            _create(path, schema)
        else:
            _restrict(path)
            _check(path, schema)
    except FILE_ERRORS as error:
        fault = file_fault(error, str(path)) or f"{path} cannot be used: {type(error).__name__}"
        if isinstance(error, OSError) and (blocked := in_the_way(path, schema)) is not None:
            fault = blocked
        raise unavailable(fault, retry_after=None) from error


def in_the_way(path: Path, schema: Schema) -> str | None:
    """One phrase with the next step where a folder has the name of a file that making ``path``,
    or its next upgrade, has to write; None where there is none."""
    made = _before(path, schema) if path.exists() else path
    for wanted in (made, _part(made)):
        if wanted.is_dir() and not wanted.is_symlink():
            kept = f"a copy of {path.name} is kept" if made != path else f"{path.name} is made"
            return f"{wanted} is a folder, and {kept} under that name; move it away"
    return None


def migrate(conn: sqlite3.Connection, schema: Schema) -> None:
    """Apply what is missing, each migration with its version in one IMMEDIATE transaction."""
    db = _database(conn)
    for number, migration in enumerate(schema.migrations, start=1):
        conn.execute("BEGIN IMMEDIATE")
        try:
            if _pragma(conn, "user_version") < number:
                migration(db)
                conn.execute(f"PRAGMA application_id = {schema.application_id}")
                conn.execute(f"PRAGMA user_version = {number}")
            conn.execute("COMMIT")
        except BaseException:
            if conn.in_transaction:
                conn.execute("ROLLBACK")
            raise


def copy(source: sqlite3.Connection, target: Path) -> None:
    """A consistent, self-contained copy of ``source`` at ``target`` (0600), safely on disk.

    Made beside its place and moved there, in one read transaction: writers are not held up.
    """
    part = _part(target)
    part.unlink(missing_ok=True)
    _touch(part)
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as conn:
            source.backup(conn, pages=-1)
            conn.execute("PRAGMA journal_mode = DELETE")
        publish(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def damage(conn: sqlite3.Connection, *, thorough: bool) -> list[str]:
    """What SQLite's own check finds, at most 20 lines; empty if the file is sound."""
    check = "integrity_check" if thorough else "quick_check"
    # Of a damaged schema even the names may be no text.
    conn.text_factory = lambda text: text.decode("utf-8", "replace")
    try:
        lines = [str(row[0]) for row in conn.execute(f"PRAGMA {check}(20)")]
    except UnicodeDecodeError:
        lines = ["text in it is no text"]
    finally:
        conn.text_factory = str
    return [] if lines == ["ok"] else lines


def _create(path: Path, schema: Schema) -> None:
    stale = path.with_name(path.name + "-wal")
    if stale.exists() and stale.stat().st_size:
        raise unavailable(
            f"{path} is gone, but {stale.name} beside it holds writes of it; restore the file "
            f"from a backup, or move {stale.name} away to begin a new one",
            retry_after=None,
        )
    part = _part(path)
    part.unlink(missing_ok=True)
    _touch(part)
    conn = sqlite3.connect(part, isolation_level=None)
    try:
        migrate(conn, schema)
        # Written into the file, so that it is in WAL mode before anybody has written to it.
        conn.execute("PRAGMA journal_mode = WAL")
    finally:
        conn.close()
    publish(part, path)


def _check(path: Path, schema: Schema) -> None:
    if path.stat().st_size == 0:
        raise unavailable(
            f"{path} is empty, which no file of ours ever is; restore a backup, or remove it "
            "to begin a new one",
            retry_after=None,
        )
    with connection(path, schema, writable=False) as conn:
        version = _pragma(conn, "user_version")
        if _pragma(conn, "application_id") != schema.application_id:
            raise unavailable(f"{path} is not {schema.name} of this program", retry_after=None)
        if version > schema.version:
            raise _newer(path, version, schema)
        if path.stat().st_size <= CHECK_BYTES_MAX and (found := damage(conn, thorough=False)):
            raise unavailable(
                f"{path} is damaged ({found[0][:200]}); run `xswarm doctor --repair`, "
                "or restore a backup",
                retry_after=None,
            )
    if version < schema.version:
        with connection(path, schema, writable=True) as conn:
            copy(conn, _before(path, schema))
            migrate(conn, schema)


def _database(conn: sqlite3.Connection) -> Database:
    """sqlite-utils over ``conn``: imported only when there is something to do, without numpy.

    It would take numpy along, if that is installed, to know column types that no migration
    names; 14 MB would stay with the daemon that made its files for as long as it runs.
    """
    spared = "numpy" not in sys.modules
    if spared:
        sys.modules["numpy"] = None  # type: ignore[assignment]  # "cannot be imported"
    try:
        from sqlite_utils import Database
    finally:
        if spared:
            del sys.modules["numpy"]
    return Database(conn, execute_plugins=False)


def _newer(path: Path, version: int, schema: Schema) -> Unavailable:
    return unavailable(
        f"{path} was written by a newer version of this program (schema {version}, this one "
        f"knows {schema.version}); install that version, or restore an older copy",
        retry_after=None,
    )


def _pragma(conn: sqlite3.Connection, name: str) -> int:
    return int(conn.execute(f"PRAGMA {name}").fetchone()[0])


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _before(path: Path, schema: Schema) -> Path:
    return path.with_name(f"{path.name}.before-v{schema.version}")


def _touch(path: Path) -> None:
    """An empty file that only its owner can read, before anything is written into it."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE))


def _restrict(path: Path) -> None:
    if path.stat().st_mode & 0o077 and os.access(path, os.W_OK):
        path.chmod(MODE)


def _beside(path: Path) -> None:
    """The shared memory that SQLite makes beside a file gets the mode of that one.

    That of a read-only ledger would be read-only too, and keep the ledger so for every
    connection of this process, even when it is writable again: there it is made here. Not
    empty: an empty one is given the file's mode after all.
    """
    shared = path.with_name(path.name + "-shm")
    try:
        if not os.access(path, os.W_OK) and _is_wal(path) and not shared.exists():
            _touch(shared)
            shared.write_bytes(b"\0")
    except OSError:
        return  # a folder that is read-only as well, or no file: SQLite says what is wrong


def _is_wal(path: Path) -> bool:
    """By its header (bytes 18 and 19, see SQLite's file format)."""
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\x02\x02"


def publish(part: Path, path: Path) -> None:
    """Move a finished file to its place, and make both survive a power cut."""
    _sync(part)
    part.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
