"""What `doctor` says of the two databases: damaged, gone, newer, read-only, locked, in doubt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from freeloader.cli.checks.patient import FAIL, OK, Finding, Patient

if TYPE_CHECKING:
    from freeloader.store.schema import Schema


def check_databases(patient: Patient) -> Iterator[Finding]:
    from freeloader.store.integrity import (
        journal_integrity,
        ledger_doubt,
        ledger_integrity,
        lock_problem,
    )

    looks = {"freeloader.db": ledger_integrity, "journal.db": journal_integrity}
    for name, look in looks.items():
        path = patient.home / name
        if not path.exists():
            yield _blocked(path) or _missing(path)
            continue
        found = look(path) or (None if patient.record else lock_problem(path))
        if found:
            yield Finding(name, FAIL, found, _database_remedy(found, path))
        elif not os.access(path, os.W_OK) or not os.access(patient.home, os.W_OK):
            remedy = f"chmod u+w {patient.home} {path}"
            yield Finding(name, FAIL, f"{path} is read-only: paid calls are refused", remedy)
        elif name == "freeloader.db" and (doubt := ledger_doubt(path)):
            remedy = "xswarm stop; xswarm doctor --repair --accept-loss"
            yield Finding(name, FAIL, doubt.partition(";")[0], remedy)
        else:
            behind = _upgrade(name, path)
            size = f"sound, {path.stat().st_size / 2**20:.1f} MB"
            blocked = _blocked(path) if behind else None
            yield blocked or Finding(name, OK, size + behind)


def _upgrade(name: str, path: Path) -> str:
    from freeloader.store.integrity import schema_behind

    found = schema_behind(path, _schema(name))
    if found is None:
        return ""
    return "; the next start brings it from version {} to {}, and keeps a copy".format(*found)


def _blocked(path: Path) -> Finding | None:
    """Where the next start could not make the file, or the copy that an upgrade keeps."""
    from freeloader.store.opening import in_the_way

    what, _, remedy = (in_the_way(path, _schema(path.name)) or "").partition("; ")
    return Finding(path.name, FAIL, what, remedy) if what else None


def _schema(name: str) -> Schema:
    from freeloader.store.schema import JOURNAL, LEDGER

    return LEDGER if name == "freeloader.db" else JOURNAL


def _missing(path: Path) -> Finding:
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        found = f"{path} is gone, but {wal.name} beside it holds writes of it"
        return Finding(path.name, FAIL, found, "xswarm doctor --repair, or restore a backup")
    return Finding(path.name, OK, "not there yet; made at the first start")


def _database_remedy(found: str, path: Path) -> str:
    if "newer version" in found:
        return "install that version, or: xswarm backup --restore COPY"
    if "locked" in found:
        return f"end the program that holds {path}"
    return "xswarm stop; xswarm doctor --repair (the original is kept)"
