"""Every text of a payload: what a lane would send, and so what a provider could read.

Pictures and sound are not looked into: they are no text to us.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Bodies are checked for depth before; this only keeps the walk from trusting that.
_DEPTH_MAX = 64
#: Names in a schema are texts too, where they could hold anything at all.
_TELLING_KEY = 5


def texts(payload: Any, depth: int = 0) -> Iterator[str]:
    """All strings in nested mappings and lists, base64 content left out."""
    if isinstance(payload, str):
        if not payload.startswith("data:"):
            yield payload
    elif isinstance(payload, Mapping) and depth < _DEPTH_MAX:
        for key, value in payload.items():
            if key == "input_audio":
                continue
            if len(key) >= _TELLING_KEY and not key.isidentifier():
                yield key
            yield from texts(value, depth + 1)
    elif isinstance(payload, (list, tuple)) and depth < _DEPTH_MAX:
        for part in payload:
            yield from texts(part, depth + 1)
