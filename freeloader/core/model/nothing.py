"""Nothing, for good: what a field of a frozen dataclass holds where it holds nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn


class _Empty(dict[str, Any]):
    """Nothing, for good. Hashable, because Python 3.11 takes no other default for a field.

    (A dict, because each request asks some ten times whether there is anything, and of no
    other Mapping is that answered without a call.)
    """

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]
        return 0

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("nothing is put into EMPTY: it is everybody's")

    __setitem__ = __delitem__ = __ior__ = _refuse
    setdefault = update = pop = popitem = clear = _refuse


EMPTY: Mapping[str, Any] = _Empty()
