"""Looks a database file over for damage, thoroughly; changes nothing, the daemon may run."""

from __future__ import annotations

import json
from pathlib import Path

from freeloader.store.faults import FILE_ERRORS, file_fault
from freeloader.store.opening import connection, damage
from freeloader.store.schema import JOURNAL, LEDGER, Schema
from freeloader.store.sql import meta, owner


def ledger_integrity(path: Path) -> str | None:
    """One phrase saying what is wrong with the ledger at ``path``; None if it is sound."""
    return look(path, LEDGER)


def journal_integrity(path: Path) -> str | None:
    """The same of the journal."""
    return look(path, JOURNAL)


def ledger_doubt(path: Path) -> str | None:
    """Why paid calls wait for a word of the owner after a repair; None: they do not."""
    try:
        with connection(path, LEDGER, writable=False) as conn:
            row = conn.execute(meta.META_GET, {"key": "doubt"}).fetchone()
            return None if row is None else str(row["value"])
    except FILE_ERRORS:
        return None


def secrets_in(path: Path, backend: str) -> list[str]:
    """The accounts (``groq@1``) whose keys are kept in ``backend``; none where that is not told."""
    try:
        with connection(path, LEDGER, writable=False) as conn:
            rows = [json.loads(row["data"]) for row in conn.execute(owner.ACCOUNTS)]
    except (*FILE_ERRORS, ValueError):
        return []
    kept = (row for row in rows if row.get("secret_backend") == backend)
    return [f"{row.get('provider')}@{row.get('idx')}" for row in kept]


def schema_behind(path: Path, schema: Schema) -> tuple[int, int] | None:
    """Version of the file and of this program, where the file is older."""
    try:
        with connection(path, schema, writable=False) as conn:
            (version,) = conn.execute("PRAGMA user_version").fetchone()
            return (version, schema.version) if version < schema.version else None
    except FILE_ERRORS:
        return None


def lock_problem(path: Path) -> str | None:
    """One phrase where another program keeps ``path`` locked; only while no daemon runs."""
    try:
        with connection(path, LEDGER, writable=True) as conn:
            conn.execute("BEGIN IMMEDIATE")
            conn.execute("ROLLBACK")
    except FILE_ERRORS as error:
        return file_fault(error, str(path))
    return None


def look(path: Path, schema: Schema) -> str | None:
    """One phrase saying what is wrong with a file of ``schema``; None if it is sound."""
    try:
        with connection(path, schema, writable=False) as conn:
            (kind,) = conn.execute("PRAGMA application_id").fetchone()
            if kind != schema.application_id:
                return f"{path} is not {schema.name} of this program"
            (version,) = conn.execute("PRAGMA user_version").fetchone()
            if version > schema.version:
                return f"{path} was written by a newer version of this program (schema {version})"
            found = damage(conn, thorough=True)
    except FILE_ERRORS as error:
        return file_fault(error, str(path)) or f"{path} cannot be read ({type(error).__name__})"
    return f"{path} is damaged ({found[0][:200]})" if found else None
