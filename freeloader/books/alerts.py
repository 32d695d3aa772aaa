"""Which budgets are near, over their soft or at their hard limit; noticed once per period.

Sends nothing and stops nothing: it only remembers when each was first seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from freeloader.books.purse import Purse
from freeloader.clock import iso
from freeloader.core import budget

#: Notices remembered; the oldest go first.
_KEPT = 1000

_Notice = tuple[str, str, float, str]


class Alerts:
    """First sight of each (scope, kind, period, type), in wall seconds."""

    def __init__(self) -> None:
        self._seen: dict[_Notice, float] = {}

    def notice(self, purse: Purse, project: str | None, now: float) -> None:
        """Spending went up for the whole and for one project."""
        for scope in (None, project or budget.DEFAULT_PROJECT):
            for notice, _ in _due(purse, scope, now):
                self._seen.setdefault(notice, now)
        while len(self._seen) > _KEPT:
            del self._seen[next(iter(self._seen))]

    def current(self, purse: Purse, project: str | None, now: float) -> list[dict[str, Any]]:
        """What holds of the present periods; all scopes, or one project's."""
        names = [None, *purse.rules.allocations] if project is None else [project]
        out = []
        for scope in names:
            for notice, message in _due(purse, scope, now):
                at = self._seen.setdefault(notice, now)
                out.append({"type": notice[3], "message": message, "at": iso(at)})
        return out


def _due(purse: Purse, project: str | None, now: float) -> Iterator[tuple[_Notice, str]]:
    rules, balances = purse.rules, purse.balances
    if project is None:
        scope, whose = budget.GLOBAL, ""
        hard, soft = (
            (rules.hard_daily, rules.hard_monthly),
            (rules.soft_daily, rules.soft_monthly),
        )
    else:
        scope, whose = budget.project_scope(project), f" of project {project}"
        hard, soft = rules.allocation(project), (None, None)
    spans = (balances.days.at(now), balances.months.at(now))
    for i, balance in enumerate(balances.both(scope, now)):
        kind, spent = ("daily", "monthly")[i], balance.spent
        for name, limit in (("hard", hard[i]), ("soft", soft[i])):
            if limit is None or not spent:
                continue
            said = f"{budget.dollars(spent)} of the {kind} {name} limit {budget.dollars(limit)}"
            if spent >= limit:
                yield (scope, kind, spans[i].start, f"{name}_limit"), f"{said}{whose} is spent"
            elif name == "hard" and spent >= limit * rules.alert_at:
                yield (scope, kind, spans[i].start, "near_limit"), f"{said}{whose} is spent"
