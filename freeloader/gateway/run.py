"""One request's life after parsing: decide, hold, send, settle, decide again.

A ``Run`` is driven by a task of its own, outside the handler's cancellation:
a client that leaves ends the upstream call, never the bookkeeping. Nothing is
given to the client before the first content delta; until then a failure is
answered by deciding again. It parses no bodies and formats no answers.

Holds and attempts are named after the decision, never after the request id:
clients choose that one, and two calls of one name would share one hold.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from operator import is_not
from typing import Any

from freeloader.clock import Instant
from freeloader.core import explain, fallback, relax, scoring
from freeloader.core import routing as deciding
from freeloader.core.events import Delta, End, Fault, Usage
from freeloader.core.fallback import Failed, Retry, Stop
from freeloader.core.flaws import Asked
from freeloader.core.model import (
    EMPTY,
    Attempt,
    Deployment,
    Verdict,
)
from freeloader.core.policy import patient
from freeloader.core.snapshot import Snapshot
from freeloader.errors import FreeloaderError, QuotaExhausted
from freeloader.gateway import guarding, refusal
from freeloader.gateway.attempts import Watch
from freeloader.gateway.keeping import Texts
from freeloader.gateway.lowering import for_attempt
from freeloader.gateway.plan import Plan
from freeloader.gateway.ports import Hold
from freeloader.gateway.settling import Settled, settle
from freeloader.gateway.tools import Tools
from freeloader.gateway.waiting import Turn, money_claim
from freeloader.money import Meters, usd_from_pico
from freeloader.store.rows import DecisionRow

#: Chunks in flight between provider and client: enough to smooth, bounded for slow readers.
_QUEUE = 64
#: How often the books may refuse what the decider allowed before we give up (races only).
_RESERVATIONS_MAX = 32

#: How often somebody looks whether there is room for a retry again, in seconds.
_LOOK_AGAIN_S = 0.05

_CLOSED = object()
_INTERNAL = (
    "Something went wrong inside the daemon; `xswarm logs` has the details under this request's id."
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Flawed:
    """An answer that came whole, with something wrong with it."""

    candidate: deciding.Candidate
    watch: Watch
    settled: Settled


class Run:
    """The pipeline's answer in the making; see the methods a surface uses."""

    def __init__(self, plan: Plan, request_id: str, decision_id: str, tools: Tools) -> None:
        self.decision_id = decision_id
        self.request_id = request_id
        self._plan = plan
        self._tools = tools
        self._started = tools.clock.now()
        self._queue: asyncio.Queue[Any] = asyncio.Queue(_QUEUE)
        self._ready = asyncio.Event()
        self._error: FreeloaderError | None = None
        self._chosen: deciding.Candidate | None = None
        self._alternatives: list[dict[str, Any]] = []
        #: Refusals by gate, as far as the last decision looked (all, where nobody may serve).
        self._refusals: dict[str, int] = {}
        self._attempts: list[dict[str, Any]] = []
        self._watch: Watch | None = None
        self._retried: float | None = None  # when the retry began that is under way
        self._settled: Settled | None = None
        self._left = False
        self._flawed: Flawed | None = None
        self._texts = Texts(tools.rules.keeping())
        self._deadline: asyncio.Timeout | None = None
        self._waited_s = 0.0
        #: The sentence that was made last, and what it was made of.
        self._reasoned: tuple[tuple[Any, ...], str] | None = None
        self._task = tools.tasks.start(self._drive(), f"run {request_id}")
        tools.load.begin()
        self._task.add_done_callback(lambda _: tools.load.end())

    # ── what a surface uses ──────────────────────────────────────────────────

    async def first(self, timeout: float) -> bool:
        """True once content (or the whole JSON body) is there; False: not within ``timeout`` s
        (``inf``: the caller has a limit of its own).

        Raises the FreeloaderError that the request ended in.
        """
        if timeout == inf:
            await self._ready.wait()
        elif not self._ready.is_set():
            try:
                async with asyncio.timeout(timeout):
                    await self._ready.wait()
            except TimeoutError:
                return False
        if self._error is not None:
            raise self._error
        return True

    async def events(self) -> AsyncIterator[Delta | Usage | End | Fault]:
        """Deltas (``model`` rewritten), then Usage, then End or Fault."""
        while (item := await self._queue.get()) is not _CLOSED:
            yield item
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """The client went away. What was used is still settled.

        A whole answer that is paid for is waited for, for a while: only its end says what
        it used. Any other call to a provider ends now.
        """
        if self._task.done():
            return
        if self._watch is None or not self._watch.worth_waiting_for:
            self._task.cancel()
        else:
            self._wait_a_while()

    def _wait_a_while(self) -> None:
        """Nobody is there any more; what is under way may end by itself, but not for ever."""
        if not self._left:
            self._left = True
            loop = asyncio.get_running_loop()
            end = loop.call_later(self._tools.leave_seconds, self._task.cancel)
            self._task.add_done_callback(lambda _: end.cancel())

    def headers(self) -> dict[str, str]:
        """``X-Freeloader-*`` as far as known; cost only where nothing more can come."""
        out = {"X-Freeloader-Decision-Id": self.decision_id}
        if self._plan.in_force:
            strongest = self._plan.in_force[0]
            said = f"{strongest.action}: {strongest.reason}"
            out["X-Freeloader-Budget-Action"] = _header_safe(said)
        if self._chosen is None:
            return out
        deployment = self._chosen.deployment
        out["X-Freeloader-Provider"] = deployment.provider.id
        out["X-Freeloader-Model"] = deployment.public_model
        out["X-Freeloader-Strategy"] = self._plan.policy.strategy
        out["X-Freeloader-Reason"] = _header_safe(self._reason())
        out["X-Freeloader-Attempts"] = str(len(self._attempts) or 1)
        if (lowered := self._lowered()) is not None:
            out["X-Freeloader-Max-Tokens"] = str(lowered)
        if self._settled is not None:
            out["X-Freeloader-Cost-Usd"] = f"{usd_from_pico(self._plan.spent_pico):.12f}"
        if self._watch is not None and self._watch.left_out:
            out["X-Freeloader-Dropped"] = ", ".join(self._watch.left_out)
        if (private := guarding.header(self._plan.profile)) is not None:
            out["X-Freeloader-Privacy"] = _header_safe(private)
        if self._plan.resolution.substituted:
            out["X-Freeloader-Substituted"] = _header_safe(self._plan.resolution.requested)
        return out

    def routing(self) -> dict[str, Any]:
        """The ``routing`` object of the answer."""
        plan = self._plan
        if self._chosen is None:
            out = {"requested": plan.resolution.requested, "attempts": len(self._attempts)}
            if plan.in_force:
                out["budgetActions"] = [one.shown() for one in plan.in_force]
            private = plan.profile.private
            return out | ({"privacy": private.as_dict()} if private and private.counts else {})
        shown = explain.routing(
            self._chosen,
            plan.policy,
            plan.resolution,
            plan.profile,
            len(self._attempts) or 1,
            self._alternatives,
            self._reason(),
        )
        if self._waited_s >= 0.001:
            shown["waitedMs"] = round(self._waited_s * 1000)
        if plan.in_force:
            shown["budgetActions"] = [one.shown() for one in plan.in_force]
        if (lowered := self._lowered()) is not None:
            shown["maxTokens"] = lowered
        saved = self._savings()
        if self._watch is not None and self._watch.flaw is not None:
            shown["flaw"] = self._watch.flaw
        return shown if saved is None else {**shown, "savings": saved}

    def accounting(self) -> dict[str, Any]:
        """Tokens, cost and time of the finished answer; what quota it used."""
        settled = self._settled
        used = settled.used if settled is not None else Meters()
        elapsed = self._tools.clock.now().mono - self._started.mono
        return {
            "tokensIn": used.input + used.cache_read + used.cache_write,
            "tokensOut": used.output,
            "costUsd": usd_from_pico(self._plan.spent_pico),
            "latencyMs": round(elapsed * 1000),
            "quotaUsed": used.as_dict() if self._free() else {},
            "estimated": settled is None or settled.basis != "reported",
            "savings": self._savings(),
        }

    def budget(self) -> dict[str, Any]:
        """The seed's three numbers, in dollars."""
        now = self._tools.clock.now()
        whole = self._tools.books.budget_view(None, now)
        out = {
            "dailySpent": whole["daily"]["spent"],
            "dailyRemaining": whole["daily"]["remaining"],
            "projectSpent": None,
        }
        if self._plan.project is not None:
            mine = self._tools.books.budget_view(self._plan.project, now)
            out["projectSpent"] = mine["daily"]["spent"]
        return out

    # ── the drive ────────────────────────────────────────────────────────────

    async def _drive(self) -> None:
        try:
            self._tools.books.wanted(self._plan.profile, self._plan.policy, self._started)
            async with asyncio.timeout(self._tools.rules.timeouts().total) as self._deadline:
                await self._until_answered()
        except asyncio.CancelledError:
            self._conclude("abandoned", None)
            raise
        except FreeloaderError as problem:
            self._conclude("failed", problem)
        except TimeoutError:
            late = refusal.overtime(self._attempts)
            self._conclude("failed", self._failed() if self._plan.failures else late)
        except Exception:  # noqa: BLE001 - the attempt task's boundary: nobody may wait for ever
            _log.exception("request %s failed inside", self.request_id)
            self._conclude("failed", FreeloaderError(_INTERNAL))
        else:
            broken = self._watch is not None and self._watch.fault is not None
            status = "abandoned" if self._left else "broken" if broken else "answered"
            if status == "answered" and self._chosen is not None:
                now = self._tools.clock.now().mono
                self._tools.sessions.keep(self._plan.session, self._chosen.deployment.id, now)
            self._conclude(status, None)
        # A reader that stopped reading calls abandon(), which cancels this wait.
        await self._queue.put(_CLOSED)

    async def _until_answered(self) -> None:
        plan = self._plan
        step: Retry | None = None
        while True:
            await self._tools.lane_ready(plan.resolution)
            try:
                candidate, hold = await self._reserve()
            except FreeloaderError:
                if await self._made_do():
                    return
                raise
            provider = candidate.deployment.provider.id
            near = step is not None and step.provider in (None, provider)
            failure = await self._attempt(candidate, hold, step.delay if near and step else 0.0)
            if failure is None:
                return
            if self._left:
                raise asyncio.CancelledError  # nobody is there for a second attempt
            plan.failures.append(failure)
            found = await self._next_step()
            if isinstance(found, Stop):
                if not found.wanted and await self._made_do():
                    return
                raise self._failed()
            step = found
            plan.policy, plan.tried = step.policy, step.tried
            plan.notes.append(step.note)

    async def _next_step(self) -> Retry | Stop:
        """The plan's, unless the whole daemon has retried enough for now."""
        plan, tools = self._plan, self._tools
        every = tuple(tools.books.deployments.values())
        step = fallback.next_step(plan.policy, plan.failures, every, tools.roll(), self._quality)
        if isinstance(step, Retry) and step.counted and self._may_be_asked_again():
            patience = min(plan.policy.fallback.retry_delay_ms, 1_000) / 1000
            if not await self._room_for_a_retry(patience):
                return Stop("the budget of retries is used up for the moment")
        return step

    async def _room_for_a_retry(self, patience: float) -> bool:
        """Waits no longer than before any retry: those under way are soon answered, or not."""
        looks = 1 + int(patience / _LOOK_AGAIN_S)
        for look in range(looks):
            now = self._tools.clock.now().mono
            if self._tools.retries.allow(now):
                self._retried = now
                return True
            if look + 1 < looks:
                await asyncio.sleep(_LOOK_AGAIN_S)
        return False

    def _quality(self, deployment: Deployment) -> float | None:
        health = self._tools.books.health(deployment.id)
        return scoring.intelligence(deployment, self._plan.profile.task, health)

    def _may_be_asked_again(self) -> bool:
        """Whether others still go to who failed last. One that is left alone from now on makes
        no storm: only those under way there move on, once."""
        last, books = self._plan.failures[-1].deployment, self._tools.books
        return books.paused(last, self._tools.clock.now().wall) is None

    async def _made_do(self) -> bool:
        """Gives the client an answer with a flaw, where one came and nobody gave a better one.

        It is said aloud in ``routing``; it was paid for, and may be of use.
        """
        found = self._flawed
        if found is None:
            return False
        self._chosen, self._watch, self._settled = found.candidate, found.watch, found.settled
        for event in found.watch.kept:
            if isinstance(event, Delta):
                await self._give(event, found.candidate.deployment.public_model)
        await self._finish(found.watch)
        return True

    async def _reserve(self) -> tuple[deciding.Candidate, Hold]:
        """The best candidate whose windows and budgets could all be held."""
        turn = self._turn()
        try:
            return await self._reserve_in(turn)
        finally:
            turn.end()

    def _turn(self) -> Turn:
        plan, room = self._plan, self._tools.room
        patience = room.patience_s(plan.policy.max_wait_ms / 1000)
        until = self._tools.clock.now().mono + patience
        profile, policy = plan.profile, plan.policy
        kind = (plan.resolution, policy.gates, profile.needs, profile.bounded, plan.tried)
        money = (plan.project, plan.caller.key_id, policy.max_cost, plan.spent_pico)
        return Turn(room, plan.project, (*kind, *money), profile.upper, until)

    async def _reserve_in(self, turn: Turn) -> tuple[deciding.Candidate, Hold]:
        plan, tools = self._plan, self._tools
        raced = 0
        while raced < _RESERVATIONS_MAX:
            now = tools.clock.now()
            ask, view = self._ask(now), turn.view(tools.books)
            decision = deciding.decide(ask, view)
            if decision.winner is None:
                await self._wait_or_refuse(ask, view, now, turn)
                continue
            turn.taken()
            deployment = decision.winner.deployment
            sent = for_attempt(plan.profile, deployment, decision.winner.output)
            held = await tools.books.reserve(
                f"{self.decision_id}.{len(self._attempts) + 1}",
                self.decision_id,
                deployment,
                deciding.upper_meters(sent, deployment),
                plan.project,
                plan.caller.key_id,
                ask.policy,
                now,
                sent.surcharge,
            )
            if isinstance(held, Verdict):
                turn.lost()
                plan.avoid[deployment.id] = held
                raced += 1
                continue
            self._choose(decision, ask)
            assert self._chosen is not None
            return self._chosen, held
        now = tools.clock.now()
        ask = self._ask(now)
        raise self._refused(ask, deciding.refusals(ask, tools.books), now)

    async def _wait_or_refuse(
        self, ask: deciding.Ask, view: Snapshot, now: Instant, turn: Turn
    ) -> None:
        """Waits until a momentary refusal may have passed; else raises what it was."""
        plan = self._plan
        open_ = replace(ask, tried=plan.tried - fallback.momentary(plan.failures))
        if open_.tried != ask.tried and deciding.decide(open_, view).winner is not None:
            plan.tried = open_.tried  # what refused this request for its rate serves again
            return
        every = deciding.refusals(open_, view)
        first = _first(every)
        if first is not None and await self._waited(first, ask, now, turn):
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
            raise self._failed(first, now)
        if plan.give_way(every):
            plan.avoid.clear()
            return
        if not every and plan.resolution.deployments:
            raise refusal.not_served_yet(plan.resolution.requested)
        raise self._refused(ask, every, now)

    async def _waited(
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
            upper = deciding.upper_meters(ask.profile, first.deployment)
            claims = self._tools.books.claims(first.deployment, upper, now.wall)
        await turn.wait(claims, wait, now.mono)
        waited = self._tools.clock.now().mono - now.mono
        self._waited_s += waited
        if self._deadline is not None and (when := self._deadline.when()) is not None:
            self._deadline.reschedule(when + waited)  # that was not the provider's time
        return True

    def _refused(
        self, ask: deciding.Ask, every: Sequence[deciding.Candidate], now: Instant
    ) -> FreeloaderError:
        plan = self._plan
        found = relax.report(ask, self._tools.books, plan.outer()) if every else None
        error = refusal.refused(every, plan.resolution.requested, now.wall, found)
        self._refusals = dict(Counter(c.verdict.gate for c in every if c.verdict is not None))
        told = {c.verdict.reason: c.verdict for c in every if c.verdict and c.verdict.facts}
        for verdict in told.values():
            self._tools.books.refused(verdict, now)
        return self._spread(error)

    def _ask(self, now: Instant) -> deciding.Ask:
        plan = self._plan
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
            no_paid=plan.no_paid,
        )

    def _choose(self, decision: deciding.Decision, ask: deciding.Ask) -> None:
        assert decision.winner is not None
        books = self._tools.books
        deployment = decision.winner.deployment
        if not deployment.local and self._plan.policy.strategy == "local-first":
            self._tools.sessions.after = deployment.provider.id
        if _coming(decision.refused):
            self._tools.lane_wanted()
        self._chosen = deciding.scored(decision.winner, ask, books)
        self._refusals = dict(decision.counts or {})
        others = [*decision.alternatives, *decision.refused[: deciding.ALTERNATIVES]]
        self._alternatives = [
            explain.alternative(deciding.scored(other, ask, books)) for other in others
        ]

    async def _attempt(
        self, candidate: deciding.Candidate, hold: Hold, pause: float
    ) -> Failed | None:
        """Sends once, after ``pause`` s. None: answered (or broken after the first delta, which
        is final too)."""
        plan, tools = self._plan, self._tools
        deployment = candidate.deployment
        attempt = Attempt(
            id=f"{self.decision_id}.{len(self._attempts) + 1}",
            request_id=self.request_id,
            number=len(self._attempts) + 1,
            deployment=deployment,
            profile=for_attempt(plan.profile, deployment, candidate.output),
            timeouts=tools.rules.timeouts(deployment.provider.id),
        )
        sent = attempt.profile
        bound = sent.upper.output // sent.choices if sent.bounded else None
        asked = Asked.of(plan.profile.payload, bound)
        watch = self._watch = Watch(attempt, tools.clock, asked)
        self._attempts.append({"attempt": attempt.number, "deployment": deployment.id})
        try:
            if pause:
                await asyncio.sleep(pause)
            watch.attempt = replace(attempt, credentials=await tools.credentials(deployment))
            await self._relay(watch, deployment.public_model)
        finally:
            work = self._settle(watch, hold)
            if hold.durable:
                # A task of its own: neither a cancelled run nor a shutdown may lose it.
                await asyncio.shield(tools.tasks.start(work, f"settle {attempt.id}"))
            else:
                await work  # waits for nothing, so that nothing can cut it short
        if watch.fault is None and watch.flaw is None:
            await self._finish(watch)
            return None
        if watch.fault is None:
            self._keep(candidate, watch)
        if watch.first_at is not None or self._settled is None or self._settled.outcome is None:
            return None
        late = watch.fault is not None and watch.fault.timeout
        return Failed(deployment, self._settled.outcome, late)

    def _keep(self, candidate: deciding.Candidate, watch: Watch) -> None:
        """The answer with a flaw, in case nobody gives a better one. The last one counts, but
        something before nothing."""
        assert self._settled is not None
        before = self._flawed
        if not any(isinstance(event, Delta) for event in watch.kept):
            return
        if before is None or watch.relayed_bytes or not before.watch.relayed_bytes:
            self._flawed = Flawed(candidate, watch, self._settled)

    async def _relay(self, watch: Watch, public_model: str) -> None:
        async for event in watch.events(self._tools.lane):
            if isinstance(event, Delta):
                await self._give(event, public_model)
            elif isinstance(event, Fault):
                await self._queue.put(event)

    async def _give(self, event: Delta, public_model: str) -> None:
        event.data["model"] = public_model
        self._texts.note(event.data)
        await self._queue.put(event)
        self._ready.set()
        if self._retried is not None:
            self._tools.retries.answered(self._retried)
            self._retried = None

    async def _finish(self, watch: Watch) -> None:
        settled, told = self._settled, watch.usage
        if settled is not None:
            raw = told.raw if told is not None else EMPTY
            await self._queue.put(Usage(settled.used, settled.basis == "reported", raw))
        await self._queue.put(End())

    async def _settle(self, watch: Watch, hold: Hold) -> None:
        self._settled = await settle(watch, hold, self.decision_id, self._tools)
        self._plan.spent_pico += self._settled.cost
        self._attempts[watch.attempt.number - 1] = self._settled.shown

    def _conclude(self, status: str, error: FreeloaderError | None) -> None:
        if error is not None:
            error.details.setdefault("decisionId", self.decision_id)
        self._error = error
        self._ready.set()
        tools, payload = self._tools, self._plan.profile.payload
        tools.journal.decision(self._row(status, error))
        self._texts.save(tools.journal, self.decision_id, self._started.wall, payload, tools.scrub)

    def _failed(
        self, first: deciding.Candidate | None = None, now: Instant | None = None
    ) -> FreeloaderError:
        """``first``: the candidate that may serve soonest, as it was ``now``."""
        now = now or self._tools.clock.now()
        error = refusal.failed(self._plan.failures, self._attempts, now.wall)
        if isinstance(error, QuotaExhausted) and first is not None and first.verdict is not None:
            until = first.verdict.until or now.wall
            error.retry_after = max(1.0, until - now.wall)
        return self._spread(error)

    def _spread(self, error: FreeloaderError) -> FreeloaderError:
        """Not all who are refused at once come back at once."""
        if error.retry_after is not None:
            error.retry_after = self._tools.room.retry_after(error.retry_after)
        return error

    def _reason(self) -> str:
        assert self._chosen is not None
        plan, attempts = self._plan, len(self._attempts) or 1
        about = (self._chosen, plan.policy, plan.resolution, attempts)
        if self._reasoned is None or any(map(is_not, self._reasoned[0], about)):
            self._reasoned = about, explain.reason(*about)
        return self._reasoned[1]

    def _lowered(self) -> int | None:
        """The bound on the answer that was sent in place of the client's."""
        if self._watch is None:
            return None
        sent = self._watch.attempt.profile
        same = sent.upper == self._plan.profile.upper
        return None if same else sent.upper.output // sent.choices

    def _savings(self) -> dict[str, Any] | None:
        """Against the premium model, once it is known what was used."""
        premium, settled = self._tools.rules.premium(), self._settled
        if premium is None or settled is None or settled.premium is None:
            return None
        return explain.savings(premium.name, settled.premium, self._plan.spent_pico)

    def _free(self) -> bool:
        return self._chosen is not None and not self._chosen.deployment.billable

    def _row(self, status: str, error: FreeloaderError | None) -> DecisionRow:
        plan, now = self._plan, self._tools.clock.now()
        chosen = self._chosen.deployment if self._chosen is not None else None
        return DecisionRow(
            id=self.decision_id,
            request_id=self.request_id,
            at=self._started.wall,
            project=plan.project,
            key_id=plan.caller.key_id,
            operation=plan.profile.operation,
            requested=plan.resolution.requested,
            strategy=plan.policy.strategy,
            task=plan.profile.task,
            provider=chosen.provider.id if chosen else "",
            model=chosen.public_model if chosen else "",
            outcome=status if error is None else error.code,
            reason=self._reason() if chosen else (error.message if error else ""),
            attempts=len(self._attempts),
            cost_pico=plan.spent_pico,
            latency_ms=(now.mono - self._started.mono) * 1000,
            detail={
                "routing": self.routing(),
                "policy": explain.policy_shown(plan.policy),
                "rule": plan.resolution.rule,
                "refusals": self._refusals,
                "fallback": plan.notes,
                "versions": {
                    "catalog": self._tools.rules.catalog_version(),
                    "policy": self._tools.rules.policy_version(),
                },
                "error": error.message if error is not None else None,
                "catalog": self._tools.rules.catalog_version(),
            },
        )


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


def _header_safe(text: str) -> str:
    """One line of Latin-1 for a header, at most 300 characters."""
    line = " ".join(text.split())
    return line.encode("latin-1", "replace").decode("latin-1")[:300]
