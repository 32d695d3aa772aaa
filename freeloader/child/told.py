"""The usage objects of one answer: mostly one; some servers tell it with every chunk. Pure.

Where they grow, the last one is the sum. Where they do not (each tells of its own chunk, or
they contradict each other) nobody knows: the largest is kept, and not believed. What the
counts are as meters is ``gateway.lanes.usage``'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Times that a count may stay the same while text comes: some servers count in batches.
_STILL_MAX = 2
#: What JSON's numbers are read as (its true and false are no counts).
_COUNTS = frozenset({int, float})


class Told:
    """``best``: the object to go by."""

    __slots__ = ("_sizes", "_smaller", "_still", "best")

    def __init__(self, usage: Mapping[str, Any]) -> None:
        self.best = usage
        self._sizes = _sizes_of(usage)
        self._smaller = False
        self._still = 0

    @property
    def contrary(self) -> bool:
        """True where they cannot all be true of the whole answer."""
        return self._smaller or self._still > _STILL_MAX

    def again(self, usage: Mapping[str, Any], text_between: bool) -> None:
        """Told once more; ``text_between``: something was said since the last time."""
        sizes, before = _sizes_of(usage), self._sizes
        if sizes is None:
            return  # nothing, or nonsense: what was told before stands
        if before is not None and (sizes[0] < before[0] or sizes[1] < before[1]):
            self._smaller = True
            if sum(sizes) <= sum(before):
                return
        elif sizes == before:
            self._still += text_between
        else:
            self._still = 0
        self.best, self._sizes = usage, sizes


def _sizes_of(usage: Mapping[str, Any]) -> tuple[int, int] | None:
    """Tokens in and out; None where it says nothing of them, or nonsense."""
    prompt, output = usage.get("prompt_tokens"), usage.get("completion_tokens")
    total = usage.get("total_tokens")
    counts: list[int] = []
    for one in (prompt, output, total):
        if one is None:
            counts.append(0)
        elif type(one) not in _COUNTS or not 0 <= one < 10**9:
            return None
        else:
            counts.append(int(one))
    into, out, whole = counts
    return (into, max(out, whole - into)) if any(counts) else None
