"""Looks at the generation that serves: does it answer, and how large has it become?

What is seen is told as events; what follows from them the machine decides. It starts and
ends nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from freeloader.child import readiness
from freeloader.child.crew import Crew
from freeloader.child.hands import guarded
from freeloader.child.machine.states import Alive, Event, ProbeFailed, Recycle
from freeloader.clock import Clock

_PROBE_EVERY = 1.0
#: Two of these in a row and the child counts as hung: found within 8 seconds.
_PROBE_SECONDS = 3.0
_MEGABYTE = 1024 * 1024


class Lookout:
    """``serving`` says whom to look at; ``recycle_mb`` (None: never) is a worker's largest size."""

    def __init__(
        self,
        clock: Clock,
        serving: Callable[[], Crew | None],
        tell: Callable[[Event], None],
        recycle_mb: int | None,
    ) -> None:
        self._clock, self._serving, self._tell = clock, serving, tell
        self._recycle_bytes = None if recycle_mb is None else recycle_mb * _MEGABYTE
        self._usage: dict[int, tuple[int, float]] = {}

    def usage(self, pids: Iterable[int | None]) -> list[tuple[int, float]]:
        """Resident bytes and CPU per cent of those that were looked at."""
        return [self._usage[pid] for pid in pids if pid in self._usage]

    async def watch(self) -> None:
        """For ever, once a second."""
        while True:
            await asyncio.sleep(_PROBE_EVERY)
            crew = self._serving()
            if crew is not None and crew.running:
                await guarded(self._look_at(crew))

    async def _look_at(self, crew: Crew) -> None:
        asked = self._clock.now().mono
        workers = crew.running
        before = [worker.heard for worker in workers]
        answers = await asyncio.gather(*(readiness.alive(w, _PROBE_SECONDS) for w in workers))
        late = self._clock.now().mono - asked > 2 * _PROBE_SECONDS
        # One that answers requests is busy, not hung: to kill it would fail all that it has.
        lives = (
            answered or worker.heard > heard
            for answered, worker, heard in zip(answers, workers, before, strict=True)
        )
        if all(lives):
            self._tell(Alive(crew.generation))
        elif not late:  # late: it was us who slept, so that the silence says nothing
            self._tell(ProbeFailed(crew.generation))
        for worker in workers:
            usage = worker.usage()
            if usage is not None and worker.pid is not None:
                self._usage[worker.pid] = usage
                if self._recycle_bytes is not None and usage[0] > self._recycle_bytes:
                    size = usage[0] // _MEGABYTE
                    self._tell(Recycle(f"{size} MB resident"))
