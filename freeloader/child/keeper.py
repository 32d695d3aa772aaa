"""The keeper: the one task that feeds the machine, and the hands that do what it says.

Call everything from the daemon's main loop in the main thread (the child's
parent-death signal is bound to the thread that starts it). It never decides
when to restart, switch or give up: ``machine.step`` does. It knows no
providers and no requests, only leases.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from freeloader.child.config import Entry, digest, wire_name
from freeloader.child.crew import Crew, Lease
from freeloader.child.hands import Hands, Recipe
from freeloader.child.logfile import LogFile
from freeloader.child.machine import step
from freeloader.child.machine.states import (
    Configure,
    Drain,
    Drained,
    Effect,
    Event,
    GiveUp,
    Kill,
    Machine,
    Probe,
    Rules,
    Spawn,
    Start,
    Stop,
    SwitchTo,
    Terminate,
    Tick,
    WaitUntil,
    Warm,
)
from freeloader.child.places import Places
from freeloader.child.telling import Teller, unavailable
from freeloader.child.watching import Lookout
from freeloader.clock import Clock
from freeloader.core.model import EMPTY
from freeloader.errors import Unavailable

_JITTER = 0.25
_QUEUE = 4096

_LOG = logging.getLogger(__name__)


class Keeper:
    """Keeps LiteLLM children running: ``start``, ``configure``, ``lease``, ``status``, ``stop``.

    ``workers`` processes per generation; ``recycle_rss_mb`` (None: never) is
    the resident size of one worker at which the generation is replaced.
    ``environ`` is the daemon's, of which only places are taken over.
    ``proxies`` go through the pipe, not the environment: they can hold passwords.
    ``scrub`` masks secrets in what the child prints. ``behind``: somebody else answers
    while no child does, and has precedence over one that starts.
    """

    def __init__(
        self,
        run_dir: Path,
        log_dir: Path,
        clock: Clock,
        *,
        workers: int = 1,
        recycle_rss_mb: int | None = 1024,
        rules: Rules | None = None,
        environ: Mapping[str, str] = EMPTY,
        proxies: Mapping[str, str] = EMPTY,
        scrub: Callable[[str], str] = str,
        rng: random.Random | None = None,
        command: tuple[str, ...] = (sys.executable, "-m", "freeloader.child.launcher"),
        behind: Callable[[], bool] = lambda: False,
    ) -> None:
        self._places = Places(run_dir)
        self._log = LogFile(log_dir / "litellm.log", scrub=scrub)
        self._log_dir = log_dir
        self._clock = clock
        self._rules = rules or Rules()
        self._behind = behind
        self._rng = rng or random.Random()  # noqa: S311 - spreads restarts, hides nothing
        self._machine = Machine()
        self._events: asyncio.Queue[Event] = asyncio.Queue(_QUEUE)
        recipe = Recipe(max(1, workers), command, environ, proxies)
        tell = self._events.put_nowait
        self._hands = Hands(self._places, self._log, recipe, tell)
        self._lookout = Lookout(clock, self._serving, tell, recycle_rss_mb)
        self._switched: Callable[[], None] | None = None
        self._asked: str | None = None
        self._configs: dict[str, tuple[tuple[Entry, ...], Mapping[str, str]]] = {}
        self._loop_task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._teller = Teller(self._log, clock.now())

    # ── what the daemon asks of it ───────────────────────────────────────────

    async def start(self, entries: Iterable[Entry], secrets: Mapping[str, str] = EMPTY) -> None:
        """End what an earlier daemon left, then start the first generation; does not wait for it.

        ``secrets`` are credentials that cannot go with a request, by environment
        name (an entry's parameter then says ``os.environ/NAME``).
        """
        if self._loop_task is None:
            self._log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            await asyncio.to_thread(self._places.prepare)
            self._loop_task = asyncio.create_task(self._run(), name="keeper")
            self._hands.background(self._lookout.watch())
        self._asked = self._remember(entries, secrets)
        self._events.put_nowait(Start(self._asked))

    @property
    def started(self) -> bool:
        """True between ``start`` and ``stop``."""
        return self._loop_task is not None

    def configure(self, entries: Iterable[Entry], secrets: Mapping[str, str] = EMPTY) -> None:
        """The entries have changed (or not: then nothing happens). Returns at once.

        Before ``start`` nothing happens either: that is told the entries itself.
        """
        if not self.started:
            return
        self._asked = self._remember(entries, secrets)
        self._events.put_nowait(Configure(self._asked))

    def on_switch(self, tell: Callable[[], None]) -> None:
        """``tell`` is called whenever another generation serves, before any request reaches it."""
        self._switched = tell

    async def stop(self) -> None:
        """End all children, SIGTERM then SIGKILL; returns when none is left. Idempotent."""
        if self._loop_task is None:
            return
        self._events.put_nowait(Stop())
        await self._until(lambda: not self._machine.running and self._machine.state == "stopped")
        self._loop_task.cancel()
        await asyncio.gather(self._loop_task, return_exceptions=True)
        self._loop_task = None
        await self._hands.close()
        self._log.close()
        await asyncio.to_thread(self._places.clear)

    def lease(self) -> Lease:
        """A claim on the least-loaded ready worker: ``with keeper.lease() as lease``.

        Raises Unavailable (``starting``, or ``overloaded`` once it gave up) where there is none.
        """
        crew = self._serving()
        worker = None if crew is None else crew.least_loaded()
        if worker is None:
            raise self._unavailable()
        return Lease(worker, self._lease_ended)

    def serves(self, entry: str) -> bool:
        """True if the child that is asked now knows an entry of this name."""
        return wire_name(entry) in self.served()

    def served(self) -> Mapping[str, Entry]:
        """What the child that is asked now knows, by wire name; empty where there is none."""
        crew = self._serving()
        return EMPTY if crew is None else crew.entries

    async def wait_ready(self, timeout: float) -> None:
        """Until a lease can be had. Raises Unavailable after ``timeout`` seconds, or once fatal."""
        try:
            async with asyncio.timeout(timeout):
                await self._until(lambda: self._leasable() or self._machine.fatal is not None)
        except TimeoutError:
            raise self._unavailable() from None
        if self._machine.fatal is not None:
            raise self._unavailable()

    async def wait_settled(self, timeout: float) -> bool:
        """Until the newest config serves and nothing else is coming; False after ``timeout``."""
        try:
            async with asyncio.timeout(timeout):
                await self._until(self._settled)
        except TimeoutError:
            return False
        return True

    def status(self) -> dict[str, Any]:
        """JSON-ready; no secret, no path. Sizes are sums over the serving generation's workers."""
        return self._teller.status(self._machine, self._hands.crews, self._lookout)

    # ── the one task ─────────────────────────────────────────────────────────

    async def _run(self) -> None:
        while True:
            event = await self._next_event()
            try:
                self._take(event)
            except Exception:  # noqa: BLE001
                # A boundary: the keeper must outlive any mistake in what it does.
                _LOG.exception("the keeper failed on %r", event)
            self._changed.set()

    def _take(self, event: Event) -> None:
        """One step of the machine, and what it asks for."""
        before = self._machine
        now = self._clock.now()
        jitter = self._rng.random() * _JITTER
        self._machine, effects = step(before, event, now.mono, self._rules, jitter)
        self._teller.note(before, event, self._machine, now)
        for effect in effects:
            self._do(effect)

    async def _next_event(self) -> Event:
        due = self._machine.due()
        if due is None:
            return await self._events.get()
        wait = due - self._clock.now().mono
        try:
            return await asyncio.wait_for(self._events.get(), max(wait, 0.001))
        except TimeoutError:
            return Tick()

    def _do(self, effect: Effect) -> None:
        match effect:
            case Spawn(generation, config):
                gentle = self._machine.serving is not None or self._behind()
                self._hands.spawn(generation, config, *self._configs[config], gentle=gentle)
            case Probe(generation):
                self._hands.probe(generation)
            case Warm(generation):
                self._hands.warm(generation)
            case Drain(generation):
                self._lease_ended(generation)
            case Terminate(generation):
                self._hands.signal(generation, signal.SIGTERM)
            case Kill(generation):
                self._hands.signal(generation, signal.SIGKILL)
            case SwitchTo():
                if self._switched is not None:
                    self._switched()
            case GiveUp() | WaitUntil():
                pass  # the machine's own state says it all: lease(), status(), _next_event()

    # ── small things ─────────────────────────────────────────────────────────

    def _serving(self) -> Crew | None:
        """Who serves; nobody between a crew's death and the machine's hearing of it."""
        serving = self._machine.serving
        crew = None if serving is None else self._hands.crews.get(serving.id)
        return crew if crew is not None and crew.running else None

    def _leasable(self) -> bool:
        return self._machine.state == "ready" and self._serving() is not None

    def _remember(self, entries: Iterable[Entry], secrets: Mapping[str, str]) -> str:
        """Keep what a digest stands for, for as long as the machine can still name it."""
        known = tuple(sorted(entries))
        name = digest(known, secrets)
        machine = self._machine
        named = {machine.wanted, machine.good, *(gen.config for gen in machine.generations)}
        self._configs = {k: v for k, v in self._configs.items() if k in named} | {
            name: (known, dict(secrets))
        }
        return name

    def _lease_ended(self, generation: int) -> None:
        """A draining generation with nothing in flight is drained."""
        crew = self._hands.crews.get(generation)
        draining = any(g.id == generation and g.phase == "draining" for g in self._machine.leaving)
        if draining and (crew is None or crew.in_flight == 0):
            self._events.put_nowait(Drained(generation))

    def _unavailable(self) -> Unavailable:
        return unavailable(self._machine)

    def _settled(self) -> bool:
        machine = self._machine
        if machine.wanted != self._asked:  # a change that the machine has not heard of yet
            return False
        if machine.fatal is not None or machine.rejected == machine.wanted:
            return True
        serving = machine.serving
        here = serving is not None and serving.config == machine.wanted
        return here and machine.coming is None

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()
