"""Everything that was asked in a stretch of time, in pieces of bounded size.

A piece is a list of requests: the journal's decision beside what the ledger has of
it. What the journal does not know (it may be trimmed, or was lost) comes last, by
the ledger alone: an export never leaves out money. Holds no transaction between pieces.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from freeloader.errors import Unavailable
from freeloader.store.file import DatabaseFile
from freeloader.store.reports import sql

PIECE = 500
TEXT_BYTES_MAX = 4 * 2**20
Row = dict[str, Any]


class Exporter:
    """See the module. ``project`` ``""``: those without one; None: all."""

    def __init__(self, ledger: DatabaseFile, journal: DatabaseFile) -> None:
        self._ledger, self._journal = ledger, journal

    async def count(self, since: float, until: float, project: str | None) -> int:
        """About how many requests there are: what the larger of the two files knows."""
        params = {"since": since, "until": until, "project": project}

        def query(statement: str, conn: sqlite3.Connection) -> int:
            return int(conn.execute(statement, params).fetchone()[0])

        asked = await self._ledger.read(lambda conn: query(sql.EXPORT_COUNT, conn))
        try:
            made = await self._journal.read(lambda conn: query(sql.DECISIONS_COUNT, conn))
        except Unavailable:
            made = 0
        return max(asked, made)

    async def pieces(
        self, since: float, until: float, project: str | None
    ) -> AsyncIterator[list[Row]]:
        """Requests by time, then those that only the ledger knows. Rows are ``decision`` (the
        journal's, ``detail`` decoded, with ``prompt`` and ``response``, or None) and ``usage``
        (the ledger's rows of it, with ``adjusted`` picodollars)."""
        mine = {"since": since, "until": until, "project": project, "limit": PIECE}
        after: Mapping[str, Any] = {"at": since, "after_id": ""}
        whole = self._journal.problem is None
        while whole:
            page = await self._journal.read(_decisions({**mine, **after}))
            usage = await self._usage([str(row["id"]) for row in page])
            for some in _by_size(page):
                await self._add_texts(some)
                yield [{"decision": row, "usage": usage.get(row["id"], [])} for row in some]
            if len(page) < PIECE:
                break
            after = {"at": page[-1]["at"], "after_id": page[-1]["id"]}
        async for piece in self._orphans(mine, whole):
            yield piece

    async def _orphans(self, mine: Mapping[str, Any], whole: bool) -> AsyncIterator[list[Row]]:
        last = 0
        while True:
            page = await self._ledger.read(_rows({**mine, "after": last}))
            ids = sorted({str(row["request_id"]) for row in page})
            known = await self._known(ids) if whole else set()
            lost: dict[str, list[Row]] = {}
            for row in page:
                if row["request_id"] not in known:
                    lost.setdefault(str(row["request_id"]), []).append(row)
            if lost:
                yield [{"decision": None, "usage": rows} for rows in lost.values()]
            if len(page) < PIECE:
                return
            last = int(page[-1]["id"])

    async def _add_texts(self, some: list[Row]) -> None:
        """Prompts and answers, where they were kept; read no sooner than they are wanted."""
        ids = json.dumps([row["id"] for row in some if row["text_bytes"]])

        def query(conn: sqlite3.Connection) -> dict[str, Row]:
            found = conn.execute(sql.EXPORT_TEXTS, {"ids": ids})
            return {str(row["decision_id"]): dict(row) for row in found}

        texts = await self._journal.read(query) if ids != "[]" else {}
        for row in some:
            kept = texts.get(str(row["id"]), {})
            row["prompt"], row["response"] = kept.get("prompt"), kept.get("response")

    async def _usage(self, ids: Sequence[str]) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        params = {"ids": json.dumps(ids)}

        def query(conn: sqlite3.Connection) -> list[Row]:
            return [dict(row) for row in conn.execute(sql.EXPORT_USAGE_OF, params)]

        for row in await self._ledger.read(query) if ids else ():
            found.setdefault(str(row["request_id"]), []).append(row)
        return found

    async def _known(self, ids: Sequence[str]) -> set[str]:
        params = {"ids": json.dumps(ids)}

        def query(conn: sqlite3.Connection) -> set[str]:
            return {str(row["id"]) for row in conn.execute(sql.DECISIONS_KNOWN, params)}

        return await self._journal.read(query) if ids else set()


def _by_size(page: list[Row]) -> Iterator[list[Row]]:
    """The page in parts whose texts are at most a few megabytes together."""
    part: list[Row] = []
    size = 0
    for row in page:
        size += int(row["text_bytes"])
        if part and size > TEXT_BYTES_MAX:
            yield part
            part, size = [], int(row["text_bytes"])
        part.append(row)
    if part:
        yield part


def _decisions(params: Mapping[str, Any]) -> Any:
    def query(conn: sqlite3.Connection) -> list[Row]:
        rows = [dict(row) for row in conn.execute(sql.EXPORT_DECISIONS, params)]
        for row in rows:
            row["detail"] = json.loads(row["detail"])
        return rows

    return query


def _rows(params: Mapping[str, Any]) -> Any:
    def query(conn: sqlite3.Connection) -> list[Row]:
        return [dict(row) for row in conn.execute(sql.EXPORT_ROWS, params)]

    return query
