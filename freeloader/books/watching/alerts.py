"""What the owner is told: once per period each, kept in the ledger, in force until it ends.

Sends nothing and stops nothing: it remembers what was said, and which limits are near,
reached or going to be. Other rooms may raise alerts of their own (``say``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from freeloader.books.purse import Purse
from freeloader.books.watching.history import History
from freeloader.clock import iso
from freeloader.core import budget
from freeloader.core.budget import projection
from freeloader.core.model import Verdict
from freeloader.core.rows import AlertRow

#: Alerts remembered; the oldest go first (the ledger keeps them all).
_KEPT = 1000
#: Whole days of history without which nothing is foretold.
_FORETELL_FROM = 3

_Key = tuple[str, str, str]


class Alerts:
    """By (type, scope, period). ``unsaved`` are those that the ledger has not yet taken."""

    def __init__(self) -> None:
        self._said: dict[_Key, AlertRow] = {}
        self.unsaved: list[AlertRow] = []

    def load(self, rows: Iterable[AlertRow]) -> None:
        """What earlier runs said already."""
        self._said.update({(row.type, row.scope, row.period): row for row in rows})

    def say(
        self, kind: str, scope: str, period: str, message: str, now: float, **data: Any
    ) -> AlertRow | None:
        """The alert, if it is the first of its kind, scope and period.

        ``data``: ``until`` (wall seconds) ends its being shown; ``limit`` (picodollars)
        is the limit that it speaks of: with another one it is shown no more.
        """
        key = (kind, scope, period)
        if key in self._said:
            return None
        row = self._said[key] = AlertRow(now, kind, scope, period, message, data)
        self.unsaved.append(row)
        while len(self._said) > _KEPT:
            del self._said[next(iter(self._said))]
        del self.unsaved[:-_KEPT]
        return row

    def unsay(self, row: AlertRow) -> None:
        """As if it had not been said."""
        self._said.pop((row.type, row.scope, row.period), None)
        self.unsaved = [one for one in self.unsaved if one is not row]

    def said(self) -> list[AlertRow]:
        """All of them, oldest first."""
        return list(self._said.values())

    def find(self, kind: str) -> list[AlertRow]:
        """All of one type, oldest first."""
        return [row for row in self._said.values() if row.type == kind]

    def notice(self, purse: Purse, project: str | None, key_id: str, now: float) -> None:
        """Spending went up for the whole, one project and one key."""
        for scope in budget.scopes(project, key_id):
            for kind, period, message, data in _due(purse, scope, now):
                self.say(kind, scope, period, message, now, **data)

    def refused(self, purse: Purse, verdict: Verdict, now: float) -> None:
        """A hold that an empty budget would have had room for: the budget is used up."""
        facts = verdict.facts
        scope, kind, needs = facts.get("scope"), facts.get("period"), facts.get("needsUsd")
        if verdict.code != "budget_exceeded" or not scope or not kind or needs is None:
            return
        limit = purse.limit_of(str(scope), str(kind))
        if limit is None or needs > facts["limitUsd"]:
            return
        span, balance = purse.balances.current(str(scope), str(kind), now)
        said = _words("hard", str(scope), str(kind), balance.spent, limit)
        period = _period(str(kind), span.start, limit)
        message = f"{said}; nothing that costs fits any more"
        self.say("hard_limit", str(scope), period, message, now, until=span.end, limit=limit)

    def overrun(self, purse: Purse, model: str, cost: int, held: int, now: float) -> None:
        """A provider counted more than was held: a limit may have been passed by that much."""
        span = purse.balances.days.at(now)
        message = (
            f"{model} cost {budget.dollars(cost)} where {budget.dollars(held)} was held: "
            "the provider counted more than can be foreseen"
        )
        self.say("overrun", budget.GLOBAL, f"daily {iso(span.start)}", message, now, until=span.end)

    def foretell(self, purse: Purse, history: History, now: float) -> None:
        """At this rate the month's budget ends on the 19th."""
        rules, balances = purse.rules, purse.balances
        limit = rules.hard_monthly if rules.hard_monthly is not None else rules.soft_monthly
        days = history.days(rules.timezone, now)
        if limit is None or len(days) < _FORETELL_FROM:
            return
        day, month = balances.both(budget.GLOBAL, now)
        if month.spent >= limit:
            return
        found = projection.forecast(days, day.spent, month.spent, limit, rules.timezone, now)
        span = balances.months.at(now)
        if found.exhausted_at is None or found.exhausted_at >= span.end:
            return
        when = projection.local_day(found.exhausted_at, rules.timezone)
        message = (
            f"at this rate the month's budget of {budget.dollars(limit)} ends on the "
            f"{projection.ordinal(when.day)} ({when.isoformat()}); "
            f"{budget.dollars(found.month)} by the end of the month"
        )
        period = _period("monthly", span.start, limit)
        self.say("projected", budget.GLOBAL, period, message, now, until=span.end, limit=limit)

    def current(self, purse: Purse, project: str | None, now: float) -> list[dict[str, Any]]:
        """What is in force now; of everybody, or of one project. Oldest first."""
        wanted = None if project is None else budget.project_scope(project)
        names = [None, *purse.rules.allocations] if project is None else [project]
        for name in names:
            self.notice(purse, name, "", now)
        return [
            {"type": row.type, "message": row.message, "at": iso(row.at)}
            for row in self._said.values()
            if wanted in (None, row.scope) and _in_force(row, purse, now)
        ]


def _in_force(row: AlertRow, purse: Purse, now: float) -> bool:
    if row.type.endswith("_confirmed") or now >= float(row.data.get("until") or 0):
        return False
    limit, kind = row.data.get("limit"), row.period.split(" ", 1)[0]
    if limit is None:
        return True
    if row.type in ("soft_limit", "projected"):
        soft = purse.soft_of(kind)
        return limit in ((soft,) if row.type == "soft_limit" else (soft, purse.rules.hard_monthly))
    return bool(limit == purse.limit_of(row.scope, kind))


def _due(purse: Purse, scope: str, now: float) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """(type, period, message, data) of every limit of one scope that is near or reached."""
    for kind in ("daily", "monthly"):
        soft = purse.soft_of(kind) if scope == budget.GLOBAL else None
        if soft is None and purse.limit_of(scope, kind) is None:
            continue
        span, balance = purse.balances.current(scope, kind, now)
        spent = balance.spent
        for name, limit in (("hard", purse.limit_of(scope, kind)), ("soft", soft)):
            if limit is None or not spent:
                continue
            data = {"until": span.end, "limit": limit}
            said, period = _words(name, scope, kind, spent, limit), _period(kind, span.start, limit)
            if spent >= limit:
                yield f"{name}_limit", period, said, data
            if name == "hard" and spent >= limit * purse.rules.alert_at:
                yield "near_limit", period, said, data


def _period(kind: str, start: float, limit: int) -> str:
    """A limit that was changed is another one, and may be told in the same day again."""
    return f"{kind} {iso(start)} {limit}"


def _words(name: str, scope: str, kind: str, spent: int, limit: int) -> str:
    whose, _, of = scope.partition(":")
    owner = f" of {whose} {of}" if of else ""
    amounts = f"{budget.dollars(spent)} of the {kind} {name} limit {budget.dollars(limit)}"
    return f"{amounts}{owner} is spent"
