"""The daemon: every object built once, wired, started in order and ended in reverse.

No rule about requests, money or processes is here; each line connects two rooms.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets as entropy
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from freeloader import __version__
from freeloader.app import listening
from freeloader.app.budgets import budget_rules
from freeloader.app.discovering import Discovering
from freeloader.app.failpoints import CrashingLane, CrashingLedger, failpoint
from freeloader.app.rating import Ratings
from freeloader.app.telling import Teller
from freeloader.app.upstream import Upstream
from freeloader.app.views import Decisions, Jobs
from freeloader.app.waking import Waking
from freeloader.app.world import World
from freeloader.banner import Banner
from freeloader.books.books import Books
from freeloader.child.keeper import Keeper
from freeloader.child.states import Rules as ChildRules
from freeloader.clock import Clock, SystemClock
from freeloader.core.model import Caller, Deployment
from freeloader.core.task.model import shipped
from freeloader.errors import ConfigError, Unavailable
from freeloader.gateway import tracing
from freeloader.gateway.asking import Asking
from freeloader.gateway.classifying import Classifier, Wish
from freeloader.gateway.counting import Counted, Counts
from freeloader.gateway.lanes.direct.lane import DirectLane
from freeloader.gateway.load import LoadMonitor
from freeloader.gateway.once.repeats import Repeats
from freeloader.gateway.pipeline import Pipeline
from freeloader.gateway.ports import JournalPort
from freeloader.gateway.server import HTTP_LIMITS, Running, build_app, serve
from freeloader.gateway.services import Services
from freeloader.gateway.sessions import Sessions
from freeloader.gateway.tools import Tasks, Tools
from freeloader.gateway.tracing import Traced
from freeloader.gateway.waiting import Room
from freeloader.logs import Logs, Redactor
from freeloader.manage.accounts import Accounts
from freeloader.manage.channels import Channels
from freeloader.manage.config import Config, differing
from freeloader.manage.config import reload as reload_settings
from freeloader.manage.feedback import Feedback
from freeloader.manage.fetch import fetch_quota
from freeloader.manage.keys import AppKeys
from freeloader.manage.onboard import Onboarding, Report
from freeloader.manage.reports import Desk
from freeloader.notify import Notifier, Wishes, by_apprise, told_by
from freeloader.secrets import SecretStore
from freeloader.secrets.box import Box
from freeloader.settings import Home, Settings
from freeloader.store import Store
from freeloader.workers.jobs import Retention, by_lines, first_jobs, load_jobs
from freeloader.workers.loop import Job, Loop
from freeloader.workers.quotas import quota_jobs

_log = logging.getLogger(__name__)

#: Changed quota windows go to disk this often (seconds).
FLUSH_S = 0.25
#: A local model may take so long for one part of a page.
_LOCAL_ANSWER_S = 300.0
#: A ledger that cannot be used is looked at again so soon, and ever less often, in seconds.
LEDGER_FIRST_S, LEDGER_AGAIN_S = 0.5, 5.0


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
        self.home, self.settings, self._environ = home, settings, environ
        self._clock = clock or SystemClock()
        self._state = "starting"
        self._refused: str | None = None
        self._untraced: str | None = None
        self._started = self._clock.now()
        self._tasks = Tasks()
        self._scrub = redactor.scrub
        self._logs = written
        self._background: set[asyncio.Task[None]] = set()
        self._running: Running | None = None
        self._room: Room | None = None
        self._traces = self._collector()
        self._asking: Asking | None = None
        self.store = Store.open(home.ledger, home.journal, self._clock, strict=False)
        box, boot = Box(home.path / "idempotency.key"), entropy.token_hex(8)
        self.repeats = Repeats(self.store.replays, box, self._clock, self._tasks, boot)
        self.store.journal.saved_bytes_max = settings.logging.saved_mb_max * 2**20
        self.secrets = SecretStore(home, settings.secrets.backend, on_secret=redactor.add)
        ledger = self.store.ledger
        self.world = World(
            settings, home.registry, ledger, self.secrets, self._clock, DirectLane.takes
        )
        self.notifier = Notifier(
            self._wishes,
            lambda name: self.channels.address(name),
            ledger,
            self._clock,
            by_apprise(redactor.scrub),
        )
        self.discovering = Discovering(
            home,
            self.store,
            self.world,
            self._clock,
            lambda: self.settings,
            self.notifier.tell,
            self._ask_locally,
        )
        self.accounts = Accounts(
            ledger,
            self.secrets,
            lambda: self.world.catalog,
            self.discovering.fetch,
            self._clock,
            self.world.refresh,
        )
        self.discovering.attach(self.accounts)
        self.keys = AppKeys(ledger, self._clock, changed=self._take_over_budgets)
        self.config = Config(
            home,
            environ,
            ledger,
            self._clock,
            accounts=self.accounts,
            changed=self.reload,
            in_force=lambda: self.settings,
        )
        self.channels = Channels(self.secrets, ledger, self.config, self._clock)
        point = failpoint(environ)
        kept: Any = ledger if point is None else CrashingLedger(ledger, point)
        self._failpoint = point
        self.books = Books(kept, self._clock, budget_rules(settings, {}))
        self.feedback = Feedback(
            self.store.feedback,
            Decisions(self.store.journal),
            ledger,
            self._clock,
            self.books.heed,
        )
        proxies = {k: v for k, v in environ.items() if k.lower() in _PROXIES}
        self.keeper = _keeper(
            home,
            settings,
            environ,
            self._clock,
            redactor,
            proxies,
            lambda: self.world.speaks,
        )
        self.upstream = Upstream(
            self.world,
            self.keeper,
            self._clock,
            lambda: self.settings.upstream.lane,
            proxies,
        )
        self.ratings = Ratings(
            self.store,
            self.books,
            self._clock,
            lambda: self.settings,
            lambda: self._asking,
            lambda: len(self._tasks) > 0,
            self.world.refresh,
        )
        self._load = LoadMonitor(self._clock, lambda: self.settings.load_monitoring.rules())
        self._every_job: tuple[Job, ...] = (
            *first_jobs(ledger, self.store.journal, self._clock, self._retention),
            *load_jobs(self._load.shown),
            *quota_jobs(self.books, self._ask_quota, self._clock),
            *self.discovering.jobs(),
            *self.ratings.jobs(),
        )
        self.jobs = Loop(
            by_lines(self._every_job, settings.cron_lines()),
            self._clock,
            ledger,
            random.Random(),  # noqa: S311 - spreads jobs over time, hides nothing
            settings.cron_zone(),
        )

    # ── life ─────────────────────────────────────────────────────────────────

    async def start(self) -> Banner:
        """Everything up, the front listening; the child is still on its way."""
        ledger = self.store.ledger
        found = Report()
        try:
            await self._read_ledger()
            found = await Onboarding(
                self.accounts,
                ledger,
                lambda: self.world.catalog,
                self._environ,
                self.discovering.fetch,
            ).run()
        except Unavailable as problem:
            _log.error("paid calls wait: %s", problem.message)
            await self.keys.load()  # as the journal remembers them
            await self._take_over_budgets()
            self._keep(self._until_ledger())
        self.world.attach(self.books, self.keeper, self._cautions, self.ratings.known)
        # What waits for approval counts from the first request on.
        cautious = bool(await self._cautions())
        await (self.world.reread() if cautious else self.world.refresh())
        await asyncio.to_thread(shipped)  # the task weights: no request need wait to unpack them
        self._log_overlays()
        await self.jobs.load()
        await self.notifier.check()
        teller = Teller(ledger, self.keeper.status, self.jobs.listing, self.notifier.tell)
        waking = Waking(self._clock, self.upstream.woke)
        for work in (
            self.jobs.run(),
            self._flush_forever(),
            self._announce_ready(),
            self.notifier.run(),
            teller.run(),
            waking.run(),
        ):
            self._keep(work)
        server = self.settings.server
        listening.require_key(server.host, len(self.keys.ids()))
        if (open_to_others := listening.warning(server.host)) is not None:
            _log.warning(open_to_others)
        limits = replace(HTTP_LIMITS, drain_seconds=server.drain_seconds)
        self._running = await serve(build_app(self._services()), server.host, server.port, limits)
        await self.upstream.start()
        return self._banner(found)

    async def _read_ledger(self) -> None:
        """A new epoch, and what was spent so far. Raises Unavailable; nothing is paid before."""
        await self.store.reopen()
        now = self._clock.now().wall
        await self.store.ledger.boot(now)
        await self.store.reconcile(now)
        await self.keys.ensure_files(self.home)
        await self.keys.load()
        await self._take_over_budgets()
        await self.books.load()
        await self.feedback.load()
        await self.notifier.load()

    async def _cautions(self) -> Sequence[Mapping[str, Any]]:
        """What waits for approval. None while the ledger cannot be read: nothing is paid then."""
        try:
            return await self.discovering.review.cautions()
        except Unavailable:
            return ()

    async def _until_ledger(self) -> None:
        """Free models answer meanwhile; the moment the ledger can be used, so does the rest."""
        wait = LEDGER_FIRST_S
        while not self.books.spent_known:
            await asyncio.sleep(wait)
            wait = min(wait * 2, LEDGER_AGAIN_S)
            try:
                await self._read_ledger()
            except Unavailable as problem:
                _log.warning("paid calls wait: %s", problem.message)
        _log.warning("the ledger was read: paid calls go on")
        await self.jobs.load()
        await self.world.reread()

    async def stop(self) -> None:
        """Drains what runs, settles it, ends the child and closes the files."""
        self._state = "stopping"
        self._note_state()
        patience = self.settings.server.drain_seconds
        if self._running is not None:
            await self._running.close_listener()
        if self._room is not None:
            self._room.close()  # who only waits has nothing to lose, and may ask elsewhere
        left = await self._tasks.drain(patience)
        if left:
            _log.warning("%d requests were cut after %g s of draining", left, patience)
        if self._running is not None:
            await self._running.stop()
        self.jobs.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.world.close()
        await self.upstream.close()
        await self.keeper.stop()
        try:
            await self.books.flush()
        except Unavailable as problem:
            _log.error("quota windows were not saved: %s", problem.message)
        await self.store.close()
        if self._traces is not None:
            await asyncio.to_thread(self._traces.shutdown)

    def _collector(self) -> Any:
        """Where spans go, if the owner named a place; without the extra it goes on without."""
        where = self.settings.logging.otlp_endpoint
        try:
            return None if where is None else tracing.connect(str(where), __version__)
        except ConfigError as problem:
            self._untraced = problem.message
            _log.error("no traces: %s", problem.message)
            return None

    async def reload(self) -> None:
        """Settings, overlays and key budgets anew (SIGHUP, or a change over HTTP)."""
        found, problem = await asyncio.to_thread(
            reload_settings, self.home, self._environ, self.settings
        )
        self._refused = None if problem is None else problem.message
        if problem is not None:
            _log.error("the settings were not taken over: %s", problem.message,
                       extra={"fields": {"event": "settings.refused"}})  # fmt: skip
            return
        changed = ", ".join(differing(self.settings, found))
        _log.info("settings taken over: %s", changed or "nothing changed",
                  extra={"fields": {"event": "settings.reload", "changed": changed}})  # fmt: skip
        self.settings = found
        self.store.journal.saved_bytes_max = found.logging.saved_mb_max * 2**20
        if self._logs is not None:
            self._logs.set_level(found.logging.level)
            self._logs.set_json(found.logging.as_json)
        self.jobs.replace(by_lines(self._every_job, found.cron_lines()), found.cron_zone())
        await self.keys.load()
        await self._take_over_budgets()
        await self.world.reload(found)
        await self.upstream.take_over()
        self._log_overlays()

    def problems(self) -> list[str]:
        """What of the owner's files is not in force, and what is wrong with ours."""
        refused = [] if self._refused is None else [f"settings not taken over: {self._refused}"]
        skipped = [f"overlay skipped: {bad}" for bad in self.world.catalog.problems]
        unknown = self.world.premium_problem()
        return [
            *refused,
            *skipped,
            *unknown,
            *([] if self._untraced is None else [f"no traces: {self._untraced}"]),
            *self.upstream.problems(),
            *self.store.problems,
            *self.notifier.problems(),
        ]

    def _classifier(self) -> Wish:
        wanted = self.settings.classifier
        return Wish(wanted.mode == "model", wanted.model, wanted.seconds)

    async def _ask_locally(self, question: str) -> str:
        """For discovery: a local model's answer; it never leaves the machine and costs nothing."""
        if self._asking is None:
            raise Unavailable("The daemon is still starting; try again in a moment.")
        body = {
            "model": self.settings.discovery.scraping.model or "auto",
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
            "freeloader": {"qualityGates": {"localOnly": True}},
        }
        caller = Caller("discovery", "admin")
        return (await self._asking.ask(body, caller, _LOCAL_ANSWER_S)).text

    def _wishes(self) -> Wishes:
        wanted = self.settings.notifications
        kinds = told_by(wanted.events.model_dump())
        return Wishes(wanted.channels if wanted.enabled else (), kinds)

    def _log_overlays(self) -> None:
        for bad in self.world.catalog.problems:
            _log.error("registry overlay skipped: %s", bad)

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

    # ── wiring ───────────────────────────────────────────────────────────────

    def _services(self) -> Services:
        spread = random.Random()  # noqa: S311 - sets requests apart, hides nothing
        room = self._room = Room(lambda: self.settings.server.request_seconds_max, spread.random)
        self.books.watch(room.changed)
        ledger = self.store.ledger
        lane, point = self.upstream.lane, self._failpoint
        counts = Counts()
        journal: JournalPort = Counted(self.store.journal, counts)
        if self._traces is not None:
            journal = Traced(journal, self._traces)
        tools = Tools(
            self.books,
            lane if point is None else CrashingLane(lane, point),
            self.world,
            journal,
            self._clock,
            self._tasks,
            self.world.credentials,
            self.upstream.ready,
            _new_id,
            self._scrub,
            room,
            audit=ledger.audit,
            lane_up=self.upstream.up,
            lane_wanted=self.upstream.wanted,
            lane_out=self.upstream.out,
            load=self._load,
            sessions=Sessions(lambda: self.settings.routing.sessions),
            roll=spread.random,
        )
        pipeline = Pipeline(tools)
        self._asking = Asking(pipeline, lambda: _new_id("req"), self._clock)
        pipeline.classify_by(
            Classifier(self._asking.words, self._classifier, self.world.curve, self._clock)
        )
        return Services(
            pipeline=pipeline,
            books=self.books,
            accounts=self.accounts,
            keys=self.keys,
            config=self.config,
            journal=Decisions(self.store.journal),
            feedback=self.feedback,
            desk=Desk(
                self.store.reports,
                self.store.ledger,
                self.store.journal,
                self.store.exporter,
                self._clock,
                self.world.premium_name,
                lambda project: self.books.budget_view(project, self._clock.now()),
            ),
            jobs=Jobs(self.jobs),
            counts=counts,
            waiting=room.__len__,
            proposals=self.discovering.review,
            channels=self.channels,
            notifier=self.notifier,
            benchmarks=self.ratings,
            child=self.keeper,
            clock=self._clock,
            settings=lambda: self.settings.server,
            state=lambda: self.state,
            new_id=lambda: _new_id("req"),
            version=__version__,
            started=self._started,
            simulated=lambda: self.world.simulation.url is not None,
            problems=self.problems,
            lane=self.upstream.shown,
            once=self.repeats.once,
            load=self._load.shown,
            forgive=tools.retries.clear,
        )

    async def _ask_quota(self, deployment: Deployment) -> Any:
        """What the provider says is left; no call is spent on it."""
        credentials = await self.world.credentials(deployment)
        return await fetch_quota(deployment.provider, deployment.account, credentials)

    async def _take_over_budgets(self) -> None:
        """The settings' limits and each key's own, from the next request on."""
        own = {key: self.keys.budget(key) for key in self.keys.ids()}
        await self.books.configure(budget_rules(self.settings, own))

    def _retention(self) -> Retention:
        kept = self.settings.logging
        size = kept.retention_mb_max * 2**20
        return Retention(float(kept.retention_days), kept.retention_rows_max, size)

    def _banner(self, report: Report) -> Banner:
        assert self._running is not None
        found = [f"{row['provider']}: taken over from {row['source']}" for row in report.added]
        seen = listening.warning(self.settings.server.host)
        problems = [*report.problems, *self.problems(), *([] if seen is None else [seen])]
        return Banner(
            address=self._running.url,
            client_key=self.home.client_key.read_text().strip(),
            client_key_file=str(self.home.client_key),
            home=str(self.home.path),
            found=tuple(found),
            problems=tuple(problems),
            simulated=self.world.simulation.url is not None,
            deployments=len(self.world.deployments),
        )

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            _log.error("%s ended: %s", task.get_coro(), problem)

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.books.flush_dirty()

    async def _announce_ready(self) -> None:
        if not self.upstream.answers():
            await self.keeper.wait_ready(self.settings.upstream.start_seconds_max)
        self._note_state()

    def _note_state(self) -> None:
        count = len(self.world.deployments)
        fields = {"event": "daemon.state", "state": self.state, "deployments": str(count)}
        _log.info("%s: %d deployments", self.state, count, extra={"fields": fields})


def _keeper(
    home: Home,
    settings: Settings,
    environ: Mapping[str, str],
    clock: Clock,
    redactor: Redactor,
    proxies: Mapping[str, str],
    behind: Callable[[], bool],
) -> Keeper:
    upstream = settings.upstream
    return Keeper(
        home.run,
        home.logs,
        clock,
        workers=upstream.workers,
        recycle_rss_mb=upstream.recycle_rss_mb,
        rules=ChildRules(start=upstream.start_seconds_max, drain=upstream.total_seconds),
        environ=environ,
        proxies=proxies,
        scrub=redactor.scrub,
        behind=behind,
    )


_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


def _new_id(kind: str) -> str:
    return f"{kind}_{entropy.token_hex(12)}"
