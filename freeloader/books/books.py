"""The books: one attempt's holds, settlements and releases over quota, money and pauses.

Memory changes without awaiting inside, so a decision and its hold see one state;
where money is in play the hold is durable before it is given out. Nothing is
sent, ranked by quota, or written in SQL here; the parts are in the modules beside, and
what only looks at them is ``books.standing``'s, what their owner changes ``books.owners``',
and what is kept over restarts ``books.remembering``'s.
"""

from __future__ import annotations

from collections.abc import Sequence

from freeloader.books.breakers import hanging
from freeloader.books.ports import Facts, Hold, Settlement
from freeloader.books.purse import charge, guessed_cost, hold_cost
from freeloader.books.remembering import Remembering
from freeloader.books.rows import believed
from freeloader.books.standing import counted
from freeloader.clock import Instant
from freeloader.core import budget
from freeloader.core.model import Deployment, Policy, Profile, Verdict
from freeloader.core.outcome import Outcome
from freeloader.core.outcome.headers import Observation
from freeloader.core.pacing.plan import need_of
from freeloader.core.quota import Reservation
from freeloader.errors import Unavailable
from freeloader.money import LIST, Meters, Surcharge

_NO_FACTS = Facts()
#: Header values kept with one open hold.
_SEEN_MAX = 64
_FAULTS = frozenset({"their_fault", "overloaded", "model_gone", "quality_failure"})


class Books(Remembering):
    """One event loop owns it; no locks."""

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
            self._warn([deployment], now.wall)
        self._changed()

    def record(
        self,
        deployment: Deployment,
        outcome: Outcome | None,
        latency_ms: float | None,
        first_ms: float | None,
        output_tokens: int,
        now: Instant,
        asked: Meters | None = None,
    ) -> None:
        """How an attempt ended (None: well): feeds health, breaker, and what is spent. ``asked``:
        what was held for it."""
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
        self._quotas.refused(deployment, outcome, asked, now.wall)
        until = None
        if outcome.kind == "spent":
            until = self._quotas.exhaust(
                deployment, outcome.metric, outcome.window, outcome.until, now.wall
            )
        running = (hold.deployment for hold in self._open.values())
        if self._quotas.taught(deployment, outcome, now.wall, running):
            for hold in self._open.values():
                hold.reservations += self._quotas.crowd(
                    hold.deployment, hold.reservations, now.wall
                )
        self._warn([deployment], now.wall)
        hang = hanging(outcome, latency_ms, first_ms)
        self._breakers.failed(deployment, outcome, until, hang, now)

    # ── parts ────────────────────────────────────────────────────────────────

    def _look(self, hold: Hold, seen: Sequence[Observation], now: float) -> None:
        """Headers of an attempt that is over."""
        accepted = hold.settlement is not None and hold.settlement.basis != "released"
        if seen:
            self._quotas.observe(hold.deployment, seen, now, hold.reservations, accepted=accepted)
        self._warn([hold.deployment], now)

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
