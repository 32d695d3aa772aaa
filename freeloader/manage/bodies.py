"""Bodies of management calls → checked values, by the same readers as settings and directives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from freeloader.errors import InvalidRequest
from freeloader.settings import read
from freeloader.settings.read import Wrong


def wanted(body: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """The body's values by snake_case name; nulls are left out.

    Raises InvalidRequest with ``param``; an unknown key names the nearest known one.
    """
    try:
        return read.fields(body, readers)
    except Wrong as wrong:
        place = wrong.key or None
        raise InvalidRequest(
            f"{place}: {wrong.reason}" if place else f"The body {wrong.reason}", param=place
        ) from wrong
