"""What is worked out once for each deployment, and found again by the next request.

A deployment that changed is another object, which is how it is told. Bounded; knows
nothing of what is worked out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from freeloader.core.model import Deployment

T = TypeVar("T")

_MOST = 20_000


class Remembered(Generic[T]):
    """``made``, asked once for each deployment."""

    def __init__(self, made: Callable[[Deployment], T]) -> None:
        self._made = made
        self._known: dict[str, tuple[Deployment, T]] = {}

    def of(self, deployment: Deployment) -> T:
        known = self._known.get(deployment.id)
        if known is not None and known[0] is deployment:
            return known[1]
        if len(self._known) >= _MOST:
            self._known.clear()
        found = self._made(deployment)
        self._known[deployment.id] = (deployment, found)
        return found
