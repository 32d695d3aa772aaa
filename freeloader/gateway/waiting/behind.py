"""The books as somebody sees them who comes after those that wait: their claims are taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeloader.core import budget
from freeloader.core.model import Deployment, Policy, Verdict
from freeloader.gateway.ports import BooksPort
from freeloader.money import Meters

#: Claims on budgets, beside those on windows.
_MONEY = "budget:"


class Behind:
    """A ``Snapshot`` of books in which the claims of those ahead are taken."""

    def __init__(self, books: BooksPort, ahead: Mapping[str, int]) -> None:
        self._books, self._ahead = books, ahead
        self._money = {n.removeprefix(_MONEY) for n in ahead if n.startswith(_MONEY)}

    def __getattr__(self, name: str) -> Any:
        """Everything else of a snapshot is as the books have it."""
        return getattr(self._books, name)

    def quota(self, deployment: Deployment, upper: Meters, now: float) -> Verdict | None:
        return self._books.quota_behind(deployment, upper, now, self._ahead)

    def budget(
        self,
        deployment: Deployment,
        cost: int | None,
        project: str | None,
        policy: Policy,
        now: float,
        key_id: str | None = None,
        request_id: str | None = None,
    ) -> Verdict | None:
        """Budgets are given out strictly in turn: what comes free is the first one's."""
        found = self._books.budget(deployment, cost, project, policy, now, key_id, request_id)
        if found is not None or not cost or not self._money:
            return found
        mine = self._money & budget.names(project, key_id)
        if not mine:
            return None
        reason = f"{min(mine)}: other requests wait for it first"
        return Verdict("budget", "budget_busy", reason, now + budget.RECHECK)


def money_claim(verdict: Verdict) -> dict[str, int]:
    """What somebody claims who waits for money that others hold: the budget, whole."""
    return {f"{_MONEY}{verdict.facts.get('budget', '')}": 1}
