"""Whether a failed request is tried once more, and how the next try is made.

The policy says what may follow; the whole daemon's budget of retries says whether there
is room for it, which is waited for no longer than the request waits for anything. It sends
nothing, and knows no quota.
"""

from __future__ import annotations

import asyncio

from freeloader.core import fallback
from freeloader.core.fallback import Retry, Stop
from freeloader.core.model import Deployment
from freeloader.core.ranking import scoring
from freeloader.gateway.running.seeking import Seeker
from freeloader.gateway.running.so_far import SoFar
from freeloader.gateway.tools import Tools

#: How often somebody looks whether there is room for a retry again, in seconds.
_LOOK_AGAIN_S = 0.05
#: So long (seconds) room is waited for at most: a provider that dies takes with it all that it
#: had at that moment, and those whose retry is under way are soon answered.
_PATIENCE_S = 1.0


class Again:
    """Asked after each failure of one run."""

    def __init__(self, so_far: SoFar, seeker: Seeker, tools: Tools) -> None:
        self._so_far, self._seeker, self._tools = so_far, seeker, tools
        self._plan = so_far.plan
        self._retried: float | None = None  # when the retry began that is under way

    async def next_step(self) -> Retry | Stop:
        """The plan's, unless the whole daemon has retried enough for now."""
        plan, tools = self._plan, self._tools
        self._retried = None  # that one was of no use: its place stays taken
        every = tuple(tools.books.deployments.values())
        step = fallback.next_step(plan.policy, plan.failures, every, tools.roll(), self._quality)
        if isinstance(step, Stop):
            return step
        if not self._seeker.anyone_left(step):
            return Stop("all who could serve were asked")
        counts = step.counted and self._may_be_asked_again()
        if counts and not await self._room_for_a_retry():
            return Stop("the budget of retries is used up for the moment")
        return step

    async def _room_for_a_retry(self) -> bool:
        """Waits for it, where there is none; a pause before the retry is the policy's besides."""
        left = min(_PATIENCE_S, self._seeker.patience_s())
        while not self._allowed():
            if left <= 0:
                return False
            pause = min(_LOOK_AGAIN_S, left)
            left -= pause
            self._so_far.waited_s += pause
            await asyncio.sleep(pause)
        return True

    def _allowed(self) -> bool:
        now = self._tools.clock.now().mono
        if not self._tools.retries.allow(now):
            return False
        self._retried = now
        return True

    def _quality(self, deployment: Deployment) -> float | None:
        health = self._tools.books.health(deployment.id)
        return scoring.intelligence(deployment, self._plan.profile.task, health)

    def _may_be_asked_again(self) -> bool:
        """Whether others still go to who failed last. One that is left alone from now on makes
        no storm: only those under way there move on, once."""
        last, books = self._plan.failures[-1].deployment, self._tools.books
        return books.paused(last, self._tools.clock.now().wall) is None

    def answered(self) -> None:
        """Content came: the place of the retry that brought it is free again."""
        if self._retried is not None:
            self._tools.retries.answered(self._retried)
            self._retried = None
