"""The daemon: its parts built once, started in order and ended in reverse.

No rule about requests, money or processes is here; each line connects two rooms. The parts
are put together in rooms of their own: ``supply``, ``front``, ``owning``, ``remembering``.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from freeloader.app import listening, wiring
from freeloader.app.background import Background
from freeloader.app.budgets import budget_rules
from freeloader.app.failpoints import CrashingLedger, failpoint
from freeloader.app.front import Front
from freeloader.app.given import Given, InForce
from freeloader.app.owning import Owner
from freeloader.app.rating import Ratings
from freeloader.app.remembering import Memory
from freeloader.app.supply import Supply
from freeloader.app.telling import Teller
from freeloader.app.traces import Traces
from freeloader.app.waking import Waking
from freeloader.banner import Banner
from freeloader.books.books import Books
from freeloader.clock import Clock, SystemClock, asleep
from freeloader.core.task.model import shipped
from freeloader.errors import Unavailable
from freeloader.gateway.server import HTTP_LIMITS, Running, build_app, serve
from freeloader.gateway.tools import Tasks
from freeloader.logs import Logs, Redactor
from freeloader.manage.onboard import Onboarding, Report
from freeloader.secrets import SecretStore
from freeloader.settings import Home, Settings
from freeloader.store import Store
from freeloader.workers.jobs import by_lines
from freeloader.workers.loop import Loop

_log = logging.getLogger(__name__)

#: Changed quota windows go to disk this often (seconds): they are there within 250 ms, and the
#: rest of that is the commit's.
FLUSH_S = 0.2
LOOK_S = 2.0


class Daemon:
    """One home's daemon. ``start``, then ``stop``; ``reload`` in between."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        environ: Mapping[str, str],
        redactor: Redactor,
        clock: Clock | None = None,
        written: Logs | None = None,
    ) -> None:
        self.home, self.in_force = home, InForce(settings)
        self.clock, self.tasks = clock or SystemClock(), Tasks()
        given = self._given = Given(home, environ, self.clock, redactor, self.tasks, self.in_force)
        self._state = "starting"
        self.started = self.clock.now()
        self._logs = written
        self._background = Background()
        self._reloading = asyncio.Lock()
        self._running: Running | None = None
        self._traces = Traces(settings)
        self.store = Store.open(home.ledger, home.journal, self.clock, strict=False)
        self.store.journal.saved_bytes_max = settings.logging.saved_mb_max * 2**20
        secrets = SecretStore(home, settings.secrets.backend, on_secret=redactor.add)
        supply = Supply(given, self.store, secrets)
        self.world, self.keeper, self.upstream = supply.world, supply.keeper, supply.upstream
        point = failpoint(environ)
        ledger: Any = self.store.ledger
        kept = ledger if point is None else CrashingLedger(ledger, point)
        self.books = Books(kept, self.clock, budget_rules(settings, {}), asleep)
        self.front = Front(given, self.store, self.books, supply, self._traces, point)
        self.owner = Owner(
            given,
            self.store,
            secrets,
            self.world,
            self.books,
            self.front.asking,
            self.reload,
            lambda: self._memory.rebudget(),
        )
        self._memory = Memory(given, self.store, self.books, self.owner)
        self.ratings = Ratings(
            self.store,
            self.books,
            self.clock,
            self.in_force,
            self.front.asking,
            lambda: len(self.tasks) > 0,
            self.world.refresh,
        )
        self._every_job = wiring.jobs(self)
        self.jobs = Loop(
            by_lines(self._every_job, settings.cron_lines()),
            self.clock,
            self.store.ledger,
            random.Random(),  # noqa: S311 - spreads jobs over time, hides nothing
            settings.cron_zone(),
        )

    @property
    def settings(self) -> Settings:
        """Those in force now."""
        return self.in_force()

    # ── life ─────────────────────────────────────────────────────────────────

    async def start(self) -> Banner:
        """Everything up, the front listening; the child is still on its way."""
        found = await self._remember()
        self.world.attach(self.books, self.keeper, self._cautions, self.ratings.known)
        # What waits for approval counts from the first request on.
        cautious = bool(await self._cautions())
        await (self.world.reread() if cautious else self.world.refresh())
        await asyncio.to_thread(shipped)  # the task weights: no request need wait to unpack them
        self._log_overlays()
        await self.jobs.load()
        notifier = self.owner.notifier
        await notifier.check()
        teller = Teller(self.store.ledger, self.keeper.status, self.jobs.listing, notifier.tell)
        waking = Waking(self.clock, self.upstream.woke)
        for work in (
            self.jobs.run(),
            self._flush_forever(),
            self._look_forever(),
            self._announce_ready(),
            notifier.run(),
            teller.run(),
            waking.run(),
        ):
            self._background.keep(work)
        server = self.settings.server
        listening.require_key(server.host, len(self.owner.keys.ids()))
        if (open_to_others := listening.warning(server.host)) is not None:
            _log.warning(open_to_others)
        limits = replace(HTTP_LIMITS, drain_seconds=server.drain_seconds)
        self._running = await serve(
            build_app(wiring.services(self)), server.host, server.port, limits
        )
        await self.upstream.start()
        return wiring.banner(self, self._running.url, found)

    async def _remember(self) -> Report:
        """The past, and the keys that lie about; without a ledger, what the journal knows."""
        try:
            await self._memory.read()
            return await Onboarding(
                self.owner.accounts,
                self.store.ledger,
                lambda: self.world.catalog,
                self._given.environ,
                self.owner.discovering.fetch,
            ).run()
        except Unavailable as problem:
            _log.error("paid calls wait: %s", problem.message)
            await self._memory.from_the_journal()
            self._background.keep(self._memory.until_read(self._go_on))
            return Report()

    async def _go_on(self) -> None:
        """The ledger was read at last: what was left out at the start."""
        await self.jobs.load()
        await self.world.reread()

    async def _cautions(self) -> Sequence[Mapping[str, Any]]:
        """What waits for approval. None while the ledger cannot be read: nothing is paid then."""
        try:
            return await self.owner.discovering.review.cautions()
        except Unavailable:
            return ()

    async def stop(self) -> None:
        """Drains what runs, settles it, ends the child and closes the files."""
        self._state = "stopping"
        self._note_state()
        patience = self.settings.server.drain_seconds
        if self._running is not None:
            await self._running.close_listener()
        self.front.room.close()  # who only waits has nothing to lose, and may ask elsewhere
        left = await self.tasks.drain(patience)
        if left:
            _log.warning("%d requests were cut after %g s of draining", left, patience)
        if self._running is not None:
            await self._running.stop()
        self.jobs.stop()
        await self._background.stop()
        await self.world.close()
        await self.upstream.close()
        await self.keeper.stop()
        try:
            await self.books.flush()
        except Unavailable as problem:
            _log.error("quota windows were not saved: %s", problem.message)
        await self.store.close()
        await self._traces.close()

    async def reload(self) -> None:
        """Settings, overlays and key budgets anew (SIGHUP, or a change over HTTP).

        One after another: what is read last is what holds. Raises FreeloaderError.
        """
        async with self._reloading:
            await self._reload()

    async def _reload(self) -> None:
        if not await asyncio.to_thread(self.in_force.read_again, self.home, self._given.environ):
            return
        found = self.settings
        self.store.journal.saved_bytes_max = found.logging.saved_mb_max * 2**20
        if self._logs is not None:
            self._logs.set_level(found.logging.level)
            self._logs.set_json(found.logging.as_json)
        self.jobs.replace(by_lines(self._every_job, found.cron_lines()), found.cron_zone())
        await self.owner.keys.load()
        await self._memory.rebudget()
        await self.world.reload(found)
        await self.upstream.take_over()
        self._log_overlays()

    def problems(self) -> list[str]:
        """What of the owner's files is not in force, and what is wrong with ours."""
        return [
            *self.in_force.problems(),
            *self.world.problems(),
            *self._traces.problems(),
            *self.upstream.problems(),
            *self.store.problems,
            *self.owner.notifier.problems(),
        ]

    def _log_overlays(self) -> None:
        for bad in self.world.catalog.problems:
            _log.error("registry overlay skipped: %s", bad)
        for slip in self.world.slips(self.settings):
            _log.warning("settings: %s", slip)

    @property
    def state(self) -> str:
        """``starting``, ``ready`` or ``stopping``; ready means that somebody can be asked."""
        if self._state == "starting" and self.upstream.answers():
            self._state = "ready"
        return self._state

    def summary(self) -> str:
        """One line for a service manager."""
        child = self.keeper.status()["state"]
        return f"{self.state}; LiteLLM {child}; {len(self.books.deployments)} deployments"

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.books.flush_dirty()

    async def _look_forever(self) -> None:
        """A ledger that another program has locked is noticed before somebody wants to pay."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.store.ledger.look()

    async def _announce_ready(self) -> None:
        if not self.upstream.answers():
            await self.keeper.wait_ready(self.settings.upstream.start_seconds_max)
        self._note_state()

    def _note_state(self) -> None:
        count = len(self.world.deployments)
        fields = {"event": "daemon.state", "state": self.state, "deployments": str(count)}
        _log.info("%s: %d deployments", self.state, count, extra={"fields": fields})
