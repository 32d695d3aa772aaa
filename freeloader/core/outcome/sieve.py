"""Words of which a text must hold one, or a pattern cannot match: found by ``in``, far cheaper.

Reads patterns as they are written (literals, groups, alternatives, repeats) and gives up on
what it does not know. It searches no text itself and knows nothing of refusals. Pure.
"""

from __future__ import annotations

import re

#: Shorter ones are in every text.
_SHORTEST = 2
_GROUP = re.compile(r"\((?:\?(?::|P<\w+>|[aims-]+:))?(?!\?)")
_LOOK = re.compile(r"\(\?<?[=!]")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_REPEAT = re.compile(r"(?:[?*+]|\{(\d*)(?:,\d*)?\})[?+]?")
_NOT_LITERAL = frozenset("bBdDsSwWAZ")


def alternatives(pattern: str) -> tuple[tuple[str, frozenset[str] | None], ...]:
    """What it is searched as: each ``a`` of ``a|b|…``, and words of which its text holds one.

    Casefolded; None where a match need not hold any, or the pattern is not understood.
    """
    found, start = [], 0
    try:
        while start <= len(pattern):
            words, end = _branch(pattern, start)
            if pattern[end : end + 1] == ")":
                raise ValueError("a bracket too many")
            found.append((pattern[start:end], words))
            start = end + 1
    except (ValueError, IndexError):
        return ((pattern, None),)
    return tuple(found)


def _alternatives(pattern: str, at: int) -> tuple[frozenset[str] | None, int]:
    """Those of ``a|b|…`` up to the bracket that closes them; where it goes on after that."""
    every: frozenset[str] | None = frozenset()
    while True:
        found, at = _branch(pattern, at)
        every = None if every is None or found is None else every | found
        if at >= len(pattern) or pattern[at] == ")":
            return every, at + 1
        at += 1


def _branch(pattern: str, at: int) -> tuple[frozenset[str] | None, int]:
    """Of all that one alternative must hold: that whose shortest word is longest."""
    best: frozenset[str] | None = None
    run = ""
    while at < len(pattern) and pattern[at] not in "|)":
        literal, group, at = _piece(pattern, at)
        repeat = _REPEAT.match(pattern, at)
        at = repeat.end() if repeat else at
        optional = repeat is not None and (repeat[0][0] in "?*" or repeat[1] in ("", "0"))
        run += "" if optional else literal
        if not literal or repeat:
            best, run = _better(_better(best, _one(run)), None if optional else group), ""
    return _better(best, _one(run)), at


def _piece(pattern: str, at: int) -> tuple[str, frozenset[str] | None, int]:
    """One literal, or what a group must hold, or neither (a class, a place); and its end."""
    sign = pattern[at]
    if sign == "\\":
        escaped = pattern[at + 1]
        if escaped.isalnum() and escaped not in _NOT_LITERAL:
            raise ValueError(f"not known: \\{escaped}")
        return "" if escaped.isalnum() else escaped, None, at + 2
    if sign == "[" and (found := _CLASS.match(pattern, at)):
        return "", None, found.end()
    if sign == "(" and (found := _LOOK.match(pattern, at)):
        return "", None, _alternatives(pattern, found.end())[1]
    if sign == "(" and (found := _GROUP.match(pattern, at)):
        return "", *_alternatives(pattern, found.end())
    if sign in "[({?*+":
        raise ValueError(f"not known: {pattern[at : at + 4]}")
    return "" if sign in ".^$" else sign, None, at + 1


def _one(run: str) -> frozenset[str] | None:
    return frozenset((run.casefold(),)) if len(run) >= _SHORTEST else None


def _better(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda found: min(map(len, found)))
