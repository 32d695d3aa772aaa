"""One source's run, as a job: look, keep what is new, remember, say what came of it.

A source that fails changes nothing and forgets nothing: its job backs off and
looks again. What is told to the owner, and how, is the notifier's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from freeloader.discovery.proposals import Proposal
from freeloader.discovery.review import Review, Taken
from freeloader.discovery.source import Memory, Says, Source
from freeloader.errors import NotFound
from freeloader.store.rows import ProposalRow

#: Told of every proposal that is new: (row, whether it was applied at once).
Tell = Callable[[ProposalRow, bool], None]


class Discovery:
    """``sources`` by name."""

    def __init__(
        self,
        sources: Sequence[Source],
        review: Review,
        memory: Memory,
        tell: Tell,
    ) -> None:
        self._sources = {source.name: source for source in sources}
        self._review, self._memory, self._tell = review, memory, tell

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
        """Keep what is new, and tell of it."""
        taken = await self._review.take(proposals)
        for row in taken.waiting:
            self._tell(row, False)
        for row in taken.applied:
            self._tell(row, True)
        return taken


def _counted(taken: Taken) -> str:
    if not taken.waiting and not taken.applied:
        return "nothing new"
    kinds = Counter(row.kind for row in (*taken.waiting, *taken.applied))
    said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    applied = f" ({len(taken.applied)} applied)" if taken.applied else ""
    return f"new: {said}{applied}"
