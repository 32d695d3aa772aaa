"""Who answered a conversation last, and whose turn it is: a small, bounded memory.

A conversation is named by its session directive or ``user``, else by its key, project
and first user turn; then only a further turn (an answer is in it already) goes back to
where it was, so that equal first questions are decided anew. The text is hashed, never
kept. Whether a conversation stays is decided in ``core.routing``.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from freeloader.core.model import Caller, Policy, Profile, Resolution

#: Conversations remembered, and for how long after their last turn (seconds): provider
#: caches live for five minutes to an hour.
KEPT, IDLE_S = 10_000, 3_600.0
#: So much of the first turn tells conversations apart.
_TOLD_APART = 8_192


class Sessions:
    """``on`` is asked anew each time. ``now`` is monotonic seconds."""

    def __init__(self, on: Callable[[], bool] = lambda: True) -> None:
        self._on = on
        self._last: OrderedDict[Hashable, tuple[str, float]] = OrderedDict()
        self.after: str | None = None

    def find(self, name: Hashable | None, further: bool, now: float) -> str | None:
        """The deployment of the last turn; ``further``: this is not the first one."""
        if name is None or not further or not self._on():
            return None
        found = self._last.get(name)
        if found is None or now - found[1] > IDLE_S:
            return None
        return found[0]

    def keep(self, name: Hashable | None, deployment: str, now: float) -> None:
        """This one answered."""
        if name is None or not self._on():
            return
        self._last.pop(name, None)
        self._last[name] = (deployment, now)
        while len(self._last) > KEPT or next(iter(self._last.values()))[1] < now - IDLE_S:
            self._last.popitem(last=False)


def conversation(
    profile: Profile, caller: Caller, project: str | None, policy: Policy, wanted: Resolution
) -> tuple[int | None, bool]:
    """Its name, and whether this is a further turn of it. Another strategy or model is another
    conversation: what was chosen for one must not bind the other."""
    told = _first_turn(profile.payload)
    further = profile.session is not None or _answered(profile.payload)
    own = profile.session if profile.session is not None else told
    if own is None:
        return None, False
    kind = "session" if profile.session is not None else "turn"
    # Two of one hash would only share whom they prefer: no digest is worth its time here.
    parts = (caller.key_id, project, policy.strategy, wanted.requested, kind, own)
    return hash(parts), further


def _first_turn(payload: Mapping[str, Any]) -> str | None:
    messages = payload.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if message.get("role") == "user":
            content = message.get("content")
            text = content if isinstance(content, str) else json.dumps(content)
            return text[:_TOLD_APART]
    return None


def _answered(payload: Mapping[str, Any]) -> bool:
    messages = payload.get("messages")
    every = messages if isinstance(messages, list) else ()
    return any(message.get("role") == "assistant" for message in every)
