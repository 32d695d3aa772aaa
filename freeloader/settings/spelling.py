"""Either spelling of a name, and the nearest known one. Pure; knows no particular setting.

JSON is camelCase, TOML snake_case, command-line options kebab-case: all three
mean the same key. Nothing here decides which keys exist.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache

_SHORT = 64
#: No name of ours is so long.
_LONG = 256
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake(name: str) -> str:
    """``maxWait``, ``max-wait`` and ``max_wait`` as ``max_wait``; of a name that is longer than
    any of ours, only its beginning."""
    if len(name) <= _SHORT:
        return _known(name)
    return _snake(name[:_LONG]) + name[_LONG:]


def _snake(name: str) -> str:
    return _HUMP.sub("_", name).replace("-", "_").lower()


#: The same few names come with every request; what is kept is bounded in number and length.
_known = lru_cache(maxsize=1024)(_snake)


def camel(name: str) -> str:
    """``max_wait`` as ``maxWait``."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def nearest(name: str, known: Iterable[str], alike: float = 0.5) -> str | None:
    """The known name that ``name`` was most likely meant to be, or None if none is so much
    ``alike`` (0–1)."""
    by_snake = {snake(candidate): candidate for candidate in known}
    found = difflib.get_close_matches(snake(name)[:100], list(by_snake), n=1, cutoff=alike)
    return by_snake[found[0]] if found else None


def unknown(name: str, known: Iterable[str]) -> str:
    """One sentence for a key nobody knows, with the nearest known one or all of them."""
    names = sorted(known)
    close = nearest(name, names)
    shown = name if len(name) <= 60 else name[:57] + "..."
    if close is not None:
        return f"unknown key {shown!r}; did you mean {close!r}?"
    return f"unknown key {shown!r}; known are: {', '.join(names)}"
