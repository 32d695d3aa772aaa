"""Votes on answers, in the ledger's file: one per decision, the latest stands. Bounded.

Summed by model and task; what the sums mean is ``core.feedback``'s business.
"""

from __future__ import annotations

import sqlite3
from dataclasses import asdict
from typing import Any

from freeloader.store.file import DatabaseFile
from freeloader.store.rows import VoteRow
from freeloader.store.sql import owner

#: Votes kept; the oldest go. So many move no average noticeably any more.
VOTES_MAX = 20_000


class Feedback:
    """The table ``feedback``. All may raise Unavailable."""

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file

    async def put(self, row: VoteRow) -> None:
        """A vote; one on the same decision is written over."""

        def piece(conn: sqlite3.Connection) -> None:
            conn.execute(owner.VOTE_PUT, asdict(row))
            conn.execute(owner.VOTES_TRIM, {"kept": VOTES_MAX})

        await self._file.submit(piece)

    async def sums(self) -> dict[tuple[str, str], tuple[int, float]]:
        """(model, task) → (votes, sum of scores)."""

        def query(conn: sqlite3.Connection) -> dict[tuple[str, str], tuple[int, float]]:
            rows = conn.execute(owner.VOTE_SUMS)
            return {(r["model"], r["task"]): (int(r["votes"]), float(r["total"])) for r in rows}

        return await self._file.read(query)

    async def forget(self, model: str | None, task: str | None) -> int:
        """Takes out the votes on a model, a task, both, or all; how many that were."""
        params: dict[str, Any] = {"model": model, "task": task}
        return await self._file.submit(
            lambda conn: int(conn.execute(owner.VOTES_FORGET, params).rowcount)
        )
