"""Who was turned away at the door, for whoever looks after it: how many, and the last of each kind.

What callers send is text of strangers: it is cut, and only what can be printed is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from freeloader.clock import Instant

#: Kinds of refusal that are kept apart; others are the routes' own.
KINDS = frozenset(
    {
        "host_not_allowed", "origin_not_allowed", "invalid_api_key", "forbidden", "rate_limited",
        "overloaded", "body_too_large", "unsupported_media_type", "request_timeout",
    }
)  # fmt: skip
_CHARS = 60


@dataclass(slots=True)
class Turned:
    """Refusals of one kind. ``last``: by which name, where that was the reason."""

    count: int
    at: str
    last: str


class TurnedAway:
    """One per server; since its start."""

    def __init__(self) -> None:
        self.kinds: dict[str, Turned] = {}

    def note(self, code: str, now: Instant, name: str = "") -> None:
        """One more; kinds that nobody keeps apart are not counted."""
        if code not in KINDS:
            return
        known = self.kinds.setdefault(code, Turned(0, "", ""))
        known.count += 1
        known.at = now.iso()
        if name:
            known.last = "".join(c if c.isprintable() else "?" for c in name[:_CHARS])

    def shown(self) -> dict[str, dict[str, object]]:
        """JSON-ready, by kind."""
        return {
            code: {"count": one.count, "at": one.at} | ({"last": one.last} if one.last else {})
            for code, one in sorted(self.kinds.items())
        }
