"""The keeper's hands: start, ask, warm and signal the workers of generations.

Whatever takes time runs as a task of its own and comes back as an event
through ``post``. Nothing here decides what is done next.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from freeloader.child import readiness, records
from freeloader.child.config import Entry, render, write_private
from freeloader.child.crew import Crew
from freeloader.child.environment import child_environ
from freeloader.child.logfile import LogFile
from freeloader.child.machine.states import (
    Alive,
    Event,
    Exited,
    Spawned,
    SpawnFailed,
    Warmed,
    WarmFailed,
)
from freeloader.child.places import Places
from freeloader.child.process import Worker
from freeloader.errors import ConfigError

_START_PROBE_SECONDS = 1.0
EX_CONFIG = 78

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a worker is started: how many, which command, in what environment.

    ``proxies`` go through the pipe, not the environment: they can hold passwords.
    """

    workers: int
    command: tuple[str, ...]
    environ: Mapping[str, str]
    proxies: Mapping[str, str]


class Hands:
    """``crews`` holds every generation that has, or is about to have, processes."""

    def __init__(
        self, places: Places, log: LogFile, recipe: Recipe, post: Callable[[Event], None]
    ) -> None:
        self.crews: dict[int, Crew] = {}
        self._places = places
        self._log = log
        self._recipe = recipe
        self._post = post
        self._given_up: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(
        self,
        generation: int,
        config: str,
        entries: Iterable[Entry],
        secrets: Mapping[str, str],
        *,
        gentle: bool = False,
    ) -> None:
        """Start all workers; ``Spawned``, ``SpawnFailed`` or (a config of no use) ``Exited``.

        ``gentle``: another generation answers meanwhile and has precedence.
        """
        sockets = [self._places.socket(generation, i) for i in range(self._recipe.workers)]
        workers = tuple(Worker(generation, i, socket) for i, socket in enumerate(sockets))
        known = tuple(entries)
        crew = self.crews[generation] = Crew(generation, config, workers, known)
        orders = {"environ": {**self._recipe.proxies, **secrets}, "gentle": gentle}
        self.background(self._spawn(crew, known, orders))

    def probe(self, generation: int) -> None:
        """``Alive`` once all workers answer."""
        crew = self.crews.get(generation)
        if crew is not None:
            self.background(self._probe(crew))

    def warm(self, generation: int) -> None:
        """``Warmed`` or ``WarmFailed``."""
        crew = self.crews.get(generation)
        if crew is not None:
            self.background(self._warm(crew))

    def signal(self, generation: int, number: int) -> None:
        """Send a signal to all workers; one that has no process yet will get none."""
        crew = self.crews.get(generation)
        if crew is None:
            self._post(Exited(generation, 0))
            return
        self._given_up.add(generation)
        crew.signal(number)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` as a task that is kept, and whose failure is logged."""
        task = asyncio.create_task(guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End all tasks and processes at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for crew in self.crews.values():
            crew.signal(signal.SIGKILL)
            await crew.close()
        self.crews.clear()

    async def _spawn(
        self, crew: Crew, entries: tuple[Entry, ...], orders: Mapping[str, object]
    ) -> None:
        generation = crew.generation
        try:
            path = self._places.config(generation)
            # Off the loop, where a registry of a thousand models would stop all answers.
            await asyncio.to_thread(lambda: write_private(path, render(entries)))
            for worker in crew.workers:
                cwd = self._places.cwd(generation, worker.index)
                command = (*self._recipe.command, str(worker.socket), str(path))
                environ = child_environ(cwd, self._recipe.environ)
                await worker.spawn(command, environ, cwd, orders, self._write_log)
                self.background(self._wait(crew, worker))
            self._save_records()
        except (ConfigError, OSError) as error:
            self._failed(crew, error)
            return
        if generation in self._given_up:  # given up while it was being started
            crew.signal(signal.SIGKILL)
        self._post(Spawned(generation))

    def _failed(self, crew: Crew, error: Exception) -> None:
        if isinstance(error, ConfigError):
            self._post(Exited(crew.generation, EX_CONFIG, str(error)))
        else:
            self._post(SpawnFailed(crew.generation, f"it could not be started: {error}"))
        crew.signal(signal.SIGKILL)
        if not crew.running:
            self._forget(crew)

    async def _wait(self, crew: Crew, worker: Worker) -> None:
        code = await worker.wait()
        left = len(crew.running)
        reason = reason_of(code, self._log.scrub(worker.last_line))
        self._post(Exited(crew.generation, code, reason, left))
        await worker.close()
        if left == 0:
            self._forget(crew)
        self._save_records()

    async def _probe(self, crew: Crew) -> None:
        waits = (readiness.until_alive(worker, _START_PROBE_SECONDS) for worker in crew.workers)
        await asyncio.gather(*waits)
        if len(crew.running) == len(crew.workers):
            self._post(Alive(crew.generation))

    async def _warm(self, crew: Crew) -> None:
        try:
            await asyncio.gather(*(readiness.warm(worker) for worker in crew.workers))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            reason = f"no answer to a warm-up call ({type(error).__name__})"
            self._post(WarmFailed(crew.generation, reason))
        else:
            self._post(Warmed(crew.generation))

    def _forget(self, crew: Crew) -> None:
        self.crews.pop(crew.generation, None)
        self._given_up.discard(crew.generation)
        shutil.rmtree(self._places.generation(crew.generation), ignore_errors=True)

    def _write_log(self, data: bytes) -> None:
        try:
            self._log.write(data)
        except OSError:
            self._log.close()  # a full disk must not end the child; the tail in memory goes on

    def _save_records(self) -> None:
        running = [worker for crew in self.crews.values() for worker in crew.running]
        found = (records.record_of(worker.pid or 0, worker.socket) for worker in running)
        records.save(self._places.records, [record for record in found if record is not None])


async def guarded(work: Coroutine[Any, Any, None]) -> None:
    """A boundary: what goes wrong in one task of the keeper is logged and ends only that."""
    try:
        await work
    except Exception:  # noqa: BLE001 - see above
        _LOG.exception("a task of the keeper failed")


def reason_of(code: int, last_line: str) -> str:
    """Why a process ended, for people."""
    name = signal_name(code)
    if name is not None:
        return f"killed by {name}"
    return f"exit code {code}: {last_line}" if last_line else f"exit code {code}"


def signal_name(code: int | None) -> str | None:
    """``SIGKILL`` for −9; None for an exit code of its own."""
    if code is None or code >= 0:
        return None
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
