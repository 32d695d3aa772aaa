"""Looks a database file over for damage, thoroughly; changes nothing, the daemon may run."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from freeloader.store.faults import file_fault
from freeloader.store.opening import connection, damage
from freeloader.store.schema import JOURNAL, LEDGER, Schema


def ledger_integrity(path: Path) -> str | None:
    """One phrase saying what is wrong with the ledger at ``path``; None if it is sound."""
    return _look(path, LEDGER)


def journal_integrity(path: Path) -> str | None:
    """The same of the journal."""
    return _look(path, JOURNAL)


def _look(path: Path, schema: Schema) -> str | None:
    try:
        with connection(path, schema, writable=False) as conn:
            (kind,) = conn.execute("PRAGMA application_id").fetchone()
            if kind != schema.application_id:
                return f"{path} is not {schema.name} of this program"
            (version,) = conn.execute("PRAGMA user_version").fetchone()
            if version > schema.version:
                return f"{path} was written by a newer version of this program (schema {version})"
            found = damage(conn, thorough=True)
    except (sqlite3.Error, OSError) as error:
        return file_fault(error, str(path)) or f"{path} cannot be read ({type(error).__name__})"
    return f"{path} is damaged ({found[0][:200]})" if found else None
