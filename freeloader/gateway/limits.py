"""A time limit around a wait: ``asyncio.timeout_at`` for the three that every request has.

It does the same (the task is cancelled, and what comes out is TimeoutError) in a quarter of
the time: no coroutines to enter and to leave it by. It knows nothing of what is waited for.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Limit:
    """``with Limit(when):``, in a task. ``when`` is of the loop's clock; it may be moved."""

    __slots__ = ("_before", "_handle", "_loop", "_reached", "_task", "_when")

    def __init__(self, when: float) -> None:
        self._when = when
        self._handle: asyncio.Handle | None = None
        self._reached = False

    def when(self) -> float:
        return self._when

    @property
    def running(self) -> bool:
        """False before it is entered, once it was reached, and once it is over."""
        return self._handle is not None and not self._reached

    def reschedule(self, when: float) -> None:
        """Another moment. Nothing happens where it does not run."""
        if not self.running:
            return
        assert self._handle is not None
        self._handle.cancel()
        self._when = when
        self._handle = self._loop.call_at(when, self._reach)

    def __enter__(self) -> Self:
        """Raises RuntimeError outside of a task."""
        self._loop = loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a limit is for a task")
        self._task, self._before = task, task.cancelling()
        self._handle = loop.call_at(self._when, self._reach)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raises TimeoutError where the limit, and nobody else, ended the wait."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if not self._reached or self._task.uncancel() > self._before:
            return
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def _reach(self) -> None:
        self._reached = True
        self._task.cancel()


def within(seconds: float) -> Limit:
    """A limit from now on."""
    return Limit(asyncio.get_running_loop().time() + seconds)
