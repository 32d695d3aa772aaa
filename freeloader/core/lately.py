"""What was worked out of an object lately, found again by the object itself. Pure.

Policies, and what they are made of, are the same objects for most requests: hashing fifteen
fields to find out takes longer than what is kept took to make. Bounded; an object is kept
with what was made of it, so that no other can have its id meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

A = TypeVar("A")
T = TypeVar("T")
P = ParamSpec("P")


def lately(
    most: int,
) -> Callable[[Callable[Concatenate[A, P], T]], Callable[Concatenate[A, P], T]]:
    """``functools.lru_cache`` by identity of the first argument, and by value of the others.

    It is for functions of frozen objects. All is forgotten where it is more than ``most``.
    """

    def around(make: Callable[Concatenate[A, P], T]) -> Callable[Concatenate[A, P], T]:
        kept: dict[tuple[object, ...], tuple[A, T]] = {}

        @wraps(make)
        def found(one: A, /, *rest: P.args, **named: P.kwargs) -> T:
            key = (id(one), *rest, *named.items())
            known = kept.get(key)
            if known is not None and known[0] is one:
                return known[1]
            made = make(one, *rest, **named)
            if len(kept) >= most:
                kept.clear()
            kept[key] = (one, made)
            return made

        return found

    return around
