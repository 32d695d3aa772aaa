"""Which action of the owner a spent limit sets in force, and what it changes for a request.

The owner chooses one each for soft limits, hard limits and projects' limits:

warn        an alert; everything goes on (a hard limit, and a project's, let no hold pass them)
downgrade   the cheaper strategy, ``cost-first``, until the period ends
local-only  nothing that can be billed; local models first (``local-first``)
block       nothing that can be billed: 402, naming the limit and its reset

Models that cost nothing stay usable under every action. A soft limit is reached when it is
spent; a hard or project's limit also when no candidate's hold fits it any more
(``last_resort``). Sends no alert and holds no money: that is ``budget``'s and the books'.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from freeloader.core import budget
from freeloader.core.budget import BudgetRules
from freeloader.core.budget.balances import Balances
from freeloader.core.model import Level, Verdict
from freeloader.core.periods import iso
from freeloader.money import usd_from_pico

WARN, DOWNGRADE, LOCAL_ONLY, BLOCK = "warn", "downgrade", "local-only", "block"
#: Under these nothing that can be billed may serve.
STOPPING = (LOCAL_ONLY, BLOCK)
_STRENGTH = {WARN: 0, DOWNGRADE: 1, LOCAL_ONLY: 2, BLOCK: 3}
_STRATEGY = {DOWNGRADE: "cost-first", LOCAL_ONLY: "local-first"}


class InForce(NamedTuple):
    """One action, and the limit that set it in force. ``until`` is wall seconds, None: no end.

    ``kind``: ``soft | hard | project``, or ``spike`` for paid calls stopped after one.
    ``facts`` are the numbers of the limit, JSON-ready.
    """

    action: str
    kind: str
    budget: str
    reason: str
    until: float | None
    facts: dict[str, object]

    def shown(self) -> dict[str, object]:
        """As answers, decisions and ``/v1/budget`` have it."""
        until = None if self.until is None else iso(self.until)
        said = {"action": self.action, "budget": self.budget, "reason": self.reason}
        return {**said, "until": until}


class Spending(NamedTuple):
    """What the books say of a request's money before it is decided. ``found``: strongest first."""

    found: tuple[InForce, ...] = ()
    output_ceiling: int = 8_192

    @property
    def level(self) -> Level | None:
        return level(self.found) if self.found else None


def in_force(
    rules: BudgetRules, balances: Balances, project: str | None, now: float
) -> tuple[InForce, ...]:
    """Every action whose limit is spent, for a request of ``project``; the strongest first."""
    if not rules.limits_anyone:
        return ()
    found = [
        *_spent(rules, balances, budget.GLOBAL, "soft", now),
        *_spent(rules, balances, budget.GLOBAL, "hard", now),
        *_spent(rules, balances, budget.project_scope(project), "project", now),
    ]
    return tuple(sorted(found, key=lambda one: -_STRENGTH[one.action]))


def level(found: Iterable[InForce]) -> Level | None:
    """What the strongest action says of policy. It stands nearer than the request itself."""
    action = next((one.action for one in found if one.action in _STRATEGY), None)
    return None if action is None else level_of(action)


def level_of(action: str) -> Level | None:
    """The level of one action; None for those that change no preference."""
    strategy = _STRATEGY.get(action)
    return None if strategy is None else Level("budget", strategy=strategy)


def stopped(found: Sequence[InForce]) -> Verdict | None:
    """Why nothing that can be billed may serve; None: it may, as far as its hold fits.

    Hard limits and those of projects are not asked here: they are kept by their holds, under
    any action.
    """
    soft = (one for one in found if one.kind in ("soft", "spike"))
    one = next((one for one in soft if one.action in STOPPING), None)
    if one is None:
        return None
    return Verdict("budget", "budget_exceeded", one.reason, one.until, facts=one.facts)


def last_resort(verdicts: Iterable[Verdict | None]) -> tuple[str, Verdict] | None:
    """The action of a limit that left nobody to serve, where it could change that."""
    for verdict in verdicts:
        if verdict is None or verdict.gate != "budget" or verdict.code != "budget_exceeded":
            continue
        action = verdict.facts.get("action")
        if action in _STRATEGY:
            return str(action), verdict
    return None


def of_verdict(action: str, verdict: Verdict) -> InForce:
    """The action of a hard or project's limit that no hold fits any more."""
    name = str(verdict.facts.get("budget", "budget"))
    kind = "project" if "of project" in name else "hard"
    return InForce(action, kind, name, verdict.reason, verdict.until, dict(verdict.facts))


def _spent(
    rules: BudgetRules, balances: Balances, scope: str, kind: str, now: float
) -> Iterator[InForce]:
    action = {"soft": rules.on_soft, "hard": rules.on_hard, "project": rules.on_project}[kind]
    limits = {
        "soft": (rules.soft_daily, rules.soft_monthly),
        "hard": (rules.hard_daily, rules.hard_monthly),
        "project": rules.allocation(scope.removeprefix("project:")),
    }[kind]
    for period, limit in zip(("daily", "monthly"), limits, strict=True):
        if limit is None:
            continue
        span, balance = balances.current(scope, period, now)
        if balance.spent < limit or (not balance.spent and kind != "hard"):
            continue
        name = f"{period} soft budget" if kind == "soft" else budget.name_of(scope, period)
        reason = (
            f"{name}: {budget.dollars(balance.spent)} of {budget.dollars(limit)} spent; "
            f"{_WORDS[action]} until {iso(span.end)}"
        )
        facts: dict[str, object] = {
            "budget": name,
            "setting": _setting(scope, kind, period),
            "action": action,
            "limitUsd": usd_from_pico(limit),
            "spentUsd": usd_from_pico(balance.spent),
            "heldUsd": usd_from_pico(balance.held),
            "needsUsd": None,
            "resetsAt": iso(span.end),
        }
        yield InForce(action, kind, name, reason, span.end, facts)


_WORDS = {
    WARN: "a warning",
    DOWNGRADE: "cheaper models",
    LOCAL_ONLY: "nothing that is billed",
    BLOCK: "nothing that is billed",
}


def _setting(scope: str, kind: str, period: str) -> str | None:
    return f"budget.soft.{period}" if kind == "soft" else budget.setting_of(scope, period)
