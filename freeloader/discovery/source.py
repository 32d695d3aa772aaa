"""What a source of discovery is: it looks, and says what it found. No behaviour here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from freeloader.discovery.proposals import Proposal


@dataclass(frozen=True, slots=True)
class Found:
    """``notes`` go into the job's result; ``remember`` is kept once the proposals are."""

    proposals: tuple[Proposal, ...] = ()
    notes: tuple[str, ...] = ()
    remember: Mapping[str, str] = field(default_factory=dict)


class Memory(Protocol):
    """Small facts by name, across restarts (the ledger's ``meta``)."""

    async def meta_get(self, key: str) -> str | None: ...

    async def meta_set(self, key: str, value: str) -> None: ...


class Says(Protocol):
    """A running job's way to say how far it is (``workers.loop.Progress``)."""

    def say(self, text: str) -> None: ...


class Source(Protocol):
    """One source. ``look`` raises FreeloaderError where it could not look at all."""

    @property
    def name(self) -> str: ...

    async def look(self, progress: Says) -> Found: ...
