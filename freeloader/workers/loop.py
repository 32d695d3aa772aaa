"""The one loop over named jobs: starts what is due, one run of a job at a time.

It sleeps on an event, never longer than half a minute, and asks the clock anew
each time, so a machine that slept or a clock that was set is noticed. A missed
run is made up once. A job that fails is tried again later and later, and never
stops the loop. Which jobs there are, and what they do, is not known here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Protocol

from freeloader.clock import Clock, Instant, iso
from freeloader.errors import Conflict, FreeloaderError, NotFound
from freeloader.store.rows import JobState
from freeloader.workers.cron import next_due

log = logging.getLogger(__name__)

#: A job that is later than this was missed; missed ones start so far apart (seconds).
MISSED_S, SPACING_S = 120.0, 20.0
SLEEP_MAX_S = 30.0
BACKOFF_FIRST_S, BACKOFF_MAX_S = 60.0, 3600.0
RESULT_CHARS_MAX = 300


class Progress:
    """What a running job says of itself, shown in listings."""

    def __init__(self) -> None:
        self.text = ""

    def say(self, text: str) -> None:
        self.text = text[:RESULT_CHARS_MAX]


@dataclass(frozen=True, slots=True)
class Job:
    """One named job. ``run`` returns one sentence on what it did, or None.

    ``line`` is a cron line; a run is cancelled after ``timeout_s`` and counts as
    failed; it starts up to ``jitter_s`` late, so that many daemons do not call
    the same address in the same second.
    """

    name: str
    line: str
    run: Callable[[Progress], Awaitable[str | None]]
    timeout_s: float = 300.0
    jitter_s: float = 0.0


class JobStore(Protocol):
    """Where the loop remembers what it did; may raise FreeloaderError."""

    async def jobs(self) -> Mapping[str, JobState]: ...

    async def save_job(self, state: JobState) -> None: ...


@dataclass(slots=True)
class _Entry:
    job: Job
    state: JobState
    task: asyncio.Task[None] | None = None
    progress: Progress | None = None


class Loop:
    """See the module. ``await load()`` once, then ``await run()`` in a task of its own.

    Cron lines are read in time zone ``tz``. Raises ConfigError for a bad line,
    ValueError for two jobs of one name.
    """

    def __init__(
        self, jobs: Sequence[Job], clock: Clock, job_store: JobStore, rng: Random, tz: str = "UTC"
    ) -> None:
        self._clock = clock
        self._store = job_store
        self._rng = rng
        self._tz = tz
        self._wake = asyncio.Event()
        self._stopping = False
        self._gone: list[_Entry] = []
        self._entries = {job.name: _Entry(job, JobState(job.name)) for job in jobs}
        if len(self._entries) != len(jobs):
            raise ValueError("two jobs have the same name")
        now = clock.now().wall
        for job in jobs:
            self._entries[job.name].state = JobState(job.name, next_due=self._scheduled(job, now))

    async def load(self) -> None:
        """Take over what was remembered. A run that was missed meanwhile is due at once."""
        try:
            remembered = await self._store.jobs()
        except FreeloaderError as error:
            log.error("jobs start without memory: %s", error.message)
            return
        for name, entry in self._entries.items():
            state = remembered.get(name)
            if state is not None:
                entry.state = replace(state, next_due=state.next_due or entry.state.next_due)

    async def run(self) -> None:
        """Until ``stop``. Running jobs are cancelled with it and waited for."""
        try:
            while not self._stopping:
                self.tick()
                await self._sleep()
        finally:
            await self._end()

    def stop(self) -> None:
        """End ``run`` soon. May be called from any task of the loop's thread."""
        self._stopping = True
        self._wake.set()

    def replace(self, jobs: Sequence[Job], tz: str) -> None:
        """Other lines or another zone for the jobs that are known; new ones are added.

        What ran and failed is remembered. A job that is no longer among them ends with
        its present run. Raises ConfigError for a bad line; nothing has changed then.
        """
        now = self._clock.now().wall
        planned = {job.name: next_due(job.line, tz, now) for job in jobs}
        moved, self._tz = tz != self._tz, tz
        entries: dict[str, _Entry] = {}
        for job in jobs:
            entry = self._entries.get(job.name) or _Entry(job, JobState(job.name))
            changed = moved or entry.job.line != job.line or entry.state.next_due is None
            entry.job = job
            if changed and not entry.state.failures:
                due = planned[job.name] + self._rng.uniform(0.0, job.jitter_s)
                entry.state = replace(entry.state, next_due=due)
            entries[job.name] = entry
        self._gone = [e for n, e in self._entries.items() if n not in entries and e.task]
        self._entries = entries
        self._wake.set()

    def tick(self) -> list[asyncio.Task[None]]:
        """Start what is due now; the tasks that were started.

        Of those that were missed (the machine slept, the daemon was off) one starts now,
        and the others one after the other: waking is no moment for all of them at once.
        """
        now = self._clock.now().wall
        entries = self._entries.values()
        due = [e for e in entries if e.task is None and self._due(e, now) <= now]
        missed = [e for e in due if now - self._due(e, now) > MISSED_S]
        for number, entry in enumerate(missed[1:], 1):
            later = now + number * SPACING_S + self._rng.uniform(0.0, SPACING_S)
            entry.state = replace(entry.state, next_due=later)
        return [self._start(entry) for entry in due if entry not in missed[1:]]

    async def run_now(self, name: str) -> dict[str, Any]:
        """Run a job out of turn and wait for it; its entry of ``listing`` afterwards.

        Raises NotFound, or Conflict if it is running. A caller that leaves does not stop it.
        """
        entry = self._entries.get(name)
        if entry is None:
            known = ", ".join(self._entries)
            raise NotFound(f"There is no job {name}; there are: {known}.")
        if entry.task is not None:
            raise Conflict(f"The job {name} is running already.")
        await asyncio.shield(self._start(entry))
        return self._shown(entry)

    def listing(self) -> list[dict[str, Any]]:
        """All jobs with what is known of them, JSON-ready."""
        return [self._shown(entry) for entry in self._entries.values()]

    # ── when ─────────────────────────────────────────────────────────────────

    def _scheduled(self, job: Job, now: float) -> float:
        return next_due(job.line, self._tz, now) + self._rng.uniform(0.0, job.jitter_s)

    def _due(self, entry: _Entry, now: float) -> float:
        """When the job is due; corrected where the clock was set back or the line was changed."""
        due = entry.state.next_due
        latest = next_due(entry.job.line, self._tz, now) + entry.job.jitter_s
        if entry.state.failures:
            latest = max(latest, now + BACKOFF_MAX_S)
        if due is None or due > latest:
            due = self._scheduled(entry.job, now)
            entry.state = replace(entry.state, next_due=due)
        return due

    def _after(self, job: Job, failures: int, now: float) -> float:
        """When to run next: by the line, or after failures by a growing pause instead."""
        if not failures:
            return self._scheduled(job, now)
        pause = min(BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 20), BACKOFF_MAX_S)
        return now + pause

    async def _sleep(self) -> None:
        now = self._clock.now().wall
        idle = [entry for entry in self._entries.values() if entry.task is None]
        due = min((self._due(entry, now) for entry in idle), default=now + SLEEP_MAX_S)
        pause = min(max(due - now, 0.0), SLEEP_MAX_S)
        self._wake.clear()
        if self._stopping:
            return
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            return

    # ── runs ─────────────────────────────────────────────────────────────────

    def _start(self, entry: _Entry) -> asyncio.Task[None]:
        entry.progress = Progress()
        entry.task = asyncio.create_task(self._one(entry), name=f"job {entry.job.name}")
        return entry.task

    async def _one(self, entry: _Entry) -> None:
        """One run, whatever comes of it; it counts as running until it is noted."""
        began = self._clock.now()
        try:
            failed, result = await self._outcome(entry)
            if failed:
                log.error("job %s %s", entry.job.name, result)
            await self._finish(entry, began, result, failed)
        finally:
            entry.task = None
            entry.progress = None
            self._wake.set()

    async def _outcome(self, entry: _Entry) -> tuple[bool, str]:
        """Whether the run failed, and one sentence on it."""
        try:
            return False, await self._guarded(entry)
        except FreeloaderError as error:
            return True, f"failed: {error.message}"
        except TimeoutError:
            return True, f"failed: not done after {entry.job.timeout_s:g} s"
        except Exception as error:
            # What nobody foresaw: the kind is told, the text may hold anything and is only logged.
            log.exception("job %s", entry.job.name)
            return True, f"failed: {type(error).__name__}"

    async def _guarded(self, entry: _Entry) -> str:
        progress = entry.progress or Progress()
        async with asyncio.timeout(entry.job.timeout_s):
            return (await entry.job.run(progress)) or "ok"

    async def _finish(self, entry: _Entry, began: Instant, result: str, failed: bool) -> None:
        now = self._clock.now()
        failures = entry.state.failures + 1 if failed else 0
        entry.state = JobState(
            entry.job.name,
            last_run=began.wall,
            last_result=result[:RESULT_CHARS_MAX],
            last_duration_ms=round((now.mono - began.mono) * 1000, 1),
            next_due=self._after(entry.job, failures, now.wall),
            failures=failures,
        )
        try:
            await self._store.save_job(entry.state)
        except FreeloaderError as error:
            log.error("job %s ran, which could not be noted: %s", entry.job.name, error.message)

    async def _end(self) -> None:
        every = (*self._entries.values(), *self._gone)
        tasks = [entry.task for entry in every if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _shown(self, entry: _Entry) -> dict[str, Any]:
        state = entry.state
        return {
            "name": entry.job.name,
            "cron": entry.job.line,
            "lastRun": None if state.last_run is None else iso(state.last_run),
            "lastResult": state.last_result,
            "lastDurationMs": state.last_duration_ms,
            "nextDue": None if state.next_due is None else iso(state.next_due),
            "running": entry.task is not None,
            "failures": state.failures,
            "progress": entry.progress.text if entry.progress else None,
        }
