"""A provider's ``usage`` object as meters, and whether it can be believed. Pure.

OpenAI's shape, with the dialects seen in the wild: cached input in
``prompt_tokens_details`` (OpenAI), ``prompt_cache_hit_tokens`` (DeepSeek),
``cache_read_input_tokens`` and ``cache_creation_input_tokens`` (LiteLLM for
Anthropic). Estimates nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeloader.money import Meters

#: No request consumes this many tokens; a larger count is a fault, not a bill.
ABSURD = 100_000_000
_NONE_CACHED = frozenset(
    {
        *("prompt_tokens_details", "prompt_cache_hit_tokens", "cache_read_input_tokens"),
        "cache_creation_input_tokens",
    }
).isdisjoint


def meters_of(usage: Mapping[str, Any]) -> Meters | None:
    """The meters, or None where the numbers are missing, negative, not finite or absurd.

    ``prompt_tokens`` includes cached input; ``output`` is the larger of the
    completion and total − prompt, because some leave reasoning out of the former. A total
    alone is all ``output``: of no bundled model is that the cheaper side (a test says so).
    """
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    total = _count(usage, "total_tokens")
    read: int | None = 0
    write: int | None = 0
    if not _NONE_CACHED(usage):
        read, write = _cached(usage)
    if None in (prompt, completion, total, read, write):
        return None
    assert prompt is not None and completion is not None and total is not None  # noqa: PT018
    assert read is not None and write is not None  # noqa: PT018
    read = min(read, prompt)
    write = min(write, prompt - read)
    output = max(completion, total - prompt)
    if prompt + output == 0 or output > ABSURD:
        return None
    return Meters(
        requests=1, input=prompt - read - write, cache_read=read, cache_write=write, output=output
    )


def _cached(usage: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Cached input that was read and that was written; None where a number is nonsense."""
    details = usage.get("prompt_tokens_details")
    details = details if isinstance(details, dict) else {}
    read = _first(
        _count(details, "cached_tokens"),
        _count(usage, "prompt_cache_hit_tokens"),
        _count(usage, "cache_read_input_tokens"),
    )
    write = _first(
        _count(details, "cache_creation_tokens"), _count(usage, "cache_creation_input_tokens")
    )
    return read, write


def _count(source: Mapping[str, Any], name: str) -> int | None:
    """A count; 0 where it is absent or null, None where it is nonsense."""
    value = source.get(name)
    if value is None:
        return 0
    if type(value) is int:
        return value if 0 <= value <= ABSURD else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not 0 <= value <= ABSURD or value != int(value):  # NaN fails the first test
        return None
    return int(value)


def _first(*counts: int | None) -> int | None:
    """The largest, as dialects repeat each other; None if any is nonsense."""
    known = [count for count in counts if count is not None]
    return max(known) if len(known) == len(counts) else None
