"""Every text of a payload: what a lane would send, and so what a provider could read.

Long numbers are texts too. Pictures, sound and documents in base64 are not looked into.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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


def texts(payload: Any) -> list[str]:
    """All strings and long numbers in nested mappings and lists, files in base64 left out."""
    found: list[str] = []
    _gather(payload, found, 0)
    return found


def _gather(payload: Any, found: list[str], depth: int) -> None:
    """Adds its texts to ``found``: generators within generators take half as long again."""
    if isinstance(payload, str):
        if not _FILE.match(payload):
            found.append(payload)
    elif isinstance(payload, int):
        if abs(payload) >= _TELLING_NUMBER:
            found.append(str(payload))
    elif depth >= _DEPTH_MAX:
        return
    elif isinstance(payload, (list, tuple)):
        before = ""
        for part in payload:
            _gather(part, found, depth + 1)
            text = part.get("text") if isinstance(part, (dict, Mapping)) else None
            if not isinstance(text, str) or _FILE.match(text):
                before = ""
                continue
            if before and text:
                found.append(before + text[:_SEAM])
            before = (before + text)[-_SEAM:]
    elif isinstance(payload, (dict, Mapping)):
        for key, value in payload.items():
            if key == "input_audio":
                continue
            if len(key) >= _TELLING_KEY and (len(key) >= _LONG_KEY or not key.isidentifier()):
                found.append(key)
            _gather(value, found, depth + 1)
