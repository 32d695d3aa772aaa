"""The first jobs: retention, expiry, the look at the load. Plain functions over what they need.

What is deleted, charged or rolled up is the store's doing, what a load means the monitor's;
here is only when and how far back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from freeloader.clock import Clock
from freeloader.workers.loop import Job, Progress

DAY_S = 86_400.0


class Trimmable(Protocol):
    """A file with history: deletes what is older, or more than so many rows, in small slices."""

    async def trim(
        self, before: float, max_rows: int | None = None, max_bytes: int | None = None
    ) -> int: ...


class Expiring(Protocol):
    """A ledger with things that end by themselves (wall seconds)."""

    async def settle_dead(self, now: float) -> Sequence[object]: ...

    async def drop_expired_windows(self, now: float) -> int: ...


@dataclass(frozen=True, slots=True)
class Retention:
    """How long history stays: days, and rows and bytes per file at most. None: no such bound."""

    days: float | None = 30.0
    max_rows: int | None = 1_000_000
    max_bytes: int | None = 2 * 2**30


async def retention(
    progress: Progress,
    *,
    ledger: Trimmable,
    journal: Trimmable,
    clock: Clock,
    rules: Callable[[], Retention],
) -> str:
    """Delete what is older than the rules allow, and what is too much. All sums stay."""
    rule = rules()
    before = 0.0 if rule.days is None else clock.now().wall - rule.days * DAY_S
    progress.say("usage")
    usage = await ledger.trim(before, rule.max_rows, rule.max_bytes)
    progress.say(f"usage: {usage} rows rolled up; journal")
    entries = await journal.trim(before, rule.max_rows, rule.max_bytes)
    return f"{usage} usage rows rolled up, {entries} journal rows deleted"


async def expiry(progress: Progress, *, ledger: Expiring, clock: Clock) -> str:
    """Charge holds that a dead daemon left, and drop rate windows that have ended."""
    now = clock.now().wall
    progress.say("holds")
    holds = len(await ledger.settle_dead(now))
    windows = await ledger.drop_expired_windows(now)
    return f"{holds} dead holds charged, {windows} ended windows dropped"


async def load(progress: Progress, *, look: Callable[[], Mapping[str, object]]) -> str:
    """Measure the load: it calms down, and is told right, where no request comes to ask."""
    found = look()
    reason = found.get("reason")
    return f"{found['state']}: {reason}" if reason else str(found["state"])


def load_jobs(look: Callable[[], Mapping[str, object]]) -> tuple[Job, ...]:
    """Every half minute. ``look`` measures, and says the ``state`` and the ``reason`` for it."""
    return (Job("load", "* * * * * */30", partial(load, look=look), timeout_s=10.0),)


def by_lines(jobs: Sequence[Job], lines: Mapping[str, str]) -> tuple[Job, ...]:
    """The jobs that have a line in the settings, with that line; the rest do not run."""
    return tuple(replace(job, line=lines[job.name]) for job in jobs if job.name in lines)


class LedgerUpkeep(Trimmable, Expiring, Protocol):
    """What the first jobs need of the ledger."""


def first_jobs(
    ledger: LedgerUpkeep, journal: Trimmable, clock: Clock, rules: Callable[[], Retention]
) -> tuple[Job, ...]:
    """Retention every night, expiry every minute. ``rules`` is asked anew at each run."""
    nightly = partial(retention, ledger=ledger, journal=journal, clock=clock, rules=rules)
    minutely = partial(expiry, ledger=ledger, clock=clock)
    return (
        Job("retention", "17 3 * * *", nightly, timeout_s=3600.0, jitter_s=600.0),
        Job("expiry", "* * * * *", minutely, timeout_s=50.0),
    )
