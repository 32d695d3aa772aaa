"""Budgets: does a hold of so many picodollars fit, now or ever; who is charged in which period.

Hard means hard: an admitted hold never lifts spent + held over a hard limit.
A hold belongs to the periods it was made in, and is settled there, so that
midnight never moves money. Reads no clock, knows no prices, sends no alerts.
All amounts are integer picodollars, all times Unix seconds (wall).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from freeloader.core.budget.balances import Balance, Balances
from freeloader.core.model import EMPTY, Verdict
from freeloader.core.periods import Period, iso
from freeloader.money import dollars, usd_from_pico

GLOBAL = "global"
#: The allocation of requests without a project, and of projects without their own.
DEFAULT_PROJECT = "default"
#: Seconds after which a hold that did not fit for other holds' sake may be tried again.
RECHECK = 1.0


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """The owner's limits in picodollars; ``None``: no such limit.

    ``allocations`` (by project, with ``default``) and ``keys`` (by key id) give
    (daily, monthly). Both are hard under every action.
    Periods follow the calendar of ``timezone``. ``alert_at`` is the share of a hard limit
    at which a warning is due. ``on_soft``, ``on_hard`` and ``on_project`` are actions
    (``core.budget.actions``). Spending over ten minutes of ``spike_factor`` times the usual is a
    spike, which stops paid calls if ``spike_stops_paid``. ``output_ceiling`` bounds the
    tokens of an answer whose model has no known bound.
    """

    hard_daily: int | None = None
    hard_monthly: int | None = None
    hard_per_request: int | None = None
    soft_daily: int | None = None
    soft_monthly: int | None = None
    allocations: Mapping[str, tuple[int | None, int | None]] = EMPTY
    keys: Mapping[str, tuple[int | None, int | None]] = EMPTY
    timezone: str = "UTC"
    alert_at: float = 0.8
    on_soft: str = "warn"
    on_hard: str = "block"
    on_project: str = "block"
    spike_factor: float = 10.0
    spike_stops_paid: bool = False
    output_ceiling: int = 8_192

    @property
    def limits_anything(self) -> bool:
        """False where there is no budget at all: nobody has to count what nobody knows."""
        own = (limit for pair in self.keys.values() for limit in pair)
        return self.limits_anyone or any(limit is not None for limit in own)

    @property
    def limits_anyone(self) -> bool:
        """False where the owner set no limit but those of single keys and requests."""
        every = {self.hard_daily, self.hard_monthly, self.soft_daily, self.soft_monthly}
        return bool(self.allocations) or every != {None}

    def allocation(self, project: str | None) -> tuple[int | None, int | None]:
        """(daily, monthly) of one project: each its own, else the default's.

        One by one, so that a project that is given another daily limit keeps the monthly one
        that it lived under.
        """
        none = (None, None)
        own = none if project is None else self.allocations.get(project, none)
        daily, monthly = self.allocations.get(DEFAULT_PROJECT, none)
        return (daily if own[0] is None else own[0], monthly if own[1] is None else own[1])

    def in_force(self, project: str | None, key_id: str | None, max_cost: int | None) -> bool:
        """True if any hard limit applies: then an unknown price cannot be admitted."""
        own = self.keys.get(key_id, (None, None)) if key_id is not None else (None, None)
        limits = (
            self.hard_daily,
            self.hard_monthly,
            self.hard_per_request,
            max_cost,
            *self.allocation(project),
            *own,
        )
        return any(limit is not None for limit in limits)


def scopes(project: str | None, key_id: str | None) -> tuple[str, ...]:
    """The scopes that a request is charged to."""
    mine = (GLOBAL, project_scope(project))
    return mine if not key_id else (*mine, f"key:{key_id}")


def project_scope(project: str | None) -> str:
    return f"project:{DEFAULT_PROJECT if project is None else project}"


def names(project: str | None, key_id: str | None) -> frozenset[str]:
    """What the budgets are called that a request may be refused by (``facts["budget"]``)."""
    every = scopes(project, key_id)
    return frozenset(name_of(scope, kind) for scope in every for kind in ("daily", "monthly"))


def admit(
    rules: BudgetRules,
    balances: Balances,
    cost: int,
    project: str | None,
    key_id: str | None,
    now: float,
) -> Verdict | None:
    """None if a hold of ``cost`` fits every daily and monthly limit.

    Else the refusal that lasts longest: one that no settling of other holds can
    lift (``budget_exceeded``, until the period ends, or for ever where the limit is
    smaller than the hold) before one that may pass in a moment (``budget_busy``).
    What costs nothing is never refused.
    """
    if cost <= 0:
        return None
    worst: Verdict | None = None
    for scope, daily, monthly in _limits(rules, project, key_id):
        for kind, limit in (("daily", daily), ("monthly", monthly)):
            if limit is None:
                continue
            span, balance = balances.current(scope, kind, now)
            if balance.spent + balance.held + cost <= limit:
                continue
            verdict = _refusal(rules, scope, kind, limit, balance, span, cost, now)
            if worst is None or _lasting(verdict) > _lasting(worst):
                worst = verdict
    return worst


def admit_request(limit: int | None, before: int, cost: int, name: str) -> Verdict | None:
    """A cap on one request: what its attempts were and are charged, and this one, together."""
    if limit is None or cost <= 0 or before + cost <= limit:
        return None
    also = f" besides {dollars(before)} of earlier attempts" if before else ""
    reason = f"may cost {dollars(cost)}{also}, the {name} limit is {dollars(limit)}"
    facts = {
        "budget": name,
        "setting": "budget.hard.per_request" if name == "per-request" else None,
        "limitUsd": usd_from_pico(limit),
        "spentUsd": usd_from_pico(before),
        "needsUsd": usd_from_pico(cost),
        "resetsAt": None,
    }
    return Verdict("budget", "budget_exceeded", reason, facts=facts)


def price_unknown(model: str) -> Verdict:
    reason = (
        f"the price of {model} is unknown and a hard budget applies: "
        "set its price in a registry overlay, or use a model with a price"
    )
    return Verdict("price", "price_unknown", reason)


def hold(balances: tuple[Balance, ...], cost: int) -> None:
    for balance in balances if cost else ():
        balance.held += cost


def settle(balances: tuple[Balance, ...], held: int, cost: int, asked: int = 1) -> None:
    """The hold becomes what it cost, in the periods the hold was made in. ``asked``: 0 where
    another attempt of the same request was counted as that."""
    for balance in balances:
        balance.requests += asked
        balance.held -= held
        balance.spent += cost


def release(balances: tuple[Balance, ...], held: int) -> None:
    for balance in balances:
        balance.held -= held


def _limits(
    rules: BudgetRules, project: str | None, key_id: str | None
) -> list[tuple[str, int | None, int | None]]:
    """The scopes with limits that apply, each with its daily and its monthly one."""
    found = [(GLOBAL, rules.hard_daily, rules.hard_monthly)]
    if rules.allocations:
        found.append((project_scope(project), *rules.allocation(project)))
    if key_id and key_id in rules.keys:
        found.append((f"key:{key_id}", *rules.keys[key_id]))
    return found


def name_of(scope: str, kind: str) -> str:
    """What a budget is called: ``daily budget of project a``."""
    whose, _, name = scope.partition(":")
    return f"{kind} budget" if scope == GLOBAL else f"{kind} budget of {whose} {name}"


def setting_of(scope: str, kind: str) -> str | None:
    """Where the limit is written; None for a key's, which is fixed when the key is made."""
    whose, _, name = scope.partition(":")
    if whose == "key":
        return None
    if scope == GLOBAL:
        return f"budget.hard.{kind}"
    part = f'"{name}"' if "." in name else name
    return f"budget.allocations.{part}.{kind}"


def _refusal(
    rules: BudgetRules,
    scope: str,
    kind: str,
    limit: int,
    balance: Balance,
    span: Period,
    cost: int,
    now: float,
) -> Verdict:
    """Why a hold does not fit one limit."""
    name = name_of(scope, kind)
    spent = f"{dollars(balance.spent)} of {dollars(limit)} spent"
    facts = {
        "budget": name,
        "setting": setting_of(scope, kind),
        "scope": scope,
        "period": kind,
        "action": rules.on_project if scope.startswith("project:") else rules.on_hard,
        "limitUsd": usd_from_pico(limit),
        "spentUsd": usd_from_pico(balance.spent),
        "heldUsd": usd_from_pico(balance.held),
        "needsUsd": usd_from_pico(cost),
        "resetsAt": iso(span.end),
    }
    if balance.spent + cost <= limit:
        reason = f"{name}: {spent}, {dollars(balance.held)} held by requests in flight"
        return Verdict("budget", "budget_busy", reason, now + RECHECK, facts=facts)
    if cost > limit:
        reason = (
            f"{name}: a hold of {dollars(cost)} is more than all of {dollars(limit)}; "
            f"resets {iso(span.end)}"
        )
        return Verdict("budget", "budget_exceeded", reason, facts=facts)
    reason = f"{name}: {spent}, a hold of {dollars(cost)} does not fit; resets {iso(span.end)}"
    return Verdict("budget", "budget_exceeded", reason, span.end, facts=facts)


def _lasting(verdict: Verdict) -> tuple[int, float]:
    if verdict.code == "budget_busy":
        return (0, 0.0)
    return (2, 0.0) if verdict.until is None else (1, verdict.until)
