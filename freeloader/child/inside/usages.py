"""Usage that LiteLLM would fall over, taken out of a whole answer before LiteLLM reads it. Pure.

An answer is paid for whatever its usage looks like. Where a native one is missing, is no object,
or counts in words, LiteLLM makes an error of the answer; with zeros in its place it passes, and
nobody believes zeros (``lanes.usage``). What LiteLLM can read stays as it is, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

#: By the field that only an answer of this shape has: where its usage is, what must be counted.
_SHAPES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "choices": ("usage", ()),
    "candidates": ("usageMetadata", ()),
    "output": ("usage", ("inputTokens", "outputTokens", "totalTokens")),
    "content": ("usage", ("input_tokens", "output_tokens")),
    "message": ("usage", ()),
}
#: What nobody counted, in the names of all shapes.
_NOTHING = {
    "usage": {
        **{name: 0 for _, names in _SHAPES.values() for name in names},
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 0,
        "tokens": {},
    },
    "usageMetadata": {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0},
}
_OLLAMA = ("prompt_eval_count", "eval_count")


def readable(body: bytes) -> bytes | None:
    """The answer with zeros for its usage; None where it can stay as it is."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    shape = next((one for one in _SHAPES if isinstance(found, dict) and one in found), None)
    if shape is None:
        return None
    if shape == "message" and "done" in found:
        if all(_number(found.get(name, 0)) for name in _OLLAMA):
            return None
        return orjson.dumps({name: one for name, one in found.items() if name not in _OLLAMA})
    place, needed = _SHAPES[shape]
    if _fits(shape, found.get(place), needed):
        return None
    return orjson.dumps({**found, place: _NOTHING[place]})


def amazons(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The event of Bedrock's stream that tells the usage, so that LiteLLM finds and can read it."""
    if "usage" not in event or not event.keys().isdisjoint(("choices", "outputs")):
        return event
    place, needed = _SHAPES["output"]
    usage = event[place] if _fits("output", event[place], needed) else _NOTHING[place]
    return {"metrics": {}, **event, place: usage}


def _fits(shape: str, usage: Any, needed: tuple[str, ...]) -> bool:
    if shape == "choices" and usage is None:
        return True
    if not isinstance(usage, dict):
        return False
    if shape == "choices":
        return True  # its counts are looked at one by one where they are read
    return all(_number(usage.get(name)) for name in needed) and _numbers(usage)


def _numbers(usage: Mapping[str, Any]) -> bool:
    """True if what is named as a count is one, or nothing."""
    for name, value in usage.items():
        inner = isinstance(value, dict)
        if name == "tokens" or (inner and not name.endswith(("okens", "Count"))):
            if not inner or not _numbers(value):
                return False
        elif name.endswith(("okens", "Count")) and not (value is None or _number(value)):
            return False
    return True


def _number(value: Any) -> bool:
    return type(value) in (int, float)
