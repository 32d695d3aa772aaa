"""A provider's JSON: an object whose depth and number of values are bounded. Pure.

Both ways to a provider use it. Values are counted in the text: an empty list is two bytes
of it and fifty-six of memory, so that a small answer could be a very large one.
"""

from __future__ import annotations

from typing import Any

import orjson

#: Levels of a provider's JSON; orjson reads 1,024 of them, and writes no more than 254.
_LEVELS = 100
#: Values in one object: the log probabilities of ten thousand tokens are fewer.
VALUES_MAX = 500_000


def parsed(data: bytes) -> dict[str, Any] | None:
    """A JSON object; None for anything else."""
    if many_values(data):
        return None
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict) or (_many_levels(data) and _deeper(found, _LEVELS)):
        return None
    return found


def many_values(data: bytes) -> bool:
    """True where there may be more than anybody's answer has; commas in texts count too, and
    are few."""
    if len(data) <= VALUES_MAX:
        return False
    return data.count(b",") + data.count(b"[") + data.count(b"{") > VALUES_MAX


def _many_levels(data: bytes) -> bool:
    """True where it may be nested deeper than can be written again; mostly just long text."""
    return data.count(b"[") + data.count(b"{") > _LEVELS


def _deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(
        _deeper(one, levels - 1) for one in inner if isinstance(one, (dict, list))
    )
