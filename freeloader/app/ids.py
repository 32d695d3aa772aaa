"""Random ids of requests and decisions."""

from __future__ import annotations

import secrets

_BYTES, _DRAWN = 12, 256


class Ids:
    """96 random bits each, drawn for many at a time: asking the system costs more than an id."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def new(self, kind: str) -> str:
        """``KIND_`` and 24 hexadecimal digits."""
        if not self._drawn:
            whole, size = secrets.token_hex(_BYTES * _DRAWN), 2 * _BYTES
            self._drawn = [whole[at : at + size] for at in range(0, len(whole), size)]
        return f"{kind}_{self._drawn.pop()}"
