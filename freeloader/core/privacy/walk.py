"""Every text of a payload: what a lane would send, and so what a provider could read.

Long numbers are texts too. Pictures, sound and documents in base64 are not looked into.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

#: Bodies are checked for depth before; this only keeps the walk from trusting that.
_DEPTH_MAX = 64
#: Names in a schema are texts too, where they could hold anything at all.
_TELLING_KEY, _LONG_KEY = 5, 16
#: A file in a URL; one of text is text (``readings.decoded`` reads its base64).
_FILE = re.compile(
    r"data:(?!text/|application/(?:json|xml|x-yaml))[\w.+-]+/[\w.+-]+[^,]{0,100};base64,"
)
#: So much of a text part, and of the next one, is also read as one text: models read on, and
#: whoever cuts a text into parts may cut through a number. (What is found there may have been
#: found in its part, too, and is counted twice then.)
_SEAM = 64
#: Numbers from so many digits on can be somebody's.
_TELLING_NUMBER = 10**6


def texts(payload: Any, depth: int = 0) -> Iterator[str]:
    """All strings and long numbers in nested mappings and lists, files in base64 left out."""
    if isinstance(payload, str):
        if not _FILE.match(payload):
            yield payload
    elif isinstance(payload, int) and abs(payload) >= _TELLING_NUMBER:
        yield str(payload)
    elif isinstance(payload, Mapping) and depth < _DEPTH_MAX:
        for key, value in payload.items():
            if key == "input_audio":
                continue
            if len(key) >= _TELLING_KEY and (len(key) >= _LONG_KEY or not key.isidentifier()):
                yield key
            yield from texts(value, depth + 1)
    elif isinstance(payload, (list, tuple)) and depth < _DEPTH_MAX:
        before = ""
        for part in payload:
            yield from texts(part, depth + 1)
            text = part.get("text") if isinstance(part, Mapping) else None
            if not isinstance(text, str) or _FILE.match(text):
                before = ""
                continue
            if before and text:
                yield before + text[:_SEAM]
            before = (before + text)[-_SEAM:]
