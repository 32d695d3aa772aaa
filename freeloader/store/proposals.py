"""Proposals of discovery in the ledger's file: kept, found, marked. What they mean is not known."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from freeloader.store.file import DatabaseFile
from freeloader.store.rows import ProposalRow
from freeloader.store.sql import owner


class Proposals:
    """The table ``discovery_log``. All may raise Unavailable."""

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file

    async def add(self, row: ProposalRow) -> int:
        """The id that it got."""

        def piece(conn: sqlite3.Connection) -> int:
            return int(conn.execute(owner.PROPOSAL_INSERT, _params(row)).lastrowid or 0)

        return await self._file.submit(piece)

    async def put(self, row: ProposalRow) -> None:
        """Its state and detail, under the id it has."""
        await self._file.submit(lambda conn: _run(conn, owner.PROPOSAL_PUT, row))

    async def get(self, number: int) -> ProposalRow | None:
        def query(conn: sqlite3.Connection) -> ProposalRow | None:
            found = conn.execute(owner.PROPOSAL_GET, {"id": number}).fetchone()
            return None if found is None else _from(found)

        return await self._file.read(query)

    async def listing(self, state: str | None, limit: int) -> Sequence[ProposalRow]:
        """Newest first; of one state, or of all."""

        def query(conn: sqlite3.Connection) -> list[ProposalRow]:
            rows = conn.execute(owner.PROPOSAL_LIST, {"state": state, "limit": limit})
            return [_from(row) for row in rows]

        return await self._file.read(query)


def _run(conn: sqlite3.Connection, statement: str, row: ProposalRow) -> None:
    conn.execute(statement, _params(row))


def _params(row: ProposalRow) -> dict[str, Any]:
    return asdict(row) | {"detail": json.dumps(dict(row.detail))}


def _from(row: sqlite3.Row) -> ProposalRow:
    return ProposalRow(**{**dict(row), "detail": json.loads(row["detail"])})
