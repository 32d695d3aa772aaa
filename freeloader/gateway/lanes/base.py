"""The Lane protocol: what the pipeline sees of every way to a provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from freeloader.core.events import Event
from freeloader.core.model import Attempt


class Lane(Protocol):
    """One way to a provider (the LiteLLM child, or directly; later a cache, another machine)."""

    def send(self, attempt: Attempt) -> AsyncGenerator[Event, None]:
        """The attempt's events: ``Headers, Delta*, Usage?, (End | Fault)``.

        Never raises for what a provider or the lane does. Closing the generator
        (``aclose``, or cancelling the task that reads it) gives the call up at
        once, all the way to the provider.
        """
        ...
