"""Nothing, for good: what a field of a frozen dataclass holds where it holds nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class _Empty(Mapping[str, Any]):
    """Nothing, for good. Hashable, because Python 3.11 takes no other default for a field."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        """(Mapping's own asks for the item, and catches what that raises.)"""
        return default

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"


EMPTY: Mapping[str, Any] = _Empty()
