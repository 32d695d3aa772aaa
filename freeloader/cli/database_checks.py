"""What `doctor` says of the two databases: damaged, gone, newer, read-only, locked, in doubt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from freeloader.cli.patient import FAIL, OK, Finding, Patient


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
            yield _missing(path)
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
            size = f"sound, {path.stat().st_size / 2**20:.1f} MB"
            yield Finding(name, OK, size + _upgrade(name, path))


def _upgrade(name: str, path: Path) -> str:
    from freeloader.store.integrity import schema_behind
    from freeloader.store.schema import JOURNAL, LEDGER

    found = schema_behind(path, LEDGER if name == "freeloader.db" else JOURNAL)
    if found is None:
        return ""
    return "; the next start brings it from version {} to {}, and keeps a copy".format(*found)


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
