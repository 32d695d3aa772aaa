"""Which names are near a name that means nothing here: slips, halves, sizes left out.

Names are compared letter by letter and word by word (``gpt4`` is ``gpt 4``), so that
``gemini-flash`` finds ``gemini-3.8-flash`` and ``lama-3.3`` a llama. Pure; what a name stands
for, and whether anybody would answer it, is ``names``'s.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable

#: Less alike than this (of 100) is not near.
ALIKE = 60.0
#: What is not at hand itself has to be so much more alike.
HANDICAP = 10.0
#: So many letters of a name are looked at.
_LONGEST = 100
_WORD = re.compile(r"[a-z]+|\d+")


def nearest(
    name: str,
    names: Iterable[tuple[str, Hashable]],
    others: Iterable[tuple[str, Hashable]] = (),
    most: int = 3,
) -> list[str]:
    """Up to ``most`` names, the most alike first, and none that is not alike.

    Each comes with what it stands for: one name is enough for that, and a name that stands for
    several is told once. ``others`` have to be more alike than ``names`` by ``HANDICAP``; of
    equals the earlier ones are taken.
    """
    wanted = _Spelt(name)
    scored = [(wanted.likeness(text), text, meaning) for text, meaning in names]
    scored += [(wanted.likeness(text) - HANDICAP, text, meaning) for text, meaning in others]
    scored.sort(key=lambda one: -one[0])
    found: dict[Hashable, str] = {}
    for likeness, text, meaning in scored:
        if likeness < ALIKE or len(found) == most:
            break
        if text not in found.values():
            found.setdefault(meaning, text)
    return list(found.values())


class _Spelt:
    """A name as it was written: its letters, and its words."""

    def __init__(self, name: str) -> None:
        self._letters = name.casefold()[:_LONGEST]
        self._words = _words(self._letters)

    def likeness(self, other: str) -> float:
        """0–100: half of it goes by the letters in their order, half by the words in any."""
        from rapidfuzz import fuzz  # 3 MB that only a name nobody knows needs

        letters = other.casefold()[:_LONGEST]
        words = _words(letters)
        in_words = max(
            fuzz.token_sort_ratio(self._words, words),
            0.95 * fuzz.token_set_ratio(self._words, words),
        )
        return (fuzz.ratio(self._letters, letters) + in_words) / 2


def _words(letters: str) -> str:
    return " ".join(_WORD.findall(letters))
