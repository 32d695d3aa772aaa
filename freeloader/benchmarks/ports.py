"""What a run of benchmarks is given: where answers are kept, whom it asks, the owner's wishes.

Shapes only; what stands behind each is put together in ``app.rating``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from freeloader.clock import Instant
from freeloader.core.model import Deployment
from freeloader.store.rows import BenchmarkRow

Json = Any
Row = dict[str, Any]


class Kept(Protocol):
    """Where answers are kept (``store.benchmarks``)."""

    async def add(self, row: BenchmarkRow) -> None: ...
    async def since(self, moment: float) -> Sequence[BenchmarkRow]: ...


class BooksView(Protocol):
    @property
    def deployments(self) -> Mapping[str, Deployment]: ...
    def windows_of(self, deployment: Deployment, now: Instant) -> list[dict[str, Any]]: ...


class Reply(Protocol):
    """What came of one question (``gateway.asking``)."""

    @property
    def text(self) -> str: ...
    @property
    def usage(self) -> Mapping[str, Any]: ...
    @property
    def ms(self) -> float: ...
    @property
    def first_ms(self) -> float | None: ...


class Says(Protocol):
    def say(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Wishes:
    """The owner's settings. ``hours`` like ``01:00-06:00`` in ``timezone``."""

    share: float
    monthly_pico: int
    hours: str
    timezone: str


#: Puts one chat body to the pipeline; raises FreeloaderError.
Ask = Callable[[Mapping[str, Json]], Awaitable[Reply]]
#: Picodollars that the project ``benchmarks`` has spent this month.
Spent = Callable[[], Awaitable[int]]
