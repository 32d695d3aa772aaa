"""What SQLite's errors mean to us: a fault of the file, or a mistake of one statement.

A fault of the file (full, locked, read-only, damaged, gone) ends a batch, is
shown as the file's problem, and makes durable writes fail with
``ledger_unavailable`` until it is over. Anything else belongs to the statement
that caused it. This module decides nothing about retries.
"""

from __future__ import annotations

import sqlite3

from freeloader.errors import Unavailable

FileError = sqlite3.Error | OSError | UnicodeDecodeError
FILE_ERRORS = (sqlite3.Error, OSError, UnicodeDecodeError)
"""What a file's faults are raised as. Of a damaged one not even SQLite's message is text."""

_FILE_FAULTS = {
    sqlite3.SQLITE_BUSY: "is locked by another program",
    sqlite3.SQLITE_LOCKED: "is locked by another program",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
    sqlite3.SQLITE_IOERR: "cannot be read or written: disk I/O error",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_NOTADB: "is damaged: not a database",
    sqlite3.SQLITE_NOMEM: "cannot be used: out of memory",
    sqlite3.SQLITE_PROTOCOL: "is locked by another program",
    sqlite3.SQLITE_PERM: "may not be opened by this user",
    sqlite3.SQLITE_AUTH: "may not be opened by this user",
}

_REMEDIES = {
    sqlite3.SQLITE_BUSY: "end the program that holds it",
    sqlite3.SQLITE_FULL: "free some disk space",
    sqlite3.SQLITE_READONLY: "make it and its folder writable for you",
    sqlite3.SQLITE_CORRUPT: "run `xswarm doctor --repair`, or restore a backup",
    sqlite3.SQLITE_NOTADB: "run `xswarm doctor --repair`, or restore a backup",
}


def primary_code(error: BaseException) -> int | None:
    """SQLite's primary result code of ``error``, or None where it has none."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def file_fault(error: BaseException, name: str) -> str | None:
    """One phrase naming file ``name`` and its fault; None if the statement is to blame."""
    if isinstance(error, OSError):
        return f"{name} cannot be used: {error.strerror or type(error).__name__}"
    if isinstance(error, UnicodeDecodeError):
        return f"{name} is damaged: text in it is no text"
    if not isinstance(error, sqlite3.Error):
        return None
    code = primary_code(error)
    if code is None:
        # Errors without a code come from the driver: a value it cannot bind, a closed connection.
        damaged = type(error) is sqlite3.DatabaseError or "Could not decode" in str(error)
        return f"{name} is damaged" if damaged else None
    what = _FILE_FAULTS.get(code)
    if what is None:
        return None
    remedy = _REMEDIES.get(code)
    return f"{name} {what}" + (f"; {remedy}" if remedy else "")


def is_damage(error: BaseException) -> bool:
    """True if ``error`` says that the file's content is broken, which no waiting mends."""
    return isinstance(error, UnicodeDecodeError) or primary_code(error) in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )


def unavailable(problem: str, *, retry_after: float | None = 1.0) -> Unavailable:
    """The error that durable writes and reads raise while a file has ``problem``."""
    return Unavailable(
        f"The database cannot be used now: {problem}.",
        code="ledger_unavailable",
        details={"problem": problem},
        retry_after=retry_after,
    )
