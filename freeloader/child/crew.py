"""The workers of one generation, and the leases on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType

import aiohttp

from freeloader.child.config import WARM, Entry, wire_name
from freeloader.child.process import Worker


class Crew:
    """All worker processes of one generation; ``entries`` is what its config knows, by name."""

    def __init__(
        self, generation: int, config: str, workers: tuple[Worker, ...], entries: Iterable[Entry]
    ) -> None:
        self.generation = generation
        self.config = config
        self.workers = workers
        self.entries = {wire_name(entry.name): entry for entry in (WARM, *entries)}

    @property
    def running(self) -> tuple[Worker, ...]:
        return tuple(w for w in self.workers if w.pid is not None and w.exited is None)

    @property
    def in_flight(self) -> int:
        return sum(worker.in_flight for worker in self.workers)

    def least_loaded(self) -> Worker | None:
        """The running worker with the fewest leases; of equals the one that had fewest so far."""
        return min(self.running, key=lambda one: (one.in_flight, one.leased), default=None)

    def signal(self, number: int) -> None:
        for worker in self.workers:
            worker.signal(number)

    async def close(self) -> None:
        for worker in self.workers:
            await worker.close()


class Lease:
    """One request's claim on a worker: a drained generation waits for its end.

    ``session`` is an HTTP client whose requests go to the worker, key included.
    """

    def __init__(self, worker: Worker, ended: Callable[[int], None]) -> None:
        self._worker = worker
        self._ended = ended
        self.session: aiohttp.ClientSession = worker.session
        self.master_key: str = worker.master_key
        self.generation = worker.generation

    def heard(self) -> None:
        """The worker sent something: it may be slow, but it does not hang."""
        self._worker.heard += 1

    def __enter__(self) -> Lease:
        self._worker.in_flight += 1
        self._worker.leased += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._worker.in_flight -= 1
        self._ended(self.generation)
