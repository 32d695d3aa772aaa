"""One member of a multi-cast: its attempt, in a task of its own, from hold to settlement.

It knows nothing of the others. However it ends (answered, failed, cancelled, never
started) its hold is settled or released exactly once, in a tracked task.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from freeloader.core.events import Delta, End, Event, Fault
from freeloader.core.fallback import Failed
from freeloader.core.model import Attempt
from freeloader.core.outcome import Outcome
from freeloader.core.outcome.flaws import Asked
from freeloader.core.routing import Candidate
from freeloader.errors import FreeloaderError
from freeloader.gateway.attempts import Watch
from freeloader.gateway.ports import Hold
from freeloader.gateway.settling import Settled, settle
from freeloader.gateway.tools import Tools

Take = Callable[["Member", Event], Awaitable[None]]

_log = logging.getLogger(__name__)


class Member:
    """``candidate`` with its ``hold``, and ``attempt`` ready to be sent (credentials apart)."""

    def __init__(
        self, candidate: Candidate, hold: Hold, attempt: Attempt, decision_id: str, tools: Tools
    ) -> None:
        self.candidate = candidate
        self.hold = hold
        self.watch = Watch(attempt, tools.clock, _asked(attempt))
        self.settled: Settled | None = None
        self.task: asyncio.Task[None] | None = None
        self.cancelled = False
        self.begun = False
        #: It took the place of another one that failed.
        self.successor = False
        self.body: dict[str, Any] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._problem = ""
        self._decision_id = decision_id
        self._tools = tools

    @property
    def number(self) -> int:
        return self.watch.attempt.number

    @property
    def name(self) -> str:
        return self.candidate.deployment.public_model

    @property
    def pending(self) -> bool:
        return self.task is not None and not self.task.done() and not self.cancelled

    def start(self, take: Take, delay: float = 0.0) -> None:
        """Sends, after ``delay`` seconds; every event goes through ``take``."""
        work = self._work(take, delay)
        self.task = self._tools.tasks.start(work, f"member {self.watch.attempt.id}")

    def cancel(self) -> None:
        """Ends the upstream call, if it runs; what was used is settled."""
        if self.cancelled or (self.task is not None and self.task.done()):
            return
        self.cancelled = True
        if self.task is not None:
            self.task.cancel()
        if not self.begun:  # its task will never run, and settle nothing
            name = f"release {self.watch.attempt.id}"
            self._ending = self._tools.tasks.start(self._release(), name)

    async def ended(self) -> None:
        """Until the task is over and everything settled."""
        tasks = {task for task in (self.task, self._ending) if task is not None}
        if tasks:
            await asyncio.wait(tasks)

    def fault(self) -> str | None:
        """Why there is no good answer of a member that is done; None: there is one."""
        if self._problem:
            return self._problem
        if self.watch.fault is not None:
            judged = self.settled.outcome if self.settled is not None else None
            return judged.reason if judged is not None else "the provider broke off"
        if not self.watch.finished:
            return "cancelled" if self.cancelled else "no answer came"
        return self.watch.flaw

    def failed(self) -> Failed:
        """The same for the fallback."""
        deployment = self.candidate.deployment
        judged = self.settled.outcome if self.settled is not None else None
        if judged is None:
            judged = Outcome("their_fault", self.fault() or "", scope="model")
        timeout = self.watch.fault is not None and self.watch.fault.timeout
        return Failed(deployment, judged, timeout)

    def make_do(self) -> bool:
        """Takes the answer although it has a flaw; False where there is none to take."""
        for event in self.watch.kept:
            self.keep(event)
        return self.body is not None

    def keep(self, event: Event) -> None:
        """Remembers a whole answer."""
        if isinstance(event, Delta):
            event.data["model"] = self.name
            self.body = event.data

    async def _work(self, take: Take, delay: float) -> None:
        self.begun = True
        tools, watch = self._tools, self.watch
        try:
            if delay:
                await asyncio.sleep(delay)
            credentials = await tools.credentials(self.candidate.deployment)
            watch.attempt = replace(watch.attempt, credentials=credentials)
            await watch.relay(tools.lane, partial(self._told, take))
        except FreeloaderError as problem:
            self._problem = problem.message
        except Exception:  # noqa: BLE001 - an attempt task's boundary: the others go on
            _log.exception("member %s failed inside", watch.attempt.id)
            self._problem = "something went wrong inside the daemon"
        finally:
            # A task of its own: neither a cancelled member nor a shutdown may lose it.
            work = self._settle()
            await asyncio.shield(tools.tasks.start(work, f"settle {watch.attempt.id}"))

    async def _told(self, take: Take, event: Event) -> None:
        if isinstance(event, Delta | End | Fault):
            await take(self, event)

    async def _settle(self) -> None:
        self.settled = await settle(self.watch, self.hold, self._decision_id, self._tools)

    async def _release(self) -> None:
        await self._tools.books.release(self.hold, self._tools.clock.now(), sent=False)


def _asked(attempt: Attempt) -> Asked:
    """What the request bound this answer to."""
    sent = attempt.profile
    return Asked.of(sent.payload, sent.upper.output // sent.choices if sent.bounded else None)
