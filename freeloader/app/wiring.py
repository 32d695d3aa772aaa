"""What of the daemon the routes, the jobs and the banner can ask: each line connects two rooms.

Nothing is built here that lives on by itself; the parts are the daemon's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from freeloader import __version__
from freeloader.app import listening
from freeloader.app.views import Decisions, Jobs
from freeloader.banner import Banner
from freeloader.core.model import Deployment
from freeloader.gateway.services import Services
from freeloader.manage.fetch import fetch_quota
from freeloader.manage.onboard import Report
from freeloader.manage.reports import Desk
from freeloader.workers.jobs import Retention, first_jobs, load_jobs
from freeloader.workers.loop import Job
from freeloader.workers.quotas import quota_jobs

if TYPE_CHECKING:
    from freeloader.app.daemon import Daemon


def services(daemon: Daemon) -> Services:
    """What the routes can ask."""
    owner, front, settings = daemon.owner, daemon.front, daemon.in_force
    return Services(
        pipeline=front.pipeline,
        books=daemon.books,
        accounts=owner.accounts,
        keys=owner.keys,
        config=owner.config,
        journal=Decisions(daemon.store.journal),
        feedback=owner.feedback,
        desk=_desk(daemon),
        jobs=Jobs(daemon.jobs),
        counts=front.counts,
        waiting=front.room.__len__,
        proposals=owner.discovering.review,
        channels=owner.channels,
        notifier=owner.notifier,
        benchmarks=daemon.ratings,
        child=daemon.keeper,
        clock=daemon.clock,
        settings=lambda: settings().server,
        state=lambda: daemon.state,
        new_id=lambda: front.ids.new("req"),
        version=__version__,
        started=daemon.started,
        simulated=lambda: daemon.world.simulation.url is not None,
        problems=daemon.problems,
        lane=daemon.upstream.shown,
        once=front.repeats.once,
        load=front.load.shown,
        forgive=front.tools.retries.clear,
    )


def _desk(daemon: Daemon) -> Desk:
    return Desk(
        daemon.store.reports,
        daemon.store.ledger,
        daemon.store.journal,
        daemon.store.exporter,
        daemon.clock,
        daemon.world.premium_name,
        lambda project: daemon.books.budget_view(project, daemon.clock.now()),
    )


def jobs(daemon: Daemon) -> tuple[Job, ...]:
    """All work that goes by the clock, whatever lines the settings give it."""
    store = daemon.store
    return (
        *first_jobs(store.ledger, store.journal, daemon.clock, partial(_retention, daemon)),
        *load_jobs(daemon.front.load.shown),
        *quota_jobs(daemon.books, partial(_ask_quota, daemon), daemon.clock),
        *daemon.owner.discovering.jobs(),
        *daemon.ratings.jobs(),
    )


async def _ask_quota(daemon: Daemon, deployment: Deployment) -> Any:
    """What the provider says is left; no call is spent on it."""
    credentials = await daemon.world.credentials(deployment)
    return await fetch_quota(deployment.provider, deployment.account, credentials)


def _retention(daemon: Daemon) -> Retention:
    kept = daemon.settings.logging
    size = kept.retention_mb_max * 2**20
    return Retention(float(kept.retention_days), kept.retention_rows_max, size)


def banner(daemon: Daemon, address: str, report: Report) -> Banner:
    """What a person sees at the start; ``report`` is of keys that were found lying about."""
    found = [f"{row['provider']}: taken over from {row['source']}" for row in report.added]
    seen = listening.warning(daemon.settings.server.host)
    problems = [*report.problems, *daemon.problems(), *([] if seen is None else [seen])]
    return Banner(
        address=address,
        client_key=daemon.home.client_key.read_text().strip(),
        client_key_file=str(daemon.home.client_key),
        home=str(daemon.home.path),
        found=tuple(found),
        problems=tuple(problems),
        simulated=daemon.world.simulation.url is not None,
        deployments=len(daemon.world.deployments),
    )
