"""The job that asks providers what is left, where they have an address for that: no call is spent.

What an answer means is registry data (``quotaReport``) and ``core.outcome.headers``'; what it
changes is the books'. A provider that does not answer changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from freeloader.clock import Clock, Instant
from freeloader.core.model import Deployment
from freeloader.core.outcome.headers import Observation, reported
from freeloader.core.quota import Reservation
from freeloader.errors import FreeloaderError
from freeloader.workers.loop import Job, Progress

#: Asks one provider with the credentials of a deployment's account; None: no usable answer.
Ask = Callable[[Deployment], Awaitable[Any]]


class Told(Protocol):
    """The books, as far as a report changes them."""

    @property
    def deployments(self) -> Mapping[str, Deployment]: ...

    def marks(self, provider: str, idx: int, now: Instant) -> Sequence[Reservation]:
        """The account's windows as they are before it is asked."""
        ...

    def told(
        self,
        provider: str,
        idx: int,
        seen: Sequence[Observation],
        marks: Sequence[Reservation],
        now: Instant,
    ) -> None: ...


async def quota_reports(progress: Progress, *, books: Told, ask: Ask, clock: Clock) -> str:
    """Asks every account of a provider that tells; one after the other."""
    accounts = {
        deployment.account.name: deployment
        for deployment in books.deployments.values()
        if deployment.provider.quota_path and deployment.provider.quota_report
    }
    heard = 0
    for name, deployment in sorted(accounts.items()):
        progress.say(name)
        provider, idx = deployment.provider.id, deployment.account.idx
        marks = books.marks(provider, idx, clock.now())
        try:
            answer = await ask(deployment)
        except FreeloaderError:  # its key cannot be read just now
            continue
        seen = reported(answer, deployment.provider.quota_report)
        if seen:
            books.told(provider, idx, seen, marks, clock.now())
            heard += 1
    return f"{heard} of {len(accounts)} accounts told what is left"


def quota_jobs(books: Told, ask: Ask, clock: Clock) -> tuple[Job, ...]:
    """Every ten minutes."""
    run = partial(quota_reports, books=books, ask=ask, clock=clock)
    return (Job("quota", "*/10 * * * *", run, timeout_s=120.0, jitter_s=20.0),)
