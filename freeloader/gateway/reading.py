"""Reads what is asked before anything is decided: first what is private, then what it is about.

Long texts are read in a thread, and what was read is remembered by a digest of the text: a
conversation's old messages come back with every turn. Nothing read is kept or logged.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256

from freeloader.core import privacy
from freeloader.core.model import EMPTY, Profile
from freeloader.core.privacy import Found, Own, Watching
from freeloader.core.ranking.need import Curve
from freeloader.core.task.detect import Task, detect
from freeloader.core.task.text import cut
from freeloader.core.task.turn import turn_of
from freeloader.records import replace

#: Messages remembered, by digest: some hundred conversations.
REMEMBERED_MAX = 8_192
#: More characters than this are scanned off the event loop.
LARGE = 8_192
#: Turns whose task is remembered.
TURNS_MAX = 1_024
_NOTHING = Found()


class Reader:
    """One per pipeline. ``watching`` gives a project's wish right now."""

    def __init__(
        self, watching: Callable[[str | None], Watching], curve: Callable[[], Curve] = Curve
    ) -> None:
        self._watching, self._curve = watching, curve
        self._own: Own | None = None
        self._known: OrderedDict[bytes, Mapping[str, int]] = OrderedDict()
        self._tasks: OrderedDict[int, Task] = OrderedDict()

    async def read(self, profile: Profile, project: str | None) -> Profile:
        """The profile with what is private in it; off the event loop where that is long."""
        if profile.private is not None:
            return self.read_now(profile, project)
        watching = self._watching(project)
        if watching.wish == "off":
            return self._understood(profile, _NOTHING)
        texts = self._texts(profile, watching)
        unread = {key: text for key, text in texts.items() if key not in self._known}
        if sum(map(len, unread.values())) > LARGE:
            fresh = await asyncio.to_thread(_scan_all, unread, watching.own)
        else:
            fresh = _scan_all(unread, watching.own)
        return self._understood(profile, self._found(texts, fresh, watching))

    def read_now(self, profile: Profile, project: str | None) -> Profile:
        """The same without waiting, for whoever did not come through ``read``."""
        if profile.private is not None and profile.need is not None:
            return profile
        return self._understood(profile, self._watched(profile, project))

    def _understood(self, profile: Profile, private: Found) -> Profile:
        """With its task, how complex it is and what that needs. A few tenths of a millisecond."""
        if profile.need is not None:
            return replace(profile, private=private)
        found = self._task(profile)
        return replace(
            profile,
            private=private,
            task=found.name,
            confidence=found.confidence,
            complexity=found.complexity,
            need=self._curve().need(found.name, found.complexity),
            task_by=found.by,
        )

    def _task(self, profile: Profile) -> Task:
        """What the turn is about; an agent's turn comes back, the same, with each of its steps.

        Where tools are on offer that the turn may ask for, it is read anew: they count too.
        """
        turn = turn_of(profile.payload)
        if turn.offered and not (turn.at_work or turn.forced):
            return detect(turn, profile.task or None)
        about = (turn.size, turn.images, turn.at_work, turn.forced, profile.task)
        key = hash((cut(turn.text), *about))
        found = self._tasks.pop(key, None)
        if found is None:
            found = detect(turn, profile.task or None)
        self._tasks[key] = found
        if len(self._tasks) > TURNS_MAX:
            self._tasks.popitem(last=False)
        return found

    def _watched(self, profile: Profile, project: str | None) -> Found:
        if profile.private is not None:
            return profile.private
        watching = self._watching(project)
        if watching.wish == "off":
            return _NOTHING
        texts = self._texts(profile, watching)
        unread = {key: text for key, text in texts.items() if key not in self._known}
        return self._found(texts, _scan_all(unread, watching.own), watching)

    def _texts(self, profile: Profile, watching: Watching) -> dict[bytes, str]:
        """All texts of a request by their digest; the same text twice is looked at once."""
        if watching.own is not self._own:
            self._own = watching.own
            self._known.clear()
        every = privacy.texts(profile.payload)
        return {_digest(text): text for text in every if len(text) > 1}

    def _found(
        self,
        texts: Mapping[bytes, str],
        fresh: Mapping[bytes, Mapping[str, int]],
        watching: Watching,
    ) -> Found:
        total: dict[str, int] = {}
        for key, text in texts.items():
            counts = fresh.get(key)
            if counts is None:
                counts = self._known.pop(key, None)
            if counts is None:
                # Forgotten meanwhile (another request came between): read again, never skipped.
                counts = _scan_all({key: text}, watching.own)[key]
            self._known[key] = counts
            for kind, count in counts.items():
                total[kind] = total.get(kind, 0) + count
        while len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
        return Found(watching.wish, total or EMPTY)


def _scan_all(texts: Mapping[bytes, str], own: Own | None) -> dict[bytes, Mapping[str, int]]:
    from freeloader.core.privacy.scan import scan  # its patterns take a while to compile

    return {key: scan(text, own) for key, text in texts.items()}


def _digest(text: str) -> bytes:
    # Of the safe ones the quickest: processors have it built in.
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
