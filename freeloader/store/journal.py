"""The journal: why each request went where it went. It explains; it never has to add up.

Rows are written behind: nobody waits for them, and when the disk cannot keep up
the oldest waiting ones are dropped and counted. Money is the ledger's.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import orjson

from freeloader.store.file import PAUSE_S, SLICE, DatabaseFile
from freeloader.store.pieces import put_all
from freeloader.store.rows import AttemptRow, DecisionRow
from freeloader.store.sql import past

DETAIL_BYTES_MAX = 16 * 1024
TEXT_CHARS_MAX = 2_000
PROMPT_CHARS_MAX = 256 * 1024
SAVED_BYTES_MAX = 256 * 2**20


class Journal:
    """See the module. Times are wall seconds, amounts picodollars."""

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file
        self.saved_bytes_max = SAVED_BYTES_MAX
        self._fresh_bytes = SAVED_BYTES_MAX  # looked over with the first text after a start

    @property
    def problem(self) -> str | None:
        """What is wrong with the file just now, for people; None: nothing."""
        return self._file.problem

    @property
    def lost(self) -> int:
        """How many rows were dropped since the start because they could not be written."""
        return self._file.writer.counters.lost

    def decision(self, row: DecisionRow) -> None:
        """Write a decision soon; one of the same id is written over. ``detail`` is bounded."""

        self._file.gather(_write_rows, row)

    def attempt(self, row: AttemptRow) -> None:
        """Write an attempt soon; what is known of it later is written over it."""
        self._file.gather(_write_rows, row)

    def texts(
        self, decision_id: str, at: float, make: Callable[[], tuple[str | None, str | None]]
    ) -> None:
        """Keep the text of a request and its answer. Only where the owner asked for it.

        ``make`` gives them, in the writer's thread. The oldest go where all of them
        together are more than ``saved_bytes_max``.
        """

        def put(conn: sqlite3.Connection) -> None:
            kept = [text and text[:PROMPT_CHARS_MAX] for text in make()]
            size = sum(len(text.encode("utf-8", "replace")) for text in kept if text)
            params = dict(zip(("prompt", "response"), kept, strict=True))
            conn.execute(
                past.PROMPT_PUT, {"decision_id": decision_id, "at": at, "bytes": size, **params}
            )
            self._fresh_bytes += size
            if self._fresh_bytes > self.saved_bytes_max // 64:
                self._fresh_bytes = 0
                conn.execute(past.PROMPTS_TOO_MANY, {"bytes": self.saved_bytes_max})

        self._file.post(put)

    async def decisions(
        self,
        limit: int = 50,
        before: float | None = None,
        project: str | None = None,
        since: float | None = None,
        outcome: str | None = None,
        *,
        before_id: str = "",
        until: float | None = None,
        provider: str | None = None,
        model: str | None = None,
        key_id: str | None = None,
        task: str | None = None,
        strategy: str | None = None,
    ) -> list[dict[str, Any]]:
        """Decisions of [since, until), newest first, without ``detail``. Keys as DecisionRow.

        ``before`` is a moment; with ``before_id``, that decision's, whose elders are wanted.
        ``model`` with or without its provider.
        """
        statement = past.DECISIONS if project is None else past.DECISIONS_OF_PROJECT
        params = {
            "limit": limit,
            "before": before,
            "before_id": before_id,
            "project": project,
            "since": since,
            "until": until,
            "outcome": outcome,
            "provider": provider,
            "model": model,
            "key_id": key_id,
            "task": task,
            "strategy": strategy,
        }

        def query(conn: sqlite3.Connection) -> list[dict[str, Any]]:
            return [_decision_from(row) for row in conn.execute(statement, params)]

        return await self._file.read(query)

    async def when(self, decision_id: str) -> float | None:
        """When a decision was made; None: no such one."""

        def query(conn: sqlite3.Connection) -> float | None:
            row = conn.execute(past.DECISION_WHEN, {"id": decision_id}).fetchone()
            return None if row is None else float(row["at"])

        return await self._file.read(query)

    async def get(self, decision_id: str) -> dict[str, Any] | None:
        """One decision with ``detail``, its ``attempts`` (a list, in order) and saved texts."""
        params = {"id": decision_id}

        def query(conn: sqlite3.Connection) -> dict[str, Any] | None:
            row = conn.execute(past.DECISION_GET, params).fetchone()
            if row is None:
                return None
            decision = _decision_from(row)
            tries = conn.execute(past.ATTEMPTS_OF, params)
            # The count of the row gives way to the attempts themselves.
            decision["attempts"] = [_attempt_from(attempt) for attempt in tries]
            texts = conn.execute(past.PROMPT_OF, params).fetchone()
            return decision | (dict(texts) if texts else {})

        return await self._file.read(query)

    async def trim(
        self,
        before: float,
        max_rows: int | None = None,
        max_bytes: int | None = None,
        *,
        slice_rows: int = SLICE,
        pause_s: float = PAUSE_S,
    ) -> int:
        """Delete what is from before ``before``, all but ``max_rows`` decisions, and the oldest
        where the file holds more than ``max_bytes``; how many rows."""
        cutoff = await self._file.cutoff(
            before, max_rows, max_bytes, past.DECISIONS_COUNT, past.DECISIONS_NTH
        )
        gone = 0
        for statement in (past.PROMPTS_TRIM, past.ATTEMPTS_TRIM, past.DECISIONS_TRIM):
            gone += await self._file.in_slices(_trim(statement), cutoff, slice_rows, pause_s)
        return gone

    async def integrity(self, *, thorough: bool = False) -> list[str]:
        """See ``DatabaseFile.integrity``."""
        return await self._file.integrity(thorough=thorough)


def _write_rows(conn: sqlite3.Connection, rows: Sequence[DecisionRow | AttemptRow]) -> None:
    """In the writer's thread: making JSON of them costs more than deciding did."""
    decisions = [_decision_params(row) for row in rows if isinstance(row, DecisionRow)]
    if decisions:
        put_all(conn, past.DECISION_PUT, decisions)
    attempts = [_attempt_params(row) for row in rows if isinstance(row, AttemptRow)]
    if attempts:
        put_all(conn, past.ATTEMPT_PUT, attempts)


_DECISION = attrgetter(*past.DECISION_COLUMNS)
_ATTEMPT = attrgetter(*past.ATTEMPT_COLUMNS)


def _decision_params(row: DecisionRow) -> tuple[Any, ...]:
    reason, detail = row.reason[:TEXT_CHARS_MAX], bounded_json(row.detail)
    return (*_DECISION(row), row.project or "", reason, detail)


def _attempt_params(row: AttemptRow) -> tuple[Any, ...]:
    meters = orjson.dumps(row.meters.as_dict()).decode()
    return (*_ATTEMPT(row), row.reason[:TEXT_CHARS_MAX], meters, bounded_json(row.detail))


def bounded_json(detail: Mapping[str, Any]) -> str:
    """``detail`` as JSON of at most 16 KB: the largest parts go first, and are named."""
    try:
        whole = orjson.dumps(dict(detail), default=str)  # the common case, in a tenth of the time
        if len(whole) <= DETAIL_BYTES_MAX - 1024:
            return whole.decode()
    except orjson.JSONEncodeError:
        pass  # numbers beyond 64 bits, or keys that are no text: json knows what to do
    parts = {key: json.dumps(value, default=str) for key, value in detail.items()}
    dropped: list[str] = []
    while _size(parts) > DETAIL_BYTES_MAX - 1024 and parts:
        largest = max(parts, key=lambda key: len(parts[key]) + len(key))
        del parts[largest]
        dropped.append(largest[:64])
    if dropped:
        parts["dropped"] = json.dumps(dropped[:8])
    return "{" + ", ".join(f"{json.dumps(key)}: {text}" for key, text in parts.items()) + "}"


def _size(parts: Mapping[str, str]) -> int:
    # json.dumps writes ASCII only, so characters are bytes; a key's escapes are at most sixfold.
    return sum(6 * len(key) + len(text) + 6 for key, text in parts.items())


def _trim(statement: str) -> Any:
    def trim(conn: sqlite3.Connection, before: float, slice_rows: int) -> int:
        return conn.execute(statement, {"before": before, "slice": slice_rows}).rowcount

    return trim


def _decision_from(row: sqlite3.Row) -> dict[str, Any]:
    data = dict(row)
    data["project"] = data["project"] or None
    if "detail" in data:
        data["detail"] = json.loads(data["detail"])
    return data


def _attempt_from(row: sqlite3.Row) -> dict[str, Any]:
    return dict(row) | {"meters": json.loads(row["meters"]), "detail": json.loads(row["detail"])}
