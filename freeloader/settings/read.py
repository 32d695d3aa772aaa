"""Readers for values that people and programs write: right type, in bounds, or ``Wrong``.

Small functions from a JSON-like value to a checked one. They know no key of
ours; ``within`` and ``fields`` add the place to what went wrong.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from freeloader.settings.spelling import camel, nearest, snake, unknown

_NAMES_MAX = 500


class Wrong(ValueError):
    """A value that cannot be used. ``key`` is its place (dotted, as written), maybe empty."""

    def __init__(self, reason: str, key: str = "") -> None:
        super().__init__(f"{key}: {reason}" if key else reason)
        self.reason = reason
        self.key = key


@contextlib.contextmanager
def within(key: str) -> Iterator[None]:
    """Put ``key`` before the place of anything wrong inside."""
    try:
        yield
    except Wrong as wrong:
        raise Wrong(wrong.reason, f"{key}.{wrong.key}" if wrong.key else key) from None


def fields(value: Any, readers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Read a mapping whose keys come in either spelling; null means not given."""
    found: dict[str, Any] = {}
    for written, part in mapping(value).items():
        name = snake(written)
        reader = readers.get(name)
        if reader is None:
            raise Wrong(unknown(written, [camel(known) for known in readers]), written)
        if name in found:
            raise Wrong("given twice, in two spellings", written)
        if part is None:
            continue
        with within(written):
            found[name] = reader(part)
    return found


def mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Wrong(f"must be a table, not {kind(value)}")
    for key in value:
        if not isinstance(key, str):
            raise Wrong("keys must be text")
    return value


def number(low: float, high: float) -> Callable[[Any], float]:
    """A finite number from ``low`` to ``high``."""

    def reader(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            raise Wrong(f"must be a number, not {kind(value)}")
        if not math.isfinite(value) or not low <= value <= high:
            raise Wrong(f"must be between {low:.12g} and {high:.12g}")
        return float(value)

    return reader


def integer(low: int, high: int) -> Callable[[Any], int]:
    """A whole number from ``low`` to ``high`` (8.0 counts as 8)."""
    real = number(low, high)

    def reader(value: Any) -> int:
        if real(value) != int(value):
            raise Wrong("must be a whole number")
        return int(value)

    return reader


def money(value: Any) -> Decimal:
    """Dollars: a non-negative number, or its decimal text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise Wrong(f"must be an amount of dollars, not {kind(value)}")
    try:
        amount = Decimal(str(value).strip().removeprefix("$"))
    except InvalidOperation:
        raise Wrong("must be an amount of dollars, such as 5.00") from None
    if not amount.is_finite() or amount < 0:
        raise Wrong("must be a finite amount, 0 or more")
    if amount > 10**9:
        raise Wrong("must be at most 1,000,000,000")
    return amount


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"must be true or false, not {kind(value)}")
    return value


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong(f"must be text, not {kind(value)}")
    if not value.strip():
        raise Wrong("must not be empty")
    return value


def names(value: Any) -> frozenset[str]:
    """A list of names, or names separated by commas."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, (Mapping, bytes)) or not isinstance(value, (Sequence, set, frozenset)):
        raise Wrong(f"must be a list of names, not {kind(value)}")
    if len(value) > _NAMES_MAX:
        raise Wrong(f"must have at most {_NAMES_MAX} names")
    return frozenset(text(name) for name in value)


def one_of(known: Sequence[str]) -> Callable[[Any], str]:
    """One of the known words, in any spelling (``cost_first`` is ``cost-first``)."""
    by_snake = {snake(word): word for word in known}

    def reader(value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong(f"must be one of {', '.join(known)}, not {kind(value)}")
        found = by_snake.get(snake(value.strip()))
        if found is None:
            close = nearest(value, known)
            hint = f"; did you mean {close!r}?" if close else ""
            raise Wrong(f"must be one of {', '.join(known)}{hint}")
        return found

    return reader


def kind(value: Any) -> str:
    """What a value is, in the words of JSON and TOML; never the value itself."""
    if value is None:
        return "nothing"
    for types, word in (
        (bool, "true or false"),
        (str, "text"),
        ((int, float, Decimal), "a number"),
        (Mapping, "a table"),
        (Sequence, "a list"),
    ):
        if isinstance(value, types):
            return word
    return type(value).__name__
