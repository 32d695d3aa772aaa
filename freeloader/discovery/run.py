"""One source's run, as a job: look, keep what is new, remember, say what came of it.

A source that fails changes nothing and forgets nothing: its job backs off and
looks again. What is told to the owner, and how, is the notifier's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from freeloader.catalog import Layers, layers
from freeloader.catalog.documents import merge
from freeloader.discovery.proposals import Proposal
from freeloader.discovery.review import OVERLAY, Review, Taken
from freeloader.discovery.source import Memory, Says, Source
from freeloader.errors import NotFound
from freeloader.store.rows import ProposalRow

#: Told of every proposal that is new: (row, whether it was applied at once).
Tell = Callable[[ProposalRow, bool], None]


class Discovery:
    """``sources`` by name; ``overlays`` is the home's folder of overlays."""

    def __init__(
        self,
        sources: Sequence[Source],
        review: Review,
        memory: Memory,
        overlays: Path,
        tell: Tell,
    ) -> None:
        self._sources = {source.name: source for source in sources}
        self._review, self._memory = review, memory
        self._overlays, self._tell = overlays, tell

    async def run(self, name: str, progress: Says) -> str:
        """Look once; a sentence on what was found. Raises FreeloaderError where that failed."""
        source = self._sources.get(name)
        if source is None:
            raise NotFound(f"There is no source {name}; there are: {', '.join(self._sources)}.")
        found = await source.look(progress)
        progress.say(f"{len(found.proposals)} differences")
        taken = await self.take(found.proposals)
        for key, value in found.remember.items():
            await self._memory.meta_set(key, value)
        return "; ".join([_counted(taken), *found.notes])

    async def take(self, proposals: Sequence[Proposal]) -> Taken:
        """Keep what is new and would change anything, and tell of it."""
        known = await asyncio.to_thread(layers, self._overlays, OVERLAY) if proposals else None
        worth = [p for p in proposals if known is not None and would_change(known, p)]
        taken = await self._review.take(worth)
        for row in taken.waiting:
            self._tell(row, False)
        for row in taken.applied:
            self._tell(row, True)
        return taken


def would_change(known: Layers, proposal: Proposal) -> bool:
    """False where the owner's own overlays decide that value: what they wrote wins anyway."""
    if not proposal.applicable:
        return True
    return bool(_whole(known, proposal.patch) != _whole(known, {}))


def _whole(known: Layers, patch: Mapping[str, Any]) -> Any:
    return merge(merge(dict(known.base), dict(patch)), dict(known.owner))


def _counted(taken: Taken) -> str:
    if not taken.waiting and not taken.applied:
        return "nothing new"
    kinds = Counter(row.kind for row in (*taken.waiting, *taken.applied))
    said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    applied = f" ({len(taken.applied)} applied)" if taken.applied else ""
    return f"new: {said}{applied}"
