"""Answers of benchmarks in the ledger's file. What they are worth is not known here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict

from freeloader.store.file import DatabaseFile
from freeloader.store.rows import BenchmarkRow
from freeloader.store.sql import owner

#: Rows that one look reads at most: a year of rounds over forty models.
ROWS_MAX = 200_000


class Benchmarks:
    """The table ``benchmarks``. All may raise Unavailable."""

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file

    async def add(self, row: BenchmarkRow) -> None:
        params = asdict(row) | {"detail": json.dumps(dict(row.detail))}
        await self._file.submit(lambda conn: _run(conn, owner.BENCHMARK_INSERT, params))

    async def since(self, moment: float) -> Sequence[BenchmarkRow]:
        """All from ``moment`` (wall seconds) on, oldest first."""

        def query(conn: sqlite3.Connection) -> list[BenchmarkRow]:
            rows = conn.execute(owner.BENCHMARKS, {"since": moment, "limit": ROWS_MAX})
            return [BenchmarkRow(**{**dict(r), "detail": json.loads(r["detail"])}) for r in rows]

        return await self._file.read(query)

    async def trim(self, before: float) -> None:
        await self._file.submit(lambda conn: _run(conn, owner.BENCHMARK_TRIM, {"before": before}))


def _run(conn: sqlite3.Connection, statement: str, params: dict[str, object]) -> None:
    conn.execute(statement, params)
