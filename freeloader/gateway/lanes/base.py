"""The Lane protocol: what the pipeline sees of every way to a provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from freeloader.core.events import Event
from freeloader.core.model import Attempt


class Sending(Protocol):
    """An attempt under way, event by event. (An asynchronous generator is one.)"""

    def __aiter__(self) -> AsyncIterator[Event]: ...

    async def __anext__(self) -> Event: ...

    async def aclose(self) -> object:
        """Gives the call up, if it is not over. Again changes nothing."""
        ...


class Lane(Protocol):
    """One way to a provider (the LiteLLM child, or directly; later a cache, another machine)."""

    def send(self, attempt: Attempt) -> Sending:
        """The attempt's events: ``Headers, Delta*, Usage?, (End | Fault)``.

        Never raises for what a provider or the lane does. Closing it
        (``aclose``, or cancelling the task that reads it) gives the call up at
        once, all the way to the provider.
        """
        ...
