"""Where the routes ask about the past: analytics, usage by group, the audit.

Puts questions to the store and answers as contract §10 has them. What a caller may
see is decided by the routes: ``project`` is then the only one asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from freeloader.clock import Clock, iso
from freeloader.core.budget import DEFAULT_PROJECT
from freeloader.errors import InvalidRequest
from freeloader.manage.ports import AuditLedger, DecisionsPort, ExporterPort, ReportsPort
from freeloader.manage.reports import figures, periods, rows
from freeloader.money import known_usd
from freeloader.settings.spelling import nearest
from freeloader.store.reports.analytics import Tally
from freeloader.store.rows import AuditRow

Row = dict[str, Any]

#: What ``/v1/usage`` can be grouped by → the columns of the store, and their names in the answer.
GROUPS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "day": (("day",), ("day",)),
    "hour": (("hour",), ("hour",)),
    "provider": (("provider",), ("provider",)),
    "account": (("provider", "account"), ("provider", "account")),
    "model": (("provider", "model"), ("provider", "model")),
    "project": (("project",), ("project",)),
    "key": (("key_id",), ("key",)),
    "task": (("task",), ("task",)),
    "outcome": (("outcome",), ("outcome",)),
    "none": ((), ()),
}
_WHOLE = ("provider", "model", "project", "task")
#: Requests without a project have the budget ``default``, and are called so everywhere.
_NOBODY = {"project": DEFAULT_PROJECT, "task": "(none)", "provider": "(none)"}
_DAYS_DEFAULT = 30


@dataclass(frozen=True, slots=True)
class Export:
    """Requests as rows, in pieces; ``count`` is about how many there are."""

    count: int
    pieces: AsyncIterator[list[Row]]


class Desk:
    """``premium`` names the model that is compared with; ``budget`` is the view of
    ``/v1/budget`` of a project (None: all) now."""

    def __init__(
        self,
        reports: ReportsPort,
        ledger: AuditLedger,
        journal: DecisionsPort,
        exporter: ExporterPort,
        clock: Clock,
        premium: Callable[[], str | None],
        budget: Callable[[str | None], Mapping[str, Any]],
    ) -> None:
        self._reports, self._ledger, self._journal = reports, ledger, journal
        self._exporter = exporter
        self._clock, self._premium, self._budget = clock, premium, budget

    async def analytics(self, period: str, project: str | None) -> Row:
        """``GET /v1/analytics``. Raises InvalidRequest for a period that nobody knows."""
        span = periods.span_of(period, self._clock.now().wall)
        ask = {"project": project}
        groups = await self._reports.tally(span.since, span.until, _WHOLE, **ask)
        step = ("hour",) if span.hours else ("day",)
        series = await self._reports.tally(span.since, span.until, step, **ask)
        speed = await self._reports.latencies(span.since, span.until, hours=span.hours, **ask)
        whole, premium = self._sum(groups), self._premium()
        return {
            "period": span.name,
            "from": iso(span.since),
            "to": iso(span.until),
            "totalCost": figures.cost(whole),
            "unpriced": whole.unpriced,
            "totalRequests": whole.asked,
            "avgCostPerRequest": figures.average(whole),
            "savings": figures.savings_of(premium, whole),
            "byProvider": figures.grouped(groups, _NOBODY["provider"], (0,)),
            "byModel": figures.grouped(groups, "", (0, 1)),
            "byProject": figures.grouped(groups, _NOBODY["project"], (2,)),
            "byTask": figures.grouped(groups, _NOBODY["task"], (3,)),
            "series": [
                figures.point(at, series.get((at,)), speed.get(at), premium is not None)
                for at in await self._steps(span)
            ],
            "costProjection": figures.projection(self._budget(project)),
        }

    async def usage(
        self, since: str | None, until: str | None, group: str | None, project: str | None
    ) -> Row:
        """``GET /v1/usage``: [from, to) by one group. Raises InvalidRequest."""
        now = self._clock.now().wall
        stop = now if until is None else periods.moment(until, "to", end=True)
        start = (
            stop - _DAYS_DEFAULT * periods.DAY_S if since is None else periods.moment(since, "from")
        )
        if start >= stop:
            raise InvalidRequest("from must be before to.", param="from")
        wanted = (group or "day").strip().casefold()
        wanted = {"keyid": "key", "keys": "key"}.get(wanted.replace("_", ""), wanted)
        if wanted not in GROUPS:
            close = nearest(wanted, GROUPS)
            hint = f"did you mean {close!r}?" if close else f"known are: {', '.join(GROUPS)}."
            raise InvalidRequest(f"Unknown group {wanted[:40]!r}; {hint}", param="group")
        columns, names = GROUPS[wanted]
        found = await self._reports.tally(start, stop, columns, project=project)
        lines: dict[tuple[Any, ...], Tally] = {}
        for key, tally in found.items():
            lines.setdefault(_named(key, names), Tally()).add(tally)
        listed = [
            {**dict(zip(names, key, strict=True)), **figures.line(tally)}
            for key, tally in sorted(lines.items(), key=lambda one: tuple(map(str, one[0])))
        ]
        return {
            "from": iso(start),
            "to": iso(stop),
            "group": wanted,
            "rows": listed,
            "total": figures.line(self._sum(found)),
        }

    async def audit(self, limit: int, before: str | None, kind: str, what: str | None) -> Row:
        """``GET /v1/audit``, newest first: what was changed by whom, and where requests went.

        ``kind``: ``all | changes | requests``; ``before`` a moment; ``what`` the beginning of
        an act's name (``config``, ``key.create``). Raises InvalidRequest.
        """
        moment = None if before is None else periods.moment(before, "before")
        entries: list[tuple[float, Row]] = []
        if kind in ("all", "changes"):
            changes = await self._ledger.audits(limit, moment, what)
            entries += [(row.at, _change(row)) for row in changes]
        if kind in ("all", "requests") and (what is None or "request".startswith(what)):
            made = await self._journal.decisions(limit, moment)
            entries += [(float(row["at"]), _request(row)) for row in made]
        entries.sort(key=lambda one: one[0], reverse=True)
        kept = entries[:limit]
        more = len(entries) >= limit
        return {
            "audit": [shown for _, shown in kept],
            "before": repr(kept[-1][0]) if kept and more else None,
        }

    async def export(self, since: str | None, until: str | None, project: str | None) -> Export:
        """``GET /v1/export``: [from, to), by default everything. Raises InvalidRequest."""
        start = 0.0 if since is None else periods.moment(since, "from")
        stop = self._clock.now().wall if until is None else periods.moment(until, "to", end=True)
        if start >= stop:
            raise InvalidRequest("from must be before to.", param="from")
        count = await self._exporter.count(start, stop, project)
        return Export(count, _flat(self._exporter.pieces(start, stop, project)))

    async def note(self, who: str, what: str, subject: str = "", **detail: Any) -> None:
        """Appends one line about an act of an owner that changes nothing in the ledger itself."""
        await self._ledger.audit(AuditRow(self._clock.now().wall, who, what, subject, detail))

    def _sum(self, tallies: Mapping[tuple[Any, ...], Tally]) -> Tally:
        whole = Tally()
        for tally in tallies.values():
            whole.add(tally)
        return whole

    async def _steps(self, span: periods.Span) -> list[str]:
        """Without the days before the first of which anything is known, beyond a month."""
        every = periods.steps(span)
        if span.hours or len(every) <= _DAYS_DEFAULT + 1:
            return every
        begun = await self._reports.begun()
        return [at for at in every if begun is not None and at >= begun] or every[-_DAYS_DEFAULT:]


def _named(key: tuple[Any, ...], names: tuple[str, ...]) -> tuple[Any, ...]:
    """As people read it: requests without a project are those of ``default``."""
    nobody = {"project": DEFAULT_PROJECT}
    parts = zip(key, names, strict=True)
    return tuple(nobody.get(name) if part == "" else part for part, name in parts)


async def _flat(pieces: AsyncIterator[list[Row]]) -> AsyncIterator[list[Row]]:
    async for piece in pieces:
        yield [rows.flat(one) for one in piece]


def _change(row: AuditRow) -> Row:
    return {
        "at": iso(row.at),
        "who": row.who,
        "what": row.what,
        "subject": row.subject,
        "detail": dict(row.detail),
        "id": row.id,
    }


def _request(row: Mapping[str, Any]) -> Row:
    """A decision as a line of the audit."""
    return {
        "at": iso(float(row["at"])),
        "who": row["key_id"],
        "what": "request",
        "subject": row["model"] or row["requested"],
        "detail": {
            "requested": row["requested"],
            "project": row["project"],
            "strategy": row["strategy"],
            "outcome": row["outcome"],
            "reason": row["reason"],
            "attempts": row["attempts"],
            "costUsd": known_usd(int(row["cost_pico"]), bool(row["unpriced"])),
        },
        "id": row["id"],
    }
