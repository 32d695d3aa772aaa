"""The money of the books: who is charged, what one request may cost, what a restart knows.

Sums and limits are ``core.budget``'s; durable rows are written by ``books.books``.
Amounts are integer picodollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from freeloader.books.ports import Hold, LedgerPort
from freeloader.clock import Instant
from freeloader.core import budget
from freeloader.core.budget import BudgetRules, actions
from freeloader.core.budget.balances import Balance, Balances
from freeloader.core.model import Deployment, Verdict
from freeloader.core.periods import Period
from freeloader.money import LIST, UNKNOWN_PRICE, Meters, Surcharge

#: A million dollars: no single hold is larger, and no single charge.
HOLD_MAX = 10**18
#: Requests whose earlier attempts are remembered for the limit per request.
_REQUESTS_KEPT = 4096
#: Pairs of project and key whose sums are remembered.
_SUMS_KEPT = 256
#: Wall seconds beyond every clock: the year 9999.
_FAR = 253_000_000_000.0


@dataclass(frozen=True, slots=True)
class Spent:
    """(picodollars, requests) by scope, of the current day and month."""

    day: Mapping[str, tuple[int, int]]
    month: Mapping[str, tuple[int, int]]
    #: True where the ledger has charges of later days: a clock had been ahead.
    later: bool = False


class Purse:
    """``balances`` are the sums in force; ``rules`` the owner's limits."""

    def __init__(self, rules: BudgetRules) -> None:
        self.rules = rules
        #: A spike that stops paid calls until the owner confirms.
        self.stop: actions.InForce | None = None
        self.balances = Balances(rules.timezone)
        self._requests: dict[str, Balance] = {}
        #: Sums by project and key, as far as they were looked up in this day and month.
        self._sums: dict[tuple[str | None, str], tuple[Balance, ...]] = {}
        self._span = (0.0, 0.0)
        self._known_from = self._newest = float("-inf")
        self._later = False

    def check(
        self,
        deployment: Deployment,
        cost: int | None,
        project: str | None,
        key_id: str | None,
        max_cost: int | None,
        request_id: str | None,
        now: float,
    ) -> Verdict | None:
        """None if a hold of ``cost`` (None: price unknown) may be made.

        ``max_cost`` is what the request may still cost; what other attempts of it
        hold right now is counted against it, what they have cost already is not.
        """
        if not deployment.billable:
            return None
        if cost is None:
            if (stop := self._stopped(project, now)) is not None:
                return stop
            unknown = self.rules.in_force(project, key_id, max_cost)
            return budget.price_unknown(deployment.public_model) if unknown else None
        if cost > HOLD_MAX:
            reason = f"may cost {budget.dollars(cost)}: more than any single hold may be"
            return Verdict("budget", "budget_exceeded", reason)
        capped = self._per_request(cost, max_cost, request_id)
        capped = capped or budget.admit(self.rules, self.balances, cost, project, key_id, now)
        if capped is None or capped.code == "budget_busy":
            capped = self._stopped(project, now) or capped
        return capped

    def _per_request(
        self, cost: int, max_cost: int | None, request_id: str | None
    ) -> Verdict | None:
        """What limits one request, with what its other attempts hold and have cost."""
        limit = self.rules.hard_per_request
        if max_cost is None and limit is None:
            return None
        mine = (self._requests.get(request_id) if request_id is not None else None) or Balance()
        capped = budget.admit_request(max_cost, mine.held, cost, "request's own")
        return capped or budget.admit_request(limit, mine.spent + mine.held, cost, "per-request")

    def _stopped(self, project: str | None, now: float) -> Verdict | None:
        """Asked of every candidate: looks at no sum where no action could stop anything."""
        if self.stop is None and self.rules.on_soft not in actions.STOPPING:
            return None
        return actions.stopped(self.in_force(project, now))

    def in_force(self, project: str | None, now: float) -> tuple[actions.InForce, ...]:
        """The owner's actions that a spent limit or a spike has set in force."""
        found = actions.in_force(self.rules, self.balances, project, now)
        return found if self.stop is None else (self.stop, *found)

    def limit_of(self, scope: str, kind: str) -> int | None:
        """The hard limit of one scope, ``daily`` or ``monthly``."""
        whose, _, name = scope.partition(":")
        if whose == "project":
            pair = self.rules.allocation(name)
        elif whose == "key":
            pair = self.rules.keys.get(name, (None, None))
        else:
            pair = (self.rules.hard_daily, self.rules.hard_monthly)
        return pair[kind == "monthly"]

    def soft_of(self, kind: str) -> int | None:
        return self.rules.soft_monthly if kind == "monthly" else self.rules.soft_daily

    def claim(
        self, request_id: str, project: str | None, key_id: str, cost: int, now: float
    ) -> tuple[Balance, ...]:
        """Holds ``cost`` in every sum it touches; ``check`` was asked in the same breath."""
        found = (self._request(request_id), *self._touched(project, key_id, now))
        budget.hold(found, cost)
        return found

    def _touched(self, project: str | None, key_id: str, now: float) -> tuple[Balance, ...]:
        """The sums that a request is charged to; looked up once in each day."""
        span = (self.balances.days.at(now).start, self.balances.months.at(now).start)
        if span != self._span or len(self._sums) >= _SUMS_KEPT:
            self._span, self._sums = span, {}
        found = self._sums.get((project, key_id))
        if found is None:
            scopes = budget.scopes(project, key_id)
            found = tuple(one for scope in scopes for one in self.balances.both(scope, now))
            self._sums[project, key_id] = found
        return found

    def knows(self, now: float) -> bool:
        """False where the sums of now's day and month were never read, and may not be empty.

        Periods after the one that was read begin empty: the ledger had nothing later.
        """
        day = self.balances.days.at(now).start
        if day < self._known_from or (self.balances.forgotten and day < self._newest):
            return False
        self._newest = max(self._newest, day)
        return not self._later or day == self._known_from

    def add(self, spent: Spent, now: float) -> None:
        """What the ledger says was spent in the current day and month."""
        self._known_from = self._newest = self.balances.days.at(now).start
        self._later = spent.later
        for pick, sums in ((self.balances.day, spent.day), (self.balances.month, spent.month)):
            for scope, (amount, requests) in sums.items():
                balance = pick(scope, now)
                balance.spent += amount
                balance.requests += requests

    def inherit(
        self, old: Purse, open_: Iterable[Hold], settled: Iterable[tuple[Hold, int]]
    ) -> None:
        """Takes over another purse's holds, and what was settled while the ledger was read.

        The latter may be counted twice, never missed.
        """
        self._requests, self.stop = old._requests, old.stop
        for hold in open_:
            budget.release(hold.balances, hold.cost)
            hold.balances = self.claim(
                hold.request_id, hold.project, hold.key_id, hold.cost, hold.at.wall
            )
        for hold, cost in settled:
            for scope in budget.scopes(hold.project, hold.key_id):
                for balance in self.balances.both(scope, hold.at.wall):
                    balance.spent += cost
                    balance.requests += 1

    def _request(self, request_id: str) -> Balance:
        found = self._requests.pop(request_id, None) or Balance()
        self._requests[request_id] = found
        if len(self._requests) > _REQUESTS_KEPT:
            idle = next((k for k, b in self._requests.items() if not b.held), None)
            if idle is not None and idle != request_id:
                del self._requests[idle]
        return found


def hold_cost(deployment: Deployment, upper: Meters, surcharge: Surcharge = LIST) -> int | None:
    """What to hold: 0 where nothing can be billed, list price at most; None: price unknown.

    Also where a free quota should cover it: an account that can be billed holds.
    """
    if not deployment.billable:
        return 0
    price = deployment.model.price
    return None if price is None else surcharge.on(price.ceiling(upper))


def guessed_cost(upper: Meters, surcharge: Surcharge = LIST) -> int:
    """What to hold where the price is unknown and some budget has to be kept."""
    return min(surcharge.on(UNKNOWN_PRICE.ceiling(upper)), HOLD_MAX)


def charge(
    deployment: Deployment, used: Meters, basis: str, held: int, surcharge: Surcharge = LIST
) -> int:
    """What a call is charged: list price of what was used; the hold where that is the basis.

    Of an unknown price it is the guess that was held by, and nothing where nothing was held.
    What we counted ourselves never exceeds the hold; what the provider reports may.
    """
    price = deployment.model.price
    if not deployment.billable or (price is None and not held):
        return 0
    if price is None:
        price = UNKNOWN_PRICE
    if basis == "hold":
        return held
    cost = min(surcharge.on(price.cost(used)), HOLD_MAX)
    return min(cost, held) if basis == "counted" else cost


async def read_spent(ledger: LedgerPort, balances: Balances, now: Instant) -> Spent:
    """The ledger's sums for the current periods. Raises Unavailable where it cannot be read."""
    today = balances.days.at(now.wall)
    later = await ledger.sums(today.end, _FAR)  # also a second attempt, which asked nothing
    day = await _sums(ledger, today)
    return Spent(day, await _sums(ledger, balances.months.at(now.wall)), bool(later))


async def _sums(ledger: LedgerPort, span: Period) -> dict[str, tuple[int, int]]:
    """By scope; requests of keys are not counted apart."""
    sums = {budget.GLOBAL: (0, 0)}

    def add(scope: str, amount: int, requests: int) -> None:
        before = sums.get(scope, (0, 0))
        sums[scope] = (before[0] + amount, before[1] + requests)

    for (project, key), (amount, requests) in (await ledger.sums(span.start, span.end)).items():
        add(budget.GLOBAL, amount, requests)
        add(budget.project_scope(project or None), amount, requests)
        if key:
            add(f"key:{key}", amount, 0)
    return sums
