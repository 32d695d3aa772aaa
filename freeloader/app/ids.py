"""Ids of requests and decisions: when, and at random."""

from __future__ import annotations

import secrets

from freeloader.clock import Clock

_BYTES, _DRAWN = 6, 256


class Ids:
    """48 bits of time and 48 random ones, drawn for many at a time: asking the system costs more
    than an id.

    Time comes first, so that rows under these names lie together in the order they came: names
    all over the place cost a table's index a page for each row.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._drawn: list[str] = []

    def new(self, kind: str) -> str:
        """``KIND_`` and 24 hexadecimal digits."""
        if not self._drawn:
            whole, size = secrets.token_hex(_BYTES * _DRAWN), 2 * _BYTES
            self._drawn = [whole[at : at + size] for at in range(0, len(whole), size)]
        moment = max(0, int(self._clock.now().wall * 1000)) % (1 << 48)
        return f"{kind}_{moment:012x}{self._drawn.pop()}"
