"""Who may serve now: decide, hold, wait for one's turn, or say why nobody can.

The decision and its hold see one state; what the books refuse is decided again. It
sends nothing, and settles nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from freeloader.clock import Instant
from freeloader.core import explain, fallback
from freeloader.core import routing as deciding
from freeloader.core.model import Verdict
from freeloader.core.policy import patient
from freeloader.core.routing import bounds, relax
from freeloader.core.snapshot import Snapshot
from freeloader.errors import FreeloaderError, QuotaExhausted
from freeloader.gateway import refusal
from freeloader.gateway.lowering import for_attempt
from freeloader.gateway.ports import Hold
from freeloader.gateway.running.so_far import SoFar
from freeloader.gateway.tools import Tools
from freeloader.gateway.waiting import Turn, money_claim

#: How often the books may refuse what the decider allowed before we give up (races only).
_RESERVATIONS_MAX = 32


class Seeker:
    """Finds, for one run, the next candidate and its hold."""

    def __init__(self, so_far: SoFar, tools: Tools) -> None:
        self._so_far, self._tools = so_far, tools

    async def reserve(self) -> tuple[deciding.Candidate, Hold]:
        """The best candidate whose windows and budgets could all be held."""
        now = self._tools.clock.now()
        turn = self.turn(now)
        try:
            return await self._reserve_in(turn, now)
        finally:
            turn.end()

    def turn(self, now: Instant) -> Turn:
        """A place among those who wait, as long as the policy has patience; to be ended."""
        plan, room = self._so_far.plan, self._tools.room
        until = now.mono + self.patience_s()
        profile, policy = plan.profile, plan.policy
        kind = (plan.resolution, policy.gates, profile.needs, profile.bounded, plan.tried)
        money = (plan.project, plan.caller.key_id, policy.max_cost, plan.spent_pico)
        return Turn(room, plan.project, (*kind, *money), profile.upper, until)

    def patience_s(self) -> float:
        """How long the request may still wait. All of its waits together: what it waited
        before an attempt is gone."""
        asked_s = self._so_far.plan.policy.max_wait_ms / 1000
        return max(0.0, self._tools.room.patience_s(asked_s) - self._so_far.waited_s)

    def anyone_left(self, step: fallback.Retry) -> bool:
        """False: after this step all who could serve were asked, and waiting brings nobody."""
        tried = step.tried - fallback.momentary(self._so_far.plan.failures)
        ask = replace(self.ask(self._tools.clock.now()), policy=step.policy, tried=tried)
        if deciding.decide(ask, self._tools.books).winner is not None:
            return True
        every = deciding.refusals(ask, self._tools.books)
        return any(c.verdict is not None and c.verdict.gate != "tried" for c in every)

    async def _reserve_in(self, turn: Turn, now: Instant) -> tuple[deciding.Candidate, Hold]:
        """``now`` is the moment itself: nothing was awaited since."""
        plan, tools = self._so_far.plan, self._tools
        raced = 0
        while raced < _RESERVATIONS_MAX:
            ask, view = self.ask(now), turn.view(tools.books)
            decision = deciding.decide(ask, view)
            if decision.winner is None:
                await self.wait_or_refuse(ask, view, now, turn)
                now = tools.clock.now()
                continue
            turn.taken()
            deployment = decision.winner.deployment
            sent = for_attempt(plan.profile, deployment, decision.winner.output)
            held = await tools.books.reserve(
                f"{self._so_far.decision_id}.{len(self._so_far.attempts) + 1}",
                self._so_far.decision_id,
                deployment,
                bounds.upper_meters(sent, deployment),
                plan.project,
                plan.caller.key_id,
                ask.policy,
                now,
                sent.surcharge,
            )
            if isinstance(held, Verdict):
                turn.lost()
                plan.avoid[deployment.id] = held
                raced, now = raced + 1, tools.clock.now()
                continue
            tools.books.taken(held, plan.profile, ask.policy)
            self._so_far.sent = sent
            return self._choose(decision, ask), held
        ask = self.ask(now)
        raise self._refused(ask, deciding.refusals(ask, tools.books), now)

    async def wait_or_refuse(
        self, ask: deciding.Ask, view: Snapshot, now: Instant, turn: Turn
    ) -> None:
        """Waits until a momentary refusal may have passed; else raises what it was."""
        plan = self._so_far.plan
        open_ = replace(ask, tried=plan.tried - fallback.momentary(plan.failures))
        if open_.tried != ask.tried and deciding.decide(open_, view).winner is not None:
            plan.tried = open_.tried  # what refused this request for its rate serves again
            return
        every = deciding.refusals(open_, view)
        first = _first(every)
        if first is not None and await self.waited(first, ask, now, turn):
            plan.avoid.clear()
            plan.tried = open_.tried
            return
        if _coming(every):
            await self._tools.lane_up()
            return
        calmer = patient(plan.policy)
        if calmer and any(c.verdict is not None and c.verdict.gate == "maxLatency" for c in every):
            plan.policy = calmer
            return
        if plan.failures:
            raise self.failed(first, now)
        if plan.give_way(every):
            plan.avoid.clear()
            return
        if not every and plan.resolution.deployments:
            raise refusal.not_served_yet(plan.resolution.requested)
        raise self._refused(ask, every, now)

    async def waited(
        self, first: deciding.Candidate, ask: deciding.Ask, now: Instant, turn: Turn
    ) -> bool:
        """Whether the wait for ``first`` fitted the request's patience: look again then.

        Where its turn did not come, patience is over, and the next look says how it is then.
        """
        verdict = first.verdict
        assert verdict is not None
        wait = max(0.0, (verdict.until or now.wall) - now.wall)
        if now.mono + wait > turn.patience:
            return False
        if verdict.code == "budget_busy":
            claims: Mapping[str, int] = money_claim(verdict)
        else:
            upper = bounds.upper_meters(ask.profile, first.deployment)
            claims = self._tools.books.claims(first.deployment, upper, now.wall)
        await turn.wait(claims, wait, now.mono)
        waited = self._tools.clock.now().mono - now.mono
        self._so_far.waited_s += waited
        deadline = self._so_far.deadline
        if deadline is not None:
            deadline.reschedule(deadline.when() + waited)  # that was not the provider's time
        return True

    def _refused(
        self, ask: deciding.Ask, every: Sequence[deciding.Candidate], now: Instant
    ) -> FreeloaderError:
        plan = self._so_far.plan
        found = relax.report(ask, self._tools.books, plan.outer()) if every else None
        error = refusal.refused(every, plan.resolution.requested, now.wall, found)
        self._so_far.refusals = dict(
            Counter(c.verdict.gate for c in every if c.verdict is not None)
        )
        told = {c.verdict.reason: c.verdict for c in every if c.verdict and c.verdict.facts}
        for verdict in told.values():
            self._tools.books.refused(verdict, now)
        return self._spread(error)

    def ask(self, now: Instant) -> deciding.Ask:
        """The question as it stands: within what is left of the request's own limit."""
        plan = self._so_far.plan
        policy = plan.policy
        if policy.max_cost is not None and plan.spent_pico:
            policy = replace(policy, max_cost=max(0, policy.max_cost - plan.spent_pico))
        profile = plan.profile
        if profile.project != plan.project:
            profile = replace(profile, project=plan.project)
        out = self._tools.lane_out()
        return deciding.Ask(
            profile,
            policy,
            plan.resolution,
            now.wall,
            plan.tried,
            {**plan.avoid, **out} if out else plan.avoid,
            plan.caller.key_id,
            after=self._tools.sessions.after,
            stay=plan.stay,
            request_id=self._so_far.decision_id,
            no_paid=plan.no_paid,
        )

    def _choose(self, decision: deciding.Decision, ask: deciding.Ask) -> deciding.Candidate:
        assert decision.winner is not None
        books = self._tools.books
        deployment = decision.winner.deployment
        if not deployment.local and self._so_far.plan.policy.strategy == "local-first":
            self._tools.sessions.after = deployment.provider.id
        if _coming(decision.refused):
            self._tools.lane_wanted()
        self._so_far.chosen = chosen = deciding.scored(decision.winner, ask, books)
        self._so_far.refusals = dict(decision.counts or {})
        others = [*decision.alternatives, *decision.refused[: deciding.ALTERNATIVES]]
        self._so_far.alternatives = [
            explain.alternative(deciding.scored(other, ask, books, terms=False)) for other in others
        ]
        return chosen

    def failed(
        self, first: deciding.Candidate | None = None, now: Instant | None = None
    ) -> FreeloaderError:
        """``first``: the candidate that may serve soonest, as it was ``now``."""
        now = now or self._tools.clock.now()
        error = refusal.failed(self._so_far.plan.failures, self._so_far.attempts, now.wall)
        if isinstance(error, QuotaExhausted) and first is not None and first.verdict is not None:
            until = first.verdict.until or now.wall
            error.retry_after = max(1.0, until - now.wall)
        return self._spread(error)

    def _spread(self, error: FreeloaderError) -> FreeloaderError:
        """Not all who are refused at once come back at once."""
        if error.retry_after is not None:
            error.retry_after = self._tools.room.retry_after(error.retry_after)
        return error


def _first(every: Sequence[deciding.Candidate]) -> deciding.Candidate | None:
    """Whose refusal may be over first; None where waiting cannot help."""
    passing = [
        (c.verdict.until, at, c)
        for at, c in enumerate(every)
        if c.verdict is not None and c.verdict.until is not None and c.verdict.gate != "tried"
    ]
    return min(passing)[2] if passing else None


def _coming(refused: Sequence[deciding.Candidate]) -> bool:
    """True if one of them only lacks the lane that is being started for it."""
    return any(c.verdict is not None and c.verdict.code == "starting" for c in refused)
