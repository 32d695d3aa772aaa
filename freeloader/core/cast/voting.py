"""Who agrees with whom: votes by value for numbers, JSON and choices, else by likeness of text.

An answer is read once into a ``Ballot``. Two ballots of one kind agree where their
values are equal; texts where they are nearly the same words, with the same numbers and
as many negations. The leading group is the largest in which *everybody agrees with
everybody*; nothing here depends on the order in which answers came. It decides
nothing: ``Vote`` says how many agree, and whether that is enough.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from typing import Any

from freeloader.core.cast import saying

#: Texts this alike (0–100, words in any order) say the same.
ALIKE = 88.0
#: So much of a text is compared.
TEXT_MAX = 6_000
#: A text of so few words agrees with a sentence that ends in it.
_SHORT_WORDS, _SENTENCE_WORDS = 4, 20

_NUMBER = r"[-+−]?[$€£]?\s?(?:\d{1,3}(?:,\d{3})+|\d{1,40})(?:\.\d{1,40})?(?:[eE][-+]?\d{1,2})?"
_AMOUNT = rf"({_NUMBER})(?:\s?/\s?(\d{{1,20}}))?\s?(%|percent|€|\$)?"
_BARE = re.compile(rf"[\s*`\"'(=:]{{0,4}}{_AMOUNT}[\s*`\"').!]{{0,4}}")
_BOXED = re.compile(rf"\\boxed\{{\s*{_AMOUNT}\s*\}}")
_FINAL = re.compile(
    rf"(?:\b(?:is|are|equals?|answer|result|total)\b|[=:≈→])[\s*:$`]*{_AMOUNT}[\s*.`)!]*$",
    re.IGNORECASE,
)
_LETTER = re.compile(r"\W{0,3}([A-Ja-j])\W{0,3}")
_LETTER_FIRST = re.compile(r"\W{0,3}([A-J])[).:]\W{0,3}\s*\S")
_LETTER_SAID = re.compile(
    r"\b(?:answer|option|choice)\b(?:\s+is)?[\s*:(`]*([A-J])\b[\s*.)`]*$", re.IGNORECASE
)
_WORD = re.compile(r"\W{0,3}(yes|no|true|false)\b(?:\W{0,3}$|[.,;:!])", re.IGNORECASE)
_WORDS = re.compile(r"\w+", re.UNICODE)
_DIGITS = re.compile(r"\d[\d,.]*")
_NEGATION = re.compile(r"\b(?:not|no|never|none|nor|cannot|without)\b|n['’]t\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Ballot:
    """What one answer says. ``kind``: ``number | json | choice | text``; ``value`` as compared."""

    kind: str
    value: str
    words: str = ""
    numbers: tuple[str, ...] = ()
    negations: int = 0


@dataclass(frozen=True, slots=True)
class Vote:
    """How answers stand. ``groups``: members by their number, the leading group first;
    ``needed``: how many have to agree; ``spokesman``: whose answer stands for the group."""

    groups: tuple[tuple[int, ...], ...]
    needed: int
    by: str
    spokesman: int

    @property
    def votes(self) -> int:
        return len(self.groups[0])

    @property
    def agreed(self) -> bool:
        return self.votes >= self.needed


def needed(asked: int) -> int:
    """How many of ``asked`` have to agree: more than half of them."""
    return asked // 2 + 1


def count(ballots: Mapping[int, Ballot], quorum: int) -> Vote:
    """The vote as it stands, from ballots by member number (the rank in the selection).

    Of groups of one size the one whose members are more alike leads, then the one of the
    better ranked. A group is spoken for by the member most like the others.
    """
    left = dict(ballots)
    groups: list[tuple[int, ...]] = []
    while left:
        group = _largest(left)
        groups.append(group)
        for number in group:
            del left[number]
    first = groups[0]
    speaker = max(first, key=lambda at: (_closeness(at, first, ballots), -at))
    return Vote(tuple(groups), quorum, ballots[speaker].kind, speaker)


def ballot(data: Mapping[str, Any]) -> Ballot:
    """What the first choice of a chat body says."""
    messages = saying.messages_of(data)
    message = messages[0] if messages else {}
    calls = saying.calls_of(message)
    if calls:
        return Ballot("json", _canonical(calls))
    return of_text(saying.text_of(message))


def of_text(text: str) -> Ballot:
    """A ballot from plain text: the first of number, choice, JSON that it clearly is, else text."""
    bare = text.strip()
    number = _number(bare)
    if number is not None:
        return Ballot("number", number)
    choice = _choice(bare)
    if choice is not None:
        return Ballot("choice", choice)
    is_json, value = saying.parsed(bare)
    if is_json and isinstance(value, dict | list):
        return Ballot("json", _canonical(value))
    kept = bare[:TEXT_MAX]
    words = " ".join(_WORDS.findall(kept.casefold()))
    numbers = sorted(found.rstrip(".,").replace(",", "") for found in _DIGITS.findall(kept))
    return Ballot("text", words or bare, words, tuple(numbers), len(_NEGATION.findall(kept)))


def agree(one: Ballot, other: Ballot) -> bool:
    if one.kind != other.kind:
        return False
    if one.kind != "text" or one.value == other.value:
        return one.value == other.value
    if one.numbers != other.numbers or one.negations != other.negations:
        return False
    return likeness(one, other) >= ALIKE


def likeness(one: Ballot, other: Ballot) -> float:
    """0–100; 100 for equal values."""
    if one.kind != other.kind:
        return 0.0
    if one.kind != "text":
        return 100.0 if one.value == other.value else 0.0
    return _alike(*sorted((one.words, other.words)))


@lru_cache(maxsize=512)
def _alike(one: str, other: str) -> float:
    if one == other or _ends_in(one, other) or _ends_in(other, one):
        return 100.0
    from rapidfuzz import fuzz  # 3 MB that only a vote needs

    return float(fuzz.token_sort_ratio(one, other))


def _ends_in(sentence: str, short: str) -> bool:
    """ "The capital is Paris" says what "Paris" says; "Paris or Lyon" does not."""
    if not short or not sentence.endswith(f" {short}") or len(short) > 100:
        return False
    words = sentence.split(" ", _SENTENCE_WORDS)
    return len(words) <= _SENTENCE_WORDS and short.count(" ") < _SHORT_WORDS and "or" not in words


def _largest(ballots: Mapping[int, Ballot]) -> tuple[int, ...]:
    """The largest group in which all agree. At most ten members: every group is tried."""
    numbers = sorted(ballots)
    friends = {
        at: frozenset(o for o in numbers if o != at and agree(ballots[at], ballots[o]))
        for at in numbers
    }
    for size in range(len(numbers), 1, -1):
        able = [at for at in numbers if len(friends[at]) >= size - 1]
        cliques = [
            some
            for some in combinations(able, size)
            if all(b in friends[a] for a, b in combinations(some, 2))
        ]
        if cliques:
            return max(cliques, key=lambda c: (_inner(c, ballots), [-at for at in c]))
    return (max(numbers, key=lambda at: (_closeness(at, numbers, ballots), -at)),)


def _inner(group: Sequence[int], ballots: Mapping[int, Ballot]) -> float:
    return sum(likeness(ballots[a], ballots[b]) for a, b in combinations(group, 2))


def _closeness(at: int, group: Sequence[int], ballots: Mapping[int, Ballot]) -> float:
    return sum(likeness(ballots[at], ballots[other]) for other in group if other != at)


def _number(text: str) -> str | None:
    """The number an answer is, or ends with, as an exact fraction; None: it is none."""
    boxed = _BOXED.search(text)
    last = text.rstrip().rsplit("\n", 1)[-1]
    found = _BARE.fullmatch(text) or boxed or _FINAL.search(last[-200:])
    if found is None:
        return None
    digits = re.sub(r"[$€£,\s]", "", found[1]).replace("−", "-")
    value = Fraction(digits)
    if found[2] is not None:
        if int(found[2]) == 0:
            return None
        value /= int(found[2])
    if found[3] in ("%", "percent"):
        value /= 100
    return str(value)


def _choice(text: str) -> str | None:
    """A letter of several, yes or no, true or false."""
    letter = _LETTER.fullmatch(text) or _LETTER_FIRST.match(text)
    letter = letter or _LETTER_SAID.search(text.rsplit("\n", 1)[-1][-200:])
    if letter is not None:
        return letter[1].upper()
    word = _WORD.match(text)
    return None if word is None else word[1].lower()


def _canonical(value: Any) -> str:
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """1 and 1.0 are one number."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
