"""How the books stand: all that is asked of them and changes nothing.

What a decision asks (``core.snapshot.Snapshot``) and what is shown of quotas, budgets and
alerts. What an attempt claims, settles or leaves behind is ``books.Books``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from freeloader.books import views
from freeloader.books.breakers import Breakers
from freeloader.books.durable import Durable
from freeloader.books.extras import Extras
from freeloader.books.health import HealthBook
from freeloader.books.pacer import Pacer
from freeloader.books.ports import Hold, LedgerPort
from freeloader.books.ranking import Ranking
from freeloader.books.reckoning import Reckoning
from freeloader.books.watching.watcher import Watcher
from freeloader.books.windows import shown
from freeloader.books.windows.alerts import QuotaAlerts
from freeloader.books.windows.allowances import Allowances
from freeloader.books.windows.quotas import Quotas
from freeloader.clock import Clock, Instant
from freeloader.core.budget import BudgetRules, actions
from freeloader.core.feedback import Opinion
from freeloader.core.model import Deployment, Policy, Verdict
from freeloader.core.pacing.plan import Strain
from freeloader.core.quota import Window
from freeloader.core.snapshot import Health, Rank
from freeloader.money import Meters


class Standing:
    """Implements ``core.snapshot.Snapshot``. It has all parts of the books, and moves none."""

    def __init__(
        self,
        ledger: LedgerPort,
        clock: Clock,
        rules: BudgetRules,
        asleep: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """``asleep``: seconds that the machine was suspended until now. Raises ValueError for
        rules in a time zone that does not exist."""
        self._ledger, self._clock, self._asleep = ledger, clock, asleep
        self._deployments: Mapping[str, Deployment] = MappingProxyType({})
        self._version = 0
        now = clock.now()
        # How the two clocks relate: at the last look, and when the wall clock was last set.
        self._skew = self._agreed = now.mono - now.wall
        self._slept = asleep()
        self._health = HealthBook()
        self._opinions: dict[tuple[str, str], Opinion] = {}
        self._ranking = Ranking(self._health.of)
        self._breakers = Breakers()
        self._quotas = Quotas()
        self._allowances = Allowances(self._quotas, self._covers)
        self._pacer = Pacer()
        self._watcher = Watcher(ledger)
        self._quota_alerts = QuotaAlerts()
        self._open: dict[str, Hold] = {}
        self._sums = Reckoning(ledger, clock, rules, self._open)
        self._durable = Durable(ledger, self._quotas, self._breakers)
        self._extras = Extras(ledger, self._pacer, self._quota_alerts)
        self._watchers: list[Callable[[], None]] = []

    # ── what a decision asks ─────────────────────────────────────────────────

    @property
    def version(self) -> int:
        return self._version

    @property
    def deployments(self) -> Mapping[str, Deployment]:
        return self._deployments

    @property
    def rules(self) -> BudgetRules:
        return self._sums.purse.rules

    @property
    def spent_known(self) -> bool:
        """False until the ledger was read: nothing is paid for, and no sum means anything."""
        return self._sums.begun

    @property
    def no_money(self) -> str | None:
        """Why nothing is paid for just now; None: it is."""
        if self._ledger.problem is not None:
            return self._ledger.problem
        return None if self._sums.begun else "what was spent is not read yet"

    @property
    def open_holds(self) -> Sequence[Hold]:
        """Attempts that are neither settled nor released."""
        return tuple(self._open.values())

    def ranked(self, rank: Rank) -> Sequence[str]:
        """Ids, best first. A live list: read it before awaiting anything."""
        return self._ranking.ranked(rank)

    def health(self, deployment: str) -> Health:
        return self._health.of(deployment)

    def paused(self, deployment: Deployment, now: float) -> Verdict | None:
        return self._breakers.refusal(deployment, now, now + self._skew)

    def quota(self, deployment: Deployment, upper: Meters, now: float) -> Verdict | None:
        return self._quotas.check(deployment, upper if upper.requests else counted(upper), now)

    def beyond_ceiling(self, deployment: Deployment, asked: Meters, now: float) -> Verdict | None:
        """Of one request; ``asked`` has the bound that the client gave its answer."""
        return self._quotas.beyond_ceiling(deployment, asked, now)

    def quota_behind(
        self, deployment: Deployment, upper: Meters, now: float, ahead: Mapping[str, int]
    ) -> Verdict | None:
        """As ``quota``, were ``ahead`` (by window key) held already: of those who wait."""
        return self._quotas.behind(deployment, counted(upper), now, ahead)

    def claims(self, deployment: Deployment, upper: Meters, now: float) -> Mapping[str, int]:
        """What a call refused for quota lacks: how much it needs, by the key of the window."""
        return self._quotas.claims(deployment, counted(upper), now)

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
        """With ``key_id``, the key's own budget too, and with ``request_id`` what is left of the
        request's limits (``reserve`` always looks at both)."""
        purse = self._sums.purse
        return purse.check(deployment, cost, project, key_id, policy.max_cost, request_id, now)

    def spending(self, project: str | None, now: float) -> actions.Spending:
        """Which of the owner's actions are in force for a project's requests, and the ceiling."""
        purse = self._sums.purse
        return actions.Spending(purse.in_force(project, now), purse.rules.output_ceiling)

    def strain(
        self, deployment: Deployment, expected: Meters, need: float, now: float
    ) -> Strain | None:
        """None for what can be billed: money has its budgets, and goes last anyway; and where
        as much as one likes is given, and no refusal taught otherwise."""
        if deployment.billable or deployment.local or self._pacer.ample(deployment.id, now):
            return None
        windows, meters = self._quotas.likely(deployment, expected, now)
        if deployment.provider.unlimited and all(w.kind == "concurrency" for w in windows):
            return None
        return self._pacer.strain(deployment, windows, meters, expected, need, now)

    def _covers(self, deployments: Collection[str], covered: bool) -> None:
        self._health.cover(deployments, covered)
        self._ranking.touch(deployments)

    # ── what is shown ────────────────────────────────────────────────────────

    def budget_view(self, project: str | None, now: Instant) -> dict[str, Any]:
        """``GET /v1/budget`` (contract §10); with a project, its own day and month."""
        purse = self._sums.purse
        alerts = self._watcher.current(purse, project, now)
        days = self._watcher.history.days(purse.rules.timezone, now.wall)
        view = views.budgets(purse.rules, purse.balances, project, alerts, days, now.wall)
        view["actions"] = [one.shown() for one in purse.in_force(project, now.wall)]
        return view

    def windows_view(self, now: Instant) -> list[dict[str, Any]]:
        """Every quota window, one row per account whose limits are unknown, and one where a
        refusal lasts of which no window tells."""
        every, mono = self._deployments.values(), now.mono
        refused = {
            owner: (deployment, until)
            for deployment in every
            for owner, until in self._breakers.spent(deployment, now.wall, mono)
        }
        return shown.overview(self._quotas, every, refused, now.wall)

    def quota_alerts(self, now: Instant) -> list[dict[str, Any]]:
        """Windows nearly or wholly used, and keys that somebody else uses too."""

        def who_counts(was: Deployment, key: str) -> tuple[Deployment, Window] | None:
            some = self._of_account(was.provider.id, was.account.idx)
            return self._quotas.who_counts(some, key, now.wall)

        return self._quota_alerts.current(now.wall, who_counts)

    def _of_account(self, provider: str, idx: int) -> list[Deployment]:
        every = self._deployments.values()
        return [d for d in every if d.provider.id == provider and d.account.idx == idx]

    def windows_of(self, deployment: Deployment, now: Instant) -> list[dict[str, Any]]:
        """The windows that one deployment counts in."""
        pairs = ((deployment, window) for window in self._quotas.bound(deployment, now.wall))
        return shown.windows(pairs, (), now.wall)


def counted(meters: Meters) -> Meters:
    """Every call is at least one request."""
    return meters if meters.requests else replace(meters, requests=1)
