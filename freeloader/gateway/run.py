"""One request's life after parsing: decide, hold, send, settle, decide again.

A ``Run`` is driven by a task of its own, outside the handler's cancellation:
a client that leaves ends the upstream call, never the bookkeeping. Nothing is
given to the client before the first content delta; until then a failure is
answered by deciding again. It parses no bodies and formats no answers; its parts are
in ``gateway.running``.

Holds and attempts are named after the decision, never after the request id:
clients choose that one, and two calls of one name would share one hold.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from math import inf
from typing import Any

from freeloader.core.events import Delta, End, Event, Fault, Usage
from freeloader.core.fallback import Failed, Retry, Stop
from freeloader.core.model import EMPTY, Attempt
from freeloader.core.outcome.flaws import Asked
from freeloader.core.routing import Candidate
from freeloader.errors import FreeloaderError
from freeloader.gateway import refusal
from freeloader.gateway.attempts import Watch
from freeloader.gateway.keeping import Texts
from freeloader.gateway.limits import within
from freeloader.gateway.plan import Plan
from freeloader.gateway.ports import Hold
from freeloader.gateway.running.again import Again
from freeloader.gateway.running.channel import Channel
from freeloader.gateway.running.last_words import LastWords
from freeloader.gateway.running.seeking import Seeker
from freeloader.gateway.running.so_far import SoFar
from freeloader.gateway.running.telling import Telling, counts_in_a_quota
from freeloader.gateway.settling import Settled, settle
from freeloader.gateway.tools import Tools
from freeloader.records import replace

#: Chunks in flight between provider and client: enough to smooth, bounded for slow readers.
_QUEUE = 8

_CLOSED = object()
_INTERNAL = (
    "Something went wrong inside the daemon; `xswarm logs` has the details under this request's id."
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Flawed:
    """An answer that came whole, with something wrong with it."""

    candidate: Candidate
    watch: Watch
    settled: Settled


class Run:
    """The pipeline's answer in the making; see the methods a surface uses."""

    def __init__(self, plan: Plan, request_id: str, decision_id: str, tools: Tools) -> None:
        self.decision_id = decision_id
        self._plan, self._tools = plan, tools
        self._so_far = SoFar(plan, request_id, decision_id, tools.clock.now())
        self._seeker = Seeker(self._so_far, tools)
        self._again = Again(self._so_far, self._seeker, tools)
        self._telling = Telling(self._so_far, tools)
        self._queue = Channel(_QUEUE)
        self._error: FreeloaderError | None = None
        self._left = False
        self._last_words: LastWords | None = None
        self._flawed: Flawed | None = None
        self._texts = Texts(tools.rules.keeping())
        tools.load.begin()
        self._task = tools.tasks.start(self._drive(), f"run {request_id}", tools.load.end)

    # ── what a surface uses ──────────────────────────────────────────────────

    async def first(self, timeout: float) -> bool:
        """True once content (or the whole JSON body) is there; False: not within ``timeout`` s
        (``inf``: the caller has a limit of its own).

        Raises the FreeloaderError that the request ended in.
        """
        if timeout == inf:
            await self._queue.filled()
        else:
            try:
                with within(timeout):
                    await self._queue.filled()
            except TimeoutError:
                return False
        if self._error is not None:
            raise self._error
        return True

    def events(self) -> AsyncIterator[Delta | Usage | End | Fault]:
        """Deltas (``model`` rewritten), then Usage, then End or Fault. Raises the
        FreeloaderError that it ended in."""
        return _Events(self)

    def abandon(self) -> None:
        """The client went away. What was used is still settled.

        A whole answer that is paid for is waited for, for a while: only its end says what
        it used. A stream is read as far as it has come. Any other call ends now.
        """
        if self._task.done() or self._last_words is not None:
            return
        watch = self._so_far.watch
        if watch is not None and watch.worth_waiting_for:
            self._wait_a_while()
        elif watch is not None and watch.worth_hearing_out:
            self._left = True
            self._queue.leave()
            self._last_words = LastWords(watch, self._task)
        else:
            self._task.cancel()

    def _wait_a_while(self) -> None:
        """Nobody is there any more; what is under way may end by itself, but not for ever."""
        if not self._left:
            self._left = True
            loop = asyncio.get_running_loop()
            end = loop.call_later(self._tools.leave_seconds, self._task.cancel)
            self._task.add_done_callback(lambda _: end.cancel())

    def headers(self) -> dict[str, str]:
        """``X-Freeloader-*`` as far as known; cost only where nothing more can come."""
        return self._telling.headers()

    def routing(self) -> dict[str, Any]:
        """The ``routing`` object of the answer."""
        return self._telling.routing()

    def accounting(self) -> dict[str, Any]:
        """Tokens, cost and time of the finished answer; what quota it used."""
        return self._telling.accounting()

    def budget(self) -> dict[str, Any]:
        """The seed's three numbers, in dollars."""
        return self._telling.budget()

    # ── the drive ────────────────────────────────────────────────────────────

    async def _drive(self) -> None:
        try:
            self._tools.books.wanted(self._plan.profile, self._plan.policy, self._so_far.started)
            with within(self._tools.rules.timeouts().total) as self._so_far.deadline:
                await self._until_answered()
        except asyncio.CancelledError:
            self._conclude("abandoned", None)
            raise
        except FreeloaderError as problem:
            self._conclude("failed", problem)
        except TimeoutError:
            late = refusal.overtime(self._so_far.attempts)
            self._conclude("failed", self._seeker.failed() if self._plan.failures else late)
        except Exception:  # noqa: BLE001 - the attempt task's boundary: nobody may wait for ever
            _log.exception("request %s failed inside", self._so_far.request_id)
            self._conclude("failed", FreeloaderError(_INTERNAL))
        else:
            watch, chosen = self._so_far.watch, self._so_far.chosen
            broken = watch is not None and watch.fault is not None
            status = "abandoned" if self._left else "broken" if broken else "answered"
            if status == "answered" and chosen is not None:
                now = self._tools.clock.now().mono
                self._tools.sessions.keep(self._plan.session, chosen.deployment.id, now)
            self._conclude(status, None)
        # A reader that stopped reading calls abandon(), which cancels this wait.
        await self._queue.put(_CLOSED)

    async def _until_answered(self) -> None:
        plan = self._plan
        step: Retry | None = None
        failed_at = 0.0
        while True:
            await self._tools.lane_ready(plan.resolution)
            try:
                candidate, hold = await self._seeker.reserve()
            except FreeloaderError:
                if await self._made_do():
                    return
                raise
            since = self._tools.clock.now().mono - failed_at
            pause = step.pause(candidate.deployment.provider.id, since) if step else 0.0
            failure = await self._attempt(candidate, hold, pause)
            if failure is None:
                return
            failed_at = self._tools.clock.now().mono
            if self._left:
                raise asyncio.CancelledError  # nobody is there for a second attempt
            plan.failures.append(failure)
            found = await self._again.next_step()
            if isinstance(found, Stop):
                if not found.wanted and await self._made_do():
                    return
                raise self._seeker.failed()
            step = found
            plan.policy, plan.tried = step.policy, step.tried
            plan.notes.append(step.note)

    async def _made_do(self) -> bool:
        """Gives the client an answer with a flaw, where one came and nobody gave a better one.

        It is said aloud in ``routing``; it was paid for, and may be of use.
        """
        found, so_far = self._flawed, self._so_far
        if found is None:
            return False
        so_far.chosen, so_far.watch, so_far.settled = found.candidate, found.watch, found.settled
        for event in found.watch.kept:
            if isinstance(event, Delta):
                await self._give(event, found.candidate.deployment.public_model)
        await self._finish(found.watch)
        return True

    async def _attempt(self, candidate: Candidate, hold: Hold, pause: float) -> Failed | None:
        """Sends once, after ``pause`` s. None: answered (or broken after the first delta, which
        is final too)."""
        plan, tools, so_far = self._plan, self._tools, self._so_far
        deployment, sent = candidate.deployment, so_far.sent
        assert sent is not None  # with the hold
        attempt = Attempt(
            id=f"{self.decision_id}.{len(so_far.attempts) + 1}",
            request_id=so_far.request_id,
            number=len(so_far.attempts) + 1,
            deployment=deployment,
            profile=sent,
            timeouts=tools.rules.timeouts(deployment.provider.id),
        )
        bound = sent.upper.output // sent.choices if sent.bounded else None
        asked = Asked.of(plan.profile.payload, bound)
        watch = so_far.watch = Watch(attempt, tools.clock, asked)
        so_far.attempts.append({"attempt": attempt.number, "deployment": deployment.id})
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
        settled = so_far.settled
        if watch.first_at is not None or settled is None or settled.outcome is None:
            return None
        late = watch.fault is not None and watch.fault.timeout
        return Failed(deployment, settled.outcome, late)

    def _keep(self, candidate: Candidate, watch: Watch) -> None:
        """The answer with a flaw, in case nobody gives a better one. The last one counts, but
        something before nothing."""
        assert self._so_far.settled is not None
        before = self._flawed
        if not any(isinstance(event, Delta) for event in watch.kept):
            return
        if before is None or watch.relayed_bytes or not before.watch.relayed_bytes:
            self._flawed = Flawed(candidate, watch, self._so_far.settled)

    async def _relay(self, watch: Watch, public_model: str) -> None:
        async def give(event: Event) -> None:
            if isinstance(event, Delta):
                await self._give(event, public_model)
            elif isinstance(event, Fault):
                await self._queue.put(event)

        await watch.relay(self._tools.lane, give)

    async def _give(self, event: Delta, public_model: str) -> None:
        event.data["model"] = public_model
        self._texts.note(event.data)
        if not self._queue.put_now(event):
            await self._queue.put(event)
        self._again.answered()

    async def _finish(self, watch: Watch) -> None:
        settled, told = self._so_far.settled, watch.usage
        if settled is not None:
            raw = told.raw if told is not None else EMPTY
            await self._queue.put(Usage(settled.used, settled.basis == "reported", raw))
        await self._queue.put(End())

    async def _settle(self, watch: Watch, hold: Hold) -> None:
        so_far = self._so_far
        so_far.settled = await settle(watch, hold, self.decision_id, self._tools)
        self._plan.spent_pico += so_far.settled.cost
        if counts_in_a_quota(watch.attempt.deployment):
            so_far.from_quotas += so_far.settled.used
        self._plan.unpriced |= so_far.settled.unpriced
        so_far.attempts[watch.attempt.number - 1] = so_far.settled.shown

    def _conclude(self, status: str, error: FreeloaderError | None) -> None:
        decision_id, began = self.decision_id, self._so_far.started.wall
        if error is not None:
            error.details.setdefault("decisionId", decision_id)
        # Its frames know this run, and would hold all of it until the collector came.
        self._error = error.with_traceback(None) if error is not None else None
        tools, payload = self._tools, self._plan.profile.payload
        tools.journal.decision(self._telling.row(status, error))
        self._texts.save(tools.journal, decision_id, began, payload, tools.scrub)


class _Events:
    """What a run tells, one after the other. (No generator: each of these costs the loop a
    note of it, and another when it is gone.)"""

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    def __aiter__(self) -> _Events:
        return self

    async def __anext__(self) -> Delta | Usage | End | Fault:
        queue = self._run._queue
        if not queue:
            await queue.filled()
        event = queue.take()
        if event is not _CLOSED:
            return event  # type: ignore[no-any-return]
        if self._run._error is not None:
            raise self._run._error
        raise StopAsyncIteration
