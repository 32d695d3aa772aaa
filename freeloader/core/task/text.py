"""A text cut to what is needed and turned into marks: hashed words, and cues by name.

Everything is counted once, in one pass over at most ``CUT`` characters. The hash is
``crc32``: the same in every process. No weight is known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from zlib import crc32

from freeloader.core.task.cues import CUE_NAMES, WORDS, structure
from freeloader.core.task.phrases import PHRASES

#: Characters read: what is asked stands at the beginning or at the end.
HEAD, TAIL = 600, 300
CUT = HEAD + TAIL
_ASK_HEAD, _ASK_TAIL = 240, 160
BUCKETS = 8_192
#: Words at the beginning and at the end that are also marked as standing there.
_FIRST, _LAST = 8, 8
_MOST_HEAD, _MOST_TAIL = 220, 100
MOST = _MOST_HEAD + _MOST_TAIL
_DIGITS = frozenset("0123456789")
_WORD = re.compile(r"[a-zäöüßéèêàçñáíóúâôîûøåæœ']+|[^\W\d_a-z]{1,24}|\d+|[^\w\s]")
_SPACES = re.compile(r"\s+")
_CUE = {name: i for i, name in enumerate(CUE_NAMES)}
#: Word → its cues, and the same cues for a word near the beginning or the end.
_OF_WORD = {
    word: (
        tuple(_CUE[n] for n in names),
        tuple(_CUE[n + at] for n in names for at in ("", "@")),
    )
    for word, names in WORDS.items()
}
#: So many words at each end count as near it.
_NEAR = 14


def cut(text: str) -> str:
    """The beginning and the end of a long text."""
    return text if len(text) <= CUT else f"{text[:HEAD]}\n{text[-TAIL:]}"


def asked(text: str) -> str:
    """Where people say what they want: the beginning and the end, lower-case, on one line."""
    whole = len(text) <= _ASK_HEAD + _ASK_TAIL
    short = text if whole else f"{text[:_ASK_HEAD]} {text[-_ASK_TAIL:]}"
    return _SPACES.sub(" ", short.lower()).strip()


def words_of(text: str) -> list[str]:
    """Lower-case words; numbers become ``0`` or ``00``; other scripts in pairs of letters.

    At most ``MOST`` of them, from both ends: scripts without spaces say more in as many characters.
    """
    out: list[str] = []
    found = _WORD.findall(text.lower())
    if text.isascii():
        out = [("0" if len(w) == 1 else "00") if w[0] in _DIGITS else w for w in found]
    else:
        for word in found:
            first = word[0]
            if first.isdigit():
                out.append("0" if len(word) == 1 else "00")
            elif first > "\u2e7f" and len(word) > 1:
                out += map("".join, pairwise(word))
            else:
                out.append(word)
    return out if len(out) <= MOST else out[:_MOST_HEAD] + out[-_MOST_TAIL:]


def marks(text: str) -> tuple[set[int], set[int]]:
    """(buckets, cues) of a text that was cut: indices into the weights, each once."""
    words = words_of(text)
    first, last = words[:_FIRST], words[-_LAST:]
    grams = set(words)
    grams.update(map(" ".join, pairwise(words)))
    grams.update("^" + word for word in first)
    grams.update("^" + a + " " + b for a, b in pairwise(first))
    grams.update("$" + word for word in last)
    if words:
        grams.add("^^" + words[0])
        grams.add("^^" + " ".join(words[:2]))
    return {crc32(gram) & (BUCKETS - 1) for gram in map(str.encode, grams)}, _cues(text, words)


def _cues(text: str, words: list[str]) -> set[int]:
    found: set[int] = set()
    near = {*words[:_NEAR], *words[-_NEAR:]}
    for word in set(words):
        of_word = _OF_WORD.get(word)
        if of_word is not None:
            found.update(of_word[word in near])
    low = asked(text)
    for name, rule in PHRASES:
        if rule.matches(low):
            found.add(_CUE[name])
    found.update(_CUE[name] for name in structure(text, words))
    return found


def names_of(cues: Iterable[int]) -> list[str]:
    """The names of cues, for people who ask why."""
    return [CUE_NAMES[i] for i in cues]
