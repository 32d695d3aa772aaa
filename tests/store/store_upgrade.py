"""Upgrades a ledger to the next version, slowly, and says at each step that it is there.

Run as a program by the test that kills it; the test takes the same ``NEXT`` itself.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from freeloader.store import opening
from freeloader.store.schema import LEDGER

ROWS = 30


def _notes(db: Any) -> None:
    db["notes"].create({"id": int}, pk="id")
    for number in range(ROWS):
        db.execute("INSERT INTO notes VALUES (?)", [number])
        print(number, flush=True)


def _charges(db: Any) -> None:
    print("second", flush=True)
    db.execute("UPDATE usage SET cost_pico = cost_pico + 1")
    print("done", flush=True)


NEXT = replace(LEDGER, migrations=(*LEDGER.migrations, _notes, _charges))

if __name__ == "__main__":
    opening.prepare(Path(sys.argv[1]), NEXT)
    print("whole", flush=True)
    sys.stdin.read()
