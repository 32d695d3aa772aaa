"""Benchmarks put together: whom they ask, what they may spend, when they run.

What is asked and what it is worth is ``freeloader.benchmarks``' business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from freeloader.benchmarks.ports import Says, Wishes
from freeloader.benchmarks.results import Rating
from freeloader.benchmarks.run import ANSWER_S, PROJECT, Benchmarks
from freeloader.benchmarks.suite import suite
from freeloader.books.books import Books
from freeloader.clock import Clock
from freeloader.core.model import Caller
from freeloader.core.periods import Calendar
from freeloader.errors import FreeloaderError
from freeloader.gateway.asking import Asking, Said
from freeloader.money import pico_from_usd
from freeloader.settings import Settings
from freeloader.store import Store
from freeloader.workers.loop import Job


class Ratings:
    """``settings`` is asked anew each time; ``busy`` says whether somebody's request is under
    way; ``changed`` is told of new results."""

    def __init__(
        self,
        store: Store,
        books: Books,
        clock: Clock,
        settings: Callable[[], Settings],
        asking: Asking,
        busy: Callable[[], bool],
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._ledger, self._clock = store.ledger, clock
        self._settings, self._asking = settings, asking
        self.benchmarks = Benchmarks(
            suite(),
            store.benchmarks,
            books,
            self._ask,
            self._spent,
            self._wishes,
            lambda deployment: books.health(deployment.id).samples > 0,
            busy,
            clock,
            changed,
        )

    def jobs(self) -> tuple[Job, ...]:
        """The weekly round, and a look for models that were used for the first time."""
        return (
            Job("benchmarks", "0 4 * * 0", self._by_the_clock, 6 * 3600.0, jitter_s=600.0),
            Job("ratings", "*/15 * * * *", self._by_the_clock, 3600.0),
        )

    async def known(self) -> Mapping[tuple[str, str], Rating]:
        """What was shown lately; nothing where the ledger cannot be read."""
        try:
            return await self.benchmarks.ratings()
        except FreeloaderError:
            return {}

    # ── the front's view ─────────────────────────────────────────────────────

    async def shown(self) -> list[dict[str, Any]]:
        return await self.benchmarks.shown()

    async def dry_run(self, models: Sequence[str] = ()) -> dict[str, Any]:
        return await self.benchmarks.dry_run(models)

    async def run_of(self, models: Sequence[str]) -> str:
        """On the owner's word. Raises FreeloaderError."""
        return await self.benchmarks.run(_Silent(), models, asked=True)

    # ── inside ───────────────────────────────────────────────────────────────

    async def _by_the_clock(self, progress: Says) -> str:
        return await self.benchmarks.run(progress)

    async def _ask(self, body: Mapping[str, Any]) -> Said:
        return await self._asking.ask(body, Caller("benchmarks", "admin"), ANSWER_S)

    async def _spent(self) -> int:
        """Picodollars of this month; what is held counts when it is settled."""
        span = Calendar("month", self._settings().budget.timezone).at(self._clock.now().wall)
        return (await self._ledger.spent_by_project(span.start, span.end)).get(PROJECT, 0)

    def _wishes(self) -> Wishes:
        wanted = self._settings().benchmarking
        return Wishes(
            wanted.quota_share if wanted.enabled else 0.0,
            pico_from_usd(wanted.budget.monthly) if wanted.enabled else 0,
            wanted.hours,
            self._settings().cron_zone(),
        )


class _Silent:
    """Nobody watches: the caller waits for the result."""

    def say(self, text: str) -> None:
        """Not shown."""
