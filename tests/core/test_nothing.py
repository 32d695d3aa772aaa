"""EMPTY stays empty, whoever has it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from freeloader.core.model import EMPTY


@pytest.mark.parametrize(
    "put",
    [
        lambda it: it.__setitem__("a", 1),
        lambda it: it.update(a=1),
        lambda it: it.setdefault("a", 1),
        lambda it: it.__ior__({"a": 1}),
        lambda it: it.pop("a", None),
        lambda it: it.popitem(),
        lambda it: it.clear(),
        lambda it: it.__delitem__("a"),
    ],
)
def test_nothing_is_put_into_it(put: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match="EMPTY"):
        put(EMPTY)
    assert not EMPTY


def test_it_is_like_any_mapping_that_holds_nothing() -> None:
    assert EMPTY == {}
    assert {**EMPTY, "a": 1} == {"a": 1}
    assert hash(EMPTY) == hash(copy.deepcopy(EMPTY))
    assert orjson.dumps(EMPTY) == b"{}"
    assert EMPTY.get("a", 2) == 2
