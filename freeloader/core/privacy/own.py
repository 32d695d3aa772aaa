"""An owner's own patterns and words. Checks them first: a pattern must not be able to stall us.

Python's ``re`` cannot be interrupted, so what could backtrack without bound is refused when
it is read, and what is left looks at short windows of text only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from freeloader.errors import ConfigError

PATTERNS_MAX = 50
PATTERN_CHARS_MAX = 300
WORDS_MAX = 5_000
#: A match of an own pattern lies within this many characters.
WINDOW = 256
_STEP = WINDOW // 2
#: A repeat that can vary by more than this is wide: two wide ones in a row cost n³ in a window.
_WIDE = 32
_WIDE_MAX = 4
_BROAD_MAX = 2


class Own:
    """Compiled once per change of settings. Raises ConfigError for a pattern that is not safe."""

    def __init__(self, patterns: Mapping[str, str], words: Iterable[str]) -> None:
        if len(patterns) > PATTERNS_MAX:
            raise ConfigError(f"privacy.patterns: at most {PATTERNS_MAX} patterns are taken.")
        self._patterns = {name: compiled(name, text) for name, text in patterns.items()}
        self._words = _words(words)

    def __bool__(self) -> bool:
        return bool(self._patterns) or self._words is not None

    def count(self, text: str) -> dict[str, int]:
        """Matches by ``own:NAME`` and ``word``; kinds without any are left out."""
        found: dict[str, int] = {}
        if self._words is not None and (words := sum(1 for _ in self._words.finditer(text))):
            found["word"] = words
        for name, pattern in self._patterns.items():
            spans = {
                (base + match.start(), base + match.end())
                for base, window in _windows(text)
                for match in pattern.finditer(window)
                if match.end() > match.start()
            }
            if spans:
                found[f"own:{name}"] = _apart(spans)
        return found


def compiled(name: str, text: str) -> re.Pattern[str]:
    """A checked pattern. Raises ConfigError naming the setting and what to change."""
    place = f"privacy.patterns.{name}"
    if len(text) > PATTERN_CHARS_MAX:
        raise ConfigError(f"{place}: is longer than {PATTERN_CHARS_MAX} characters.")
    try:
        tree = parser.parse(text)
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"{place}: is not a regular expression ({error}).") from None
    if pattern.match(""):
        raise ConfigError(f"{place}: matches nothing at all, so it would match everywhere.")
    wide = list(_wide(tree, inside=False, place=place))
    if len(wide) > _WIDE_MAX or sum(wide) > _BROAD_MAX:
        raise ConfigError(
            f"{place}: has too many open repeats (+, *, {{n,}}) and could take very long; "
            "give them an upper bound, as in {1,20}."
        )
    return pattern


def _wide(tree: Any, *, inside: bool, place: str) -> Iterator[bool]:
    """One item per wide repeat: whether it repeats a broad set, such as ``.``. Refuses nesting."""
    for op, argument in tree:
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            low, high, body = argument
            varies = high - low > 0
            if inside and varies:
                raise _nested(place)
            if high - low > _WIDE:
                yield _broad(body)
            repeats = inside or high > 1
            yield from _wide(body, inside=repeats, place=place)
        elif op is sre.BRANCH:
            if inside:
                raise _nested(place)
            for part in argument[1]:
                yield from _wide(part, inside=inside, place=place)
        elif op in (sre.GROUPREF, sre.GROUPREF_EXISTS):
            raise ConfigError(f"{place}: back references are not taken.")
        elif op is sre.SUBPATTERN:
            yield from _wide(argument[-1], inside=inside, place=place)
        elif op in (sre.ASSERT, sre.ASSERT_NOT):
            yield from _wide(argument[1], inside=inside, place=place)
        elif op is sre.ATOMIC_GROUP:
            yield from _wide(argument, inside=inside, place=place)


def _broad(body: Any) -> bool:
    ops = {op for op, _ in body}
    if sre.ANY in ops or sre.NOT_LITERAL in ops:
        return True
    kinds = [part for op, argument in body if op is sre.IN for part in argument]
    narrow = (sre.CATEGORY, sre.CATEGORY_DIGIT)
    return any(op is sre.NEGATE or (op is sre.CATEGORY and (op, k) != narrow) for op, k in kinds)


def _nested(place: str) -> ConfigError:
    return ConfigError(
        f"{place}: repeats something that itself repeats or chooses, as in (a+)+ or (a|b)*, "
        "which can take for ever; write it without the outer repeat."
    )


def _words(words: Iterable[str]) -> re.Pattern[str] | None:
    chosen = sorted({word.strip() for word in words if word.strip()}, key=len, reverse=True)
    if len(chosen) > WORDS_MAX:
        raise ConfigError(f"privacy.words: at most {WORDS_MAX} words are taken.")
    if not chosen:
        return None
    either = "|".join(r"\s+".join(map(re.escape, word.split())) for word in chosen)
    return re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE)


def _windows(text: str) -> Iterator[tuple[int, str]]:
    for base in range(0, max(1, len(text) - _STEP), _STEP):
        yield base, text[base : base + WINDOW]


def _apart(spans: Iterable[tuple[int, int]]) -> int:
    """How many of the spans do not overlap one before them (windows see some matches twice)."""
    count, reached = 0, -1
    for start, end in sorted(spans):
        if start >= reached:
            count += 1
        reached = max(reached, end)
    return count
