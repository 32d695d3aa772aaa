"""Small adapters: journal rows and the cron loop as the HTTP front shows them (camelCase JSON)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeloader.clock import iso
from freeloader.money import known_usd
from freeloader.store import Journal
from freeloader.workers.loop import Loop

Row = dict[str, Any]


class Decisions:
    """The journal as ``/v1/decisions`` shows it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def list_decisions(
        self,
        *,
        project: str | None,
        limit: int,
        before: str | None,
        since: float | None = None,
        until: float | None = None,
        **only: str | None,
    ) -> list[Row]:
        """Newest first; ``before`` is the id of a decision, whose elders are wanted.

        ``only``: ``outcome, provider, model, key_id, task, strategy``, those that are not None.
        """
        moment: float | None = None
        if before is not None and (moment := await self._journal.when(before)) is None:
            return []
        rows = await self._journal.decisions(
            limit, moment, project, since, before_id=before or "", until=until, **only
        )
        return [_shown(row) for row in rows]

    async def get_decision(self, decision_id: str) -> Row | None:
        row = await self._journal.get(decision_id)
        if row is None:
            return None
        detail = row.get("detail") or {}
        shown = _shown({k: v for k, v in row.items() if k not in ("detail", "attempts")})
        shown["attempts"] = [_shown_attempt(attempt) for attempt in row.get("attempts") or ()]
        return {**shown, **{k: v for k, v in detail.items() if k not in shown}}


class Jobs:
    """The cron loop as ``/v1/jobs`` shows it."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def list_jobs(self) -> list[Row]:
        return self._loop.listing()

    async def run_now(self, name: str) -> Row:
        return await self._loop.run_now(name)


def _shown(row: Mapping[str, Any]) -> Row:
    inner = ("cost_pico", "detail", "unpriced")
    out = {_camel(key): value for key, value in row.items() if key not in inner}
    out["at"] = iso(row["at"])
    out["costUsd"] = known_usd(int(row.get("cost_pico") or 0), bool(row.get("unpriced")))
    if out.get("project") == "":
        out["project"] = None
    return out


def _shown_attempt(row: Mapping[str, Any]) -> Row:
    detail = row.get("detail") or {}
    return {**_shown(row), **detail}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
