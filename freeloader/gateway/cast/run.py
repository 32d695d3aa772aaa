"""A multi-cast request's life: hold for all, send to all, take what the aggregation wants.

A ``Run`` to every surface; what is different is between decision and answer. The holds
of all members, and of the judge, are made before anything is sent, or none is kept. A
member that fails is not the request failing; one that is no longer needed is cancelled
upstream, and what it used is settled. Nobody's answer is given before the outcome
is known, except the first one's of ``first`` in a stream.

The parts: ``assembly`` holds, ``member`` sends, ``answering`` makes the answer, ``standing``
is the state of it all, ``teller`` tells of it.
"""

from __future__ import annotations

import asyncio

from freeloader.core.cast import progress
from freeloader.core.events import Delta, End, Event, Fault, Usage
from freeloader.core.fallback import Stop
from freeloader.core.model import EMPTY
from freeloader.gateway import refusal
from freeloader.gateway.cast import answering, burst
from freeloader.gateway.cast.assembly import Assembly
from freeloader.gateway.cast.member import Member
from freeloader.gateway.cast.standing import Standing
from freeloader.gateway.cast.teller import CastTelling
from freeloader.gateway.plan import Plan
from freeloader.gateway.run import Run
from freeloader.gateway.tools import Tools

#: Of the request's time so much is kept for making an answer of what is there, in seconds
#: and as a share; a judge is heard within it.
_MARGIN_S, _MARGIN_SHARE = 45.0, 0.2


class CastRun(Run):
    """One request to several providers at once."""

    def __init__(self, plan: Plan, request_id: str, decision_id: str, tools: Tools) -> None:
        super().__init__(plan, request_id, decision_id, tools)  # its task begins after this
        assembly = Assembly(plan, request_id, decision_id, tools)
        self._cast = Standing(self._so_far, assembly)
        self._telling = CastTelling(self._so_far, tools, self._cast)

    # ── what a surface uses ──────────────────────────────────────────────────

    def abandon(self) -> None:
        """As of any run: whole answers that are paid for are waited for, the rest ends now."""
        worth = [m for m in self._cast.members if m.pending and m.watch.worth_waiting_for]
        if self._cast.winner is not None or not worth or self._task.done():
            super().abandon()
            return
        for member in self._cast.members:
            if member not in worth:
                member.cancel()
        self._wait_a_while()

    # ── the drive ────────────────────────────────────────────────────────────

    async def _until_answered(self) -> None:
        await self._tools.lane_ready(self._plan.resolution)
        await self._assemble()
        try:
            for member in self._cast.members:
                member.start(self._take)
            await self._gather()
            await self._end(self._cast.members)
            if self._left:
                raise asyncio.CancelledError  # nobody is there for an answer
            if self._cast.winner is None:
                await self._answer()
            await self._close()
        finally:
            await self._end([*self._cast.members, *self._cast.assembly.judges])
            self._cast.account()

    async def _assemble(self) -> None:
        """Holds the whole price; waits, or raises what refused everybody, as any run does."""
        turn, fewer = self._seeker.turn(self._tools.clock.now()), False
        try:
            while True:
                now = self._tools.clock.now()
                ask, view = self._seeker.ask(now), turn.view(self._tools.books)
                found = await self._cast.assembly.hold(ask, turn, now, fewer=fewer)
                if isinstance(found, list):
                    self._cast.members = found
                    self._so_far.refusals = dict(self._cast.assembly.party.counts)
                    return
                if found is None:
                    await self._seeker.wait_or_refuse(ask, view, now, turn)
                else:  # money that others hold comes free in a moment: patience, then fewer
                    fewer = not await self._seeker.waited(found, ask, now, turn)
        finally:
            turn.end()

    async def _gather(self) -> None:
        """Until the outcome is certain, nobody is left, or the time is up."""
        heard: set[int] = set()
        while True:
            new = [m for m in self._cast.members if m.number not in heard and not m.pending]
            heard.update(member.number for member in new)
            for _ in range(sum([self._hear(member) for member in new])):
                await self._replace()
            if self._cast.over(left=self._left):
                return
            live = [m.task for m in self._cast.members if m.pending and m.task is not None]
            done, _ = await asyncio.wait(
                live, timeout=self._time_left(), return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                return

    def _hear(self, member: Member) -> bool:
        """Takes one member's end into account; True where it failed."""
        if member.fault() is None:
            self._cast.good.append(member)
            if self._plan.policy.aggregation == "consensus":
                self._cast.vote = answering.vote(self._cast.members, self._cast.good)
            return False
        if member.cancelled or member is self._cast.winner:
            return False
        self._plan.failures.append(member.failed())
        return True

    async def _replace(self) -> None:
        """Asks somebody in the place of one that failed, where fallback and outcome allow it."""
        if self._left or not progress.wants_another(self._cast.progress()):
            return
        plan, step = self._plan, await self._again.next_step()
        if isinstance(step, Stop):
            self._cast.stopped = self._cast.stopped or step.wanted
            return
        self._cast.account()
        plan.policy, plan.tried = step.policy, step.tried
        plan.notes.append(step.note)
        now = self._tools.clock.now()
        beside = [m for m in self._cast.members if m.pending or m in self._cast.good]
        successor = await self._cast.assembly.another(self._seeker.ask(now), beside, now)
        if successor is None:
            return
        self._cast.members.append(successor)
        near = step.provider in (None, successor.candidate.deployment.provider.id)
        successor.start(self._take, step.delay if near else 0.0)

    async def _take(self, member: Member, event: Event) -> None:
        """One event of one member. In a race the first content wins and ends the others."""
        if not self._cast.racing:
            member.keep(event)
            return
        if self._cast.winner is None and isinstance(event, Delta):
            self._cast.won(member)
            for other in self._cast.members:
                if other is not member:
                    other.cancel()
        if self._cast.winner is not member:
            return
        if isinstance(event, Delta):
            await self._give(event, member.name)
        elif isinstance(event, Fault):
            await self._queue.put(event)

    async def _answer(self) -> None:
        """Whose answer it is, or all of them; nothing has gone to the client yet."""
        if not self._cast.good and not self._make_do_with_flaws():
            self._cast.account()
            if self._plan.failures:
                raise self._seeker.failed()
            raise refusal.overtime(self._so_far.attempts)
        ranked = sorted(self._cast.good, key=self._cast.members.index)
        if self._plan.policy.aggregation == "best":
            self._cast.verdict = await answering.judged(
                self._cast.assembly, ranked, self._plan, self._time_left(final=True)
            )
        self._cast.won(self._pick(ranked))
        body = answering.body(self._plan.policy.aggregation, ranked, self._cast.winner)
        self._cast.account()
        parts = burst.chunks(body) if self._plan.profile.stream else (body,)
        for part in parts:
            self._texts.note(part)
            await self._queue.put(Delta(part, content=True))

    def _make_do_with_flaws(self) -> bool:
        """As any run: an answer with a flaw before none, and that is said; unless errors are
        what the policy wants."""
        if not self._cast.stopped:
            self._cast.good = [
                m for m in self._cast.members if m.watch.flaw is not None and m.make_do()
            ]
        if self._plan.policy.aggregation == "consensus" and self._cast.good:
            self._cast.vote = answering.vote(self._cast.members, self._cast.good)
        return bool(self._cast.good)

    def _pick(self, ranked: list[Member]) -> Member:
        if self._plan.policy.aggregation == "best":
            return self._cast.verdict.winner or answering.strongest(ranked)
        if self._cast.vote is not None:
            return self._cast.members[self._cast.vote.spokesman]
        return self._cast.good[0] if self._plan.policy.aggregation == "first" else ranked[0]

    async def _close(self) -> None:
        """What was used, and the end; after a broken stream the fault was the end."""
        self._cast.account()
        watch, settled = self._so_far.watch, self._so_far.settled
        if watch is None or settled is None or watch.fault is not None:
            return
        every = self._plan.policy.aggregation == "all"
        raw = watch.usage.raw if watch.usage is not None and not every else EMPTY
        await self._queue.put(Usage(settled.used, settled.basis == "reported", raw))
        await self._queue.put(End())

    async def _end(self, members: list[Member]) -> None:
        """Cancels who is still at it, and waits until everything is settled."""
        for member in members:
            member.cancel()
        for member in members:
            await member.ended()

    def _time_left(self, *, final: bool = False) -> float | None:
        """Seconds until an answer has to be made of what is there; ``final``: until it is late."""
        when = self._so_far.deadline.when() if self._so_far.deadline is not None else None
        if when is None or (self._cast.racing and self._cast.winner is not None):
            return None
        left = when - asyncio.get_running_loop().time()
        total = self._tools.rules.timeouts().total
        margin = min(_MARGIN_S, _MARGIN_SHARE * total)
        return max(0.0, left - (margin / 10 if final else margin))
