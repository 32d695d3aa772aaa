"""What was found, and what an owner wishes done about it. Pure; finds nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from freeloader.core.model import EMPTY
from freeloader.core.privacy.own import Own
from freeloader.records import record

#: From the mildest to the strictest: of two wishes the stricter one holds.
WISHES = ("off", "warn", "local-only", "block")


@record(frozen=True, slots=True)
class Found:
    """Counts by kind (``email`` …, ``own:NAME``, ``word``), and the wish in force."""

    wish: str = "off"
    counts: Mapping[str, int] = EMPTY

    def as_dict(self) -> dict[str, object]:
        """What decisions and the audit show: kinds and counts, never the text."""
        return {"action": self.wish, "found": dict(sorted(self.counts.items()))}


@record(frozen=True, slots=True)
class Watching:
    """What to look for in a project's requests, and what is wished where it is found."""

    wish: str = "off"
    own: Own | None = field(default=None, compare=False)


def combined(wishes: Iterable[str | None]) -> str:
    """The strictest of several wishes (settings, project): a level can tighten, never loosen."""
    return max((w for w in wishes if w in WISHES), key=WISHES.index, default="off")


def told(counts: Mapping[str, int]) -> str:
    """``2 email, 1 card``: for sentences."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
