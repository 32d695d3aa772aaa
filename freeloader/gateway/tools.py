"""What a run works with: the collaborators of the pipeline, and its tracked tasks."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from freeloader.clock import Clock, SystemClock
from freeloader.core.model import EMPTY, Deployment, Resolution, Verdict
from freeloader.gateway.load import LoadMonitor
from freeloader.gateway.policies import Policies
from freeloader.gateway.ports import BooksPort, JournalPort, LanePort, Rules
from freeloader.gateway.retries import RetryBudget
from freeloader.gateway.sessions import Sessions
from freeloader.gateway.waiting import Room
from freeloader.store.rows import AuditRow

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Tasks:
    """Tasks that outlive their handler: kept by reference, counted, drained at shutdown."""

    def __init__(self) -> None:
        self._live: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._live)

    def start(
        self, work: Coroutine[Any, Any, T], name: str, then: Callable[[], None] | None = None
    ) -> asyncio.Task[T]:
        """``then`` is called when it is over, however it ended."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._live.add(task)
        task.add_done_callback(self._done if then is None else partial(self._done, then=then))
        return task

    async def drain(self, timeout: float) -> int:
        """Waits up to ``timeout`` s; then cancels what is left and says how many that were."""
        if self._live:
            await asyncio.wait(set(self._live), timeout=timeout)
        left = set(self._live)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=timeout)
        return len(left)

    def _done(self, task: asyncio.Task[Any], then: Callable[[], None] | None = None) -> None:
        self._live.discard(task)
        if then is not None:
            then()
        if task.cancelled():
            let_go(task)
        elif (problem := task.exception()) is not None:
            _log.error("%s failed", task.get_name(), exc_info=problem)


def let_go(task: asyncio.Task[Any]) -> None:
    """Frees what a cancelled task held.

    It keeps its exception, that its frames, and these mostly what knows the task: a circle of
    some 10 KB for each client that leaves, until the collector comes. Asking for the exception
    takes it out of the task.
    """
    with suppress(asyncio.CancelledError):
        task.exception()


async def _nothing() -> None:
    """No lane is ever missing."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The pipeline's collaborators, built once by the composition root.

    ``lane_ready`` returns once the lane can send to a model that the resolution
    means; it raises Unavailable where that takes too long; ``scrub`` masks
    whatever looks like a secret in a text that people will see; ``room`` is where requests
    wait for quota or money that comes free in a moment; ``retries`` bounds the retries of
    all requests together; ``roll`` is the randomness of their delays, in [0, 1).
    ``lane_out`` names who cannot
    be asked now for want of a lane (code ``starting`` where one is coming);
    ``lane_up`` waits for that lane, ``lane_wanted`` says that it would have been used.
    """

    books: BooksPort
    lane: LanePort
    rules: Rules
    journal: JournalPort
    clock: Clock
    tasks: Tasks
    credentials: Callable[[Deployment], Awaitable[Mapping[str, str]]]
    lane_ready: Callable[[Resolution], Awaitable[None]]
    new_id: Callable[[str], str]
    scrub: Callable[[str], str] = str
    room: Room = field(default_factory=Room)
    #: Appends to the owner's audit; None: nobody keeps one.
    audit: Callable[[AuditRow], Coroutine[Any, Any, None]] | None = None
    load: LoadMonitor = field(default_factory=lambda: LoadMonitor(SystemClock()))
    sessions: Sessions = field(default_factory=Sessions)
    retries: RetryBudget = field(default_factory=RetryBudget)
    policies: Policies = field(default_factory=Policies)
    roll: Callable[[], float] = random.random
    lane_up: Callable[[], Awaitable[None]] = _nothing
    lane_wanted: Callable[[], None] = lambda: None
    lane_out: Callable[[], Mapping[str, Verdict]] = lambda: EMPTY
    #: So long (seconds) a whole answer that is paid for is waited for after its client left.
    leave_seconds: float = 60.0
