"""A copy of accounts and key hashes in the journal's file, for the day the ledger cannot be read.

A ruined ledger then stops only what costs money: who may call, and which free models
there are, is still known. Nothing secret comes here, and nothing that must add up.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from freeloader.errors import Unavailable
from freeloader.store.file import DatabaseFile
from freeloader.store.sql.past import REMEMBERED_GET, REMEMBERED_PUT


class Memory:
    """Small lists by name, as they were last read from the ledger."""

    def __init__(self, journal: DatabaseFile) -> None:
        self._file = journal
        self._last: dict[str, str] = {}

    def note(self, name: str, rows: list[Any]) -> None:
        """Remember ``rows`` (JSON-ready); written soon, and only where they changed."""
        text = json.dumps(rows)
        if self._last.get(name) == text:
            return
        self._last[name] = text
        self._file.post(lambda conn: conn.execute(REMEMBERED_PUT, {"name": name, "rows": text}))

    async def recall(self, name: str) -> list[Any] | None:
        """What was noted last; None where nothing is known, or the journal cannot be read."""

        def query(conn: sqlite3.Connection) -> str | None:
            row = conn.execute(REMEMBERED_GET, {"name": name}).fetchone()
            return None if row is None else str(row["rows"])

        try:
            found = await self._file.read(query)
        except Unavailable:
            return None
        rows = None if found is None else json.loads(found)
        return rows if isinstance(rows, list) else None
