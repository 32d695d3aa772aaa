"""A provider's JSON: an object whose depth and number of values are bounded. Pure.

Both ways to a provider use it. Values are counted in the text: an empty list is two bytes
of it and fifty-six of memory, so that a small answer could be a very large one.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

#: Levels of a provider's JSON; orjson reads 1,024 of them, and writes no more than 254.
_LEVELS = 100
#: Values in one object: the log probabilities of ten thousand tokens are fewer.
VALUES_MAX = 500_000
#: Digits of a whole number; orjson writes none of more than 64 bits.
_DIGITS = 18


def parsed(data: bytes) -> dict[str, Any] | None:
    """A JSON object; None for anything else."""
    if many_values(data):
        return None
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        found = _leniently(data)
    if not isinstance(found, dict) or (_many_levels(data) and _deeper(found, _LEVELS)):
        return None
    return found


def _leniently(data: bytes) -> Any:
    """Python's own reading of what is no JSON and is meant all the same; None where it is not.

    Servers send NaN and numbers beyond all bounds, bytes that are no UTF-8, and half of a
    character in an escape, where a text was cut in pieces. An answer that is paid for is not
    thrown away for that. (A count that is not finite is nobody's usage.)
    """
    text = data.decode("utf-8", "replace")
    try:
        found = json.loads(text, parse_int=_number)
    except (ValueError, RecursionError):
        return None
    halves = "\\ud" in text or "\\uD" in text
    return _whole(found) if halves and not _deeper(found, _LEVELS) else found


def _number(digits: str) -> float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def _whole(value: Any) -> Any:
    """Without half characters: nobody could write them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(one) for name, one in value.items()}
    return value


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
