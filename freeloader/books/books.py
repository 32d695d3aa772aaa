"""The books: one attempt's holds, settlements and releases over quota, money and pauses.

Memory changes without awaiting inside, so a decision and its hold see one state;
where money is in play the hold is durable before it is given out. Nothing is
sent, ranked by quota, or written in SQL here; the parts are in the modules beside, and
what only looks at them is ``books.standing``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType

from freeloader.books.breakers import PREFIX as PAUSES
from freeloader.books.breakers import hanging
from freeloader.books.pacer import KEY as PACING
from freeloader.books.ports import Facts, Hold, Settlement
from freeloader.books.purse import charge, guessed_cost, hold_cost
from freeloader.books.rows import believed
from freeloader.books.standing import Standing, counted
from freeloader.clock import Instant
from freeloader.core import budget
from freeloader.core.budget import BudgetRules
from freeloader.core.feedback import Opinion
from freeloader.core.model import Account, Deployment, Policy, Profile, Verdict
from freeloader.core.outcome import Outcome
from freeloader.core.outcome.headers import Observation
from freeloader.core.pacing.plan import need_of
from freeloader.core.quota import Reservation
from freeloader.errors import Unavailable
from freeloader.money import LIST, Meters, Surcharge

_NO_FACTS = Facts()
#: Header values kept with one open hold.
_SEEN_MAX = 64
#: The wall clock may be so many seconds off what it was before it counts as set.
_SLIGHT = 0.5
_FAULTS = frozenset({"their_fault", "overloaded", "model_gone", "quality_failure"})


class Books(Standing):
    """One event loop owns it; no locks."""

    def watch(self, changed: Callable[[], None]) -> None:
        """Called, without waiting, whenever something may have come free."""
        self._watchers.append(changed)

    # ── what exists, what is allowed ─────────────────────────────────────────

    def set_deployments(self, deployments: Sequence[Deployment]) -> None:
        """All enabled deployments. An account that changed is given another chance."""
        before = {d.account.name: d.account for d in self._deployments.values()}
        after = {d.account.name: d.account for d in deployments}
        for name, account in after.items():
            if name in before and not _same(before[name], account):
                self._breakers.reset(account.provider, account.idx)
        self._deployments = MappingProxyType({d.id: d for d in deployments})
        self._health.keep_only(frozenset(self._deployments))
        self._health.heed(self._said())
        self._ranking.replace(self._deployments)
        self._quotas.replaced()
        self._allowances.replace(deployments)
        if self._sums.begun:  # before that, what windows have counted is not known
            self._quotas.join(deployments, self._clock.now().wall)
            self._allowances.look(self._clock.now().wall)
        self._pacer.replaced()
        self._breakers.replaced()
        self._version += 1
        self._changed()

    def heed(self, opinions: Mapping[tuple[str, str], Opinion]) -> None:
        """What people said of answers, by public model and task: it moves the orders at once."""
        self._opinions = dict(opinions)
        self._ranking.touch(self._health.heed(self._said()))

    def _said(self) -> dict[str, dict[str, Opinion]]:
        """The opinions by deployment: all accounts of a model share what is said of it."""
        of_model: dict[str, dict[str, Opinion]] = {}
        for (model, task), opinion in self._opinions.items():
            of_model.setdefault(model, {})[task] = opinion
        found = ((d.id, of_model.get(d.public_model)) for d in self._deployments.values())
        return {name: said for name, said in found if said is not None}

    async def configure(self, rules: BudgetRules) -> None:
        """Other limits, from the next request on. A new time zone reads the ledger again.

        Raises ValueError for an unknown zone, Unavailable where the ledger cannot be
        read; the old rules stay in force then.
        """
        await self._sums.configure(rules)
        self._changed()

    def reset(self, provider: str | None, idx: int | None, now: Instant) -> int:
        """Forgets pauses and quota counts of everything, a provider or an account; how many.

        A key that shares another's account has its counts and pauses there.
        """
        keys: frozenset[str] = frozenset()
        for one in self._numbers(provider, idx):
            self._breakers.reset(provider, one)
            keys |= self._quotas.reset(provider, one, now.wall)
        self._quota_alerts.forget(keys)
        self._allowances.look(now.wall)
        self._changed()
        return len(keys)

    def learnt(self, provider: str | None, idx: int | None) -> int:
        """How many limits were learnt of everything, a provider or an account."""
        learner = self._quotas.learner
        return sum(learner.learnt(provider, one) for one in self._numbers(provider, idx))

    def unlearn(self, provider: str | None, idx: int | None, now: Instant) -> int:
        """Forgets limits that were learnt of everything, a provider or an account; how many."""
        count = sum(self._quotas.unlearn(provider, one) for one in self._numbers(provider, idx))
        self._allowances.look(now.wall)
        self._changed()
        return count

    def _numbers(self, provider: str | None, idx: int | None) -> set[int | None]:
        """An account's number and that of the one it shares; None stands for all."""
        named = () if provider is None or idx is None else self._of_account(provider, idx)
        return {idx, *(d.account.same_account_as for d in named)} - ({None} - {idx})

    def renewed(self, provider: str, idx: int) -> None:
        """The account has another key: what was refused to the former one is tried afresh. Its
        quota may be the same."""
        self._breakers.reset(provider, idx)
        self._changed()

    def listed_anew(self) -> None:
        """The child knows other models than before: what it had left out is tried afresh."""
        self._breakers.listed_anew()
        self._changed()

    def wanted(self, profile: Profile, policy: Policy, now: Instant) -> None:
        """A request came: what is asked by the hour, and of which need, is what pacing goes by."""
        self._see(now)
        need, label = need_of(policy, profile)
        self._pacer.note(need, label, profile.expected, now.wall)

    def taken(self, hold: Hold, profile: Profile, policy: Policy) -> None:
        """The hold is for such a request: its deployment has one less due to it, and what the
        answer comes to says what others will."""
        need, _ = need_of(policy, profile)
        hold.sort = self._pacer.taken(need, profile.expected, hold.deployment)

    # ── one attempt ──────────────────────────────────────────────────────────

    async def reserve(
        self,
        attempt_id: str,
        request_id: str,
        deployment: Deployment,
        upper: Meters,
        project: str | None,
        key_id: str,
        policy: Policy,
        now: Instant,
        surcharge: Surcharge = LIST,
    ) -> Hold | Verdict:
        """All windows and all budgets of the candidate, or none.

        The same attempt again gets the hold it has. Raises nothing for a ledger
        that fails: that is the verdict ``ledger_unavailable``.
        """
        if attempt_id in self._open:
            return self._open[attempt_id]
        self._see(now)
        upper = counted(upper)
        cost = hold_cost(deployment, upper, surcharge)
        if deployment.billable and not self._sums.knows(now.wall):
            if (unknown := await self._sums.unknown(now.wall)) is not None:
                return unknown
            if attempt_id in self._open:
                return self._open[attempt_id]
        refused = (
            self.paused(deployment, now.wall)
            or self._quotas.check(deployment, upper, now.wall)
            or self._sums.purse.check(
                deployment, cost, project, key_id, policy.max_cost, request_id, now.wall
            )
        )
        if refused is not None:
            return refused
        guessing = cost is None
        if cost is None:
            cost = guessed_cost(upper, surcharge) if self.rules.limits_anything else 0
        hold = Hold(attempt_id, request_id, deployment, project, key_id, upper, cost, now, guessing)
        hold.surcharge = surcharge
        self._claim(hold)
        try:
            await self._durable.hold(hold)
        except (Unavailable, OSError) as problem:
            self._undo(hold)
            return Verdict("budget", "ledger_unavailable", f"paid calls wait: {problem}")
        except BaseException:  # cancelled: the hold may be on disk, and must not stay there
            self._undo(hold)
            self._durable.forget(hold)
            raise
        return hold

    async def settle(
        self, hold: Hold, used: Meters, basis: str, now: Instant, facts: Facts = _NO_FACTS
    ) -> Settlement:
        """What was used, charged to the periods of the hold. Once: again gives the same answer.

        ``basis``: ``reported`` (by the provider), ``counted`` (by us; never above the
        hold), ``hold`` (nothing is known: all of it). While the ledger has a problem
        memory is right, and the charge waits in the ledger's queue.
        """
        if hold.settlement is not None:
            return hold.settlement
        self._see(now)
        said = counted(used)
        meters = believed(said)
        cost = charge(hold.deployment, meters, basis, hold.cost, hold.surcharge)
        unpriced = hold.estimated
        if facts.proven_free and basis == "reported" and hold.deployment.model.free:
            cost, unpriced = 0, False
        guessed = basis != "reported" or hold.estimated or meters != said
        overrun = max(0, cost - hold.cost)
        done = Settlement(
            hold.attempt_id, cost, hold.cost, overrun, meters, basis, guessed, unpriced
        )
        hold.settlement = done
        self._open.pop(hold.attempt_id, None)
        self._quotas.settle(hold.reservations, hold.deployment, meters, now.wall)
        self._allowances.look_at(hold.deployment.id, now.wall)
        if hold.sort is not None and basis == "reported":
            self._pacer.came_to(hold.sort, meters)
        self._look(hold, hold.seen, now.wall)
        asked = 0 if hold.balances[0].requests else 1  # of this request, an attempt was already
        budget.settle(hold.balances, hold.cost, cost, asked)
        self._changed()
        self._sums.charged(hold, cost)
        self._watcher.charged(self._sums.purse, hold, cost, now)
        try:
            await self._durable.settle(hold, done, facts, now.wall)
        finally:
            self._breakers.end(hold.deployment, hold.attempt_id)
            self._changed()
        return done

    async def release(self, hold: Hold, now: Instant, *, sent: bool = True) -> Settlement:
        """Provably nothing was consumed. ``sent``: it did reach the provider, and was refused.

        Once, and never after a settlement.
        """
        if hold.settlement is not None:
            return hold.settlement
        self._see(now)
        done = Settlement(hold.attempt_id, 0, hold.cost, 0, Meters(), "released", False)
        hold.settlement = done
        self._open.pop(hold.attempt_id, None)
        self._quotas.release(hold.reservations, now.wall, sent=sent)
        self._allowances.look_at(hold.deployment.id, now.wall)
        self._look(hold, hold.seen, now.wall)
        budget.release(hold.balances, hold.cost)
        self._changed()
        try:
            await self._durable.release(hold, now.wall)
        finally:
            self._breakers.end(hold.deployment, hold.attempt_id)
            self._changed()
        return done

    def observe(
        self,
        deployment: Deployment,
        observations: Sequence[Observation],
        now: Instant,
        hold: Hold | None = None,
    ) -> None:
        """What an answer's headers say of quotas. ``hold``: of the attempt that got the answer;
        without it counts are only ever raised, since nobody knows what was sent since.

        While the hold is open it is kept with it: what it means depends on whether
        the call is settled or released.
        """
        self._see(now)
        if hold is None:
            self._quotas.observe(deployment, observations, now.wall)
        elif hold.settlement is None:
            hold.seen = (*hold.seen, *observations)[-_SEEN_MAX:]
        else:
            self._look(hold, observations, now.wall)

    def marks(self, provider: str, idx: int, now: Instant) -> Sequence[Reservation]:
        """An account's windows just before its provider is asked what is left."""
        return self._quotas.marks(self._of_account(provider, idx), now.wall)

    def told(
        self,
        provider: str,
        idx: int,
        seen: Sequence[Observation],
        marks: Sequence[Reservation],
        now: Instant,
    ) -> None:
        """What a provider's quota endpoint says. ``marks``: of before it was asked."""
        self._see(now)
        mine = self._of_account(provider, idx)
        self._quotas.told(mine, seen, marks, now.wall)
        for deployment in mine:
            self._warn(deployment, now.wall)
        self._changed()

    def record(
        self,
        deployment: Deployment,
        outcome: Outcome | None,
        latency_ms: float | None,
        first_ms: float | None,
        output_tokens: int,
        now: Instant,
    ) -> None:
        """How an attempt ended (None: well): feeds health, breaker, and what is spent."""
        self._see(now)
        if outcome is None or outcome.kind == "ok":
            self._health.answered(deployment.id, latency_ms, first_ms, output_tokens, now.mono)
            self._ranking.touch((deployment.id,))
            self._breakers.succeeded(deployment, now)
            self._changed()
            return
        if outcome.kind == "quality_failure":  # it answers, and badly
            self._breakers.succeeded(deployment, now)
        if outcome.kind in _FAULTS:
            self._health.failed(deployment.id, now.mono)
            self._ranking.touch((deployment.id,))
        until = None
        if outcome.kind == "spent":
            until = self._quotas.exhaust(
                deployment, outcome.metric, outcome.window, outcome.until, now.wall
            )
        self._quotas.taught(deployment, outcome, now.wall)
        self._warn(deployment, now.wall)
        hang = hanging(outcome, latency_ms, first_ms)
        self._breakers.failed(deployment, outcome, until, hang, now)

    def refused(self, verdict: Verdict, now: Instant) -> None:
        """A request was turned away by a budget: where that is used up, the owner is told."""
        self._watcher.alerts.refused(self._sums.purse, verdict, now.wall)

    async def confirm_spike(self, now: Instant) -> bool:
        """The owner lets paid calls go on that a spike stopped; False: none did.

        Durable on return. Raises Unavailable (and they stay stopped) where it cannot be.
        """
        return await self._watcher.confirm(self._sums.purse, now)

    # ── the ledger ───────────────────────────────────────────────────────────

    async def load(self) -> None:
        """Once, at start, after the ledger's recovery: spent sums, and windows as last saved.

        What was in flight when a window was saved counts as used. Raises Unavailable
        where the ledger cannot be read; until it was, nothing is paid for: an unread
        ledger is not an empty one.
        """
        now = self._clock.now()
        self._see(now)
        windows = await self._ledger.load_windows()
        fresh = await self._sums.first(now)
        pauses = [row for row in windows if row.key.startswith(PAUSES)]
        others = (row for row in windows if not row.key.startswith(PAUSES))
        self._quotas.take(row for row in others if row.key != PACING)
        await self._pacer.take(windows, self._ledger, now.wall)
        self._breakers.load(pauses, now.wall)
        self._sums.inherit(fresh)
        await self._watcher.load(fresh, now.wall)
        self._sums.begin(fresh)
        self._quotas.join(tuple(self._deployments.values()), now.wall)
        self._allowances.look(now.wall)

    async def flush_dirty(self) -> int:
        """Saves changed windows, soon; to be called every 250 ms. How many there were.

        What fails stays dirty for the next call. Old measurements fade here too.
        """
        now = self._clock.now()
        self._see(now)  # where all rest nobody reserves, and a clock set back would not be noticed
        self._ranking.touch(self._health.fade(now.mono))
        self._allowances.look(now.wall)
        await self._extras.alerts()
        self._watcher.save()
        if self._sums.begun:
            with suppress(Unavailable, OSError):  # paid calls find out by themselves
                await self._sums.know(now.wall)
        self._pacer.step(self._deployments.values(), self._quotas.likely, now.wall)
        await self._extras.demand(now.wall)
        return await self._durable.save(now.wall, wait=False)

    async def flush(self) -> None:
        """Everything that waits is on disk on return. Raises Unavailable where it is not."""
        self._quotas.dirty.update(self._quotas.learner.everything())
        now = self._clock.now().wall
        await self._extras.all_demand(now)
        await self._durable.save(now, wait=True)

    # ── parts ────────────────────────────────────────────────────────────────

    def _see(self, now: Instant) -> None:
        """How the two clocks relate just now: ``paused`` is asked in wall time only, and a wall
        clock that was set makes no quota."""
        skew = self._skew = now.mono - now.wall
        if not -_SLIGHT < skew - self._agreed < _SLIGHT:
            self._clock_moved(now)

    def _clock_moved(self, now: Instant) -> None:
        """By sleep, which is time that passed, or because it was set, which is not."""
        slept, moved = self._asleep(), self._agreed - self._skew
        self._quotas.clock_set(moved - (slept - self._slept), now.wall)
        self._agreed, self._slept = self._skew, slept

    def _look(self, hold: Hold, seen: Sequence[Observation], now: float) -> None:
        """Headers of an attempt that is over."""
        accepted = hold.settlement is not None and hold.settlement.basis != "released"
        if seen:
            self._quotas.observe(hold.deployment, seen, now, hold.reservations, accepted=accepted)
        self._warn(hold.deployment, now)

    def _warn(self, deployment: Deployment, now: float) -> None:
        self._quota_alerts.look(deployment, self._quotas.bound(deployment, now), now)

    def _claim(self, hold: Hold) -> None:
        now = hold.at.wall
        hold.reservations = self._quotas.reserve(hold.deployment, hold.upper, now)
        hold.balances = self._sums.purse.claim(
            hold.request_id, hold.project, hold.key_id, hold.cost, now
        )
        self._allowances.look_at(hold.deployment.id, now)
        self._breakers.begin(hold.deployment, hold.attempt_id)
        self._open[hold.attempt_id] = hold

    def _undo(self, hold: Hold) -> None:
        self._quotas.release(hold.reservations, hold.at.wall, sent=False)
        self._allowances.look_at(hold.deployment.id, hold.at.wall)
        budget.release(hold.balances, hold.cost)
        self._breakers.end(hold.deployment, hold.attempt_id)
        self._open.pop(hold.attempt_id, None)
        self._changed()

    def _changed(self) -> None:
        for watcher in self._watchers:
            watcher()


def _same(one: Account, other: Account) -> bool:
    """True where nothing changed that a pause could have been about."""
    return replace(one, priority=other.priority) == other
