"""One look at a text: how many of which kind. Returns counts; the text itself goes nowhere.

Kinds are tried from the most telling to the least, and what one has claimed no other
counts again: a card's digits are no telephone. Long texts are for a thread: 24 KB with many
numbers can cost tens of milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from freeloader.core.privacy.national import numbers
from freeloader.core.privacy.own import Own
from freeloader.core.privacy.phones import phones
from freeloader.core.privacy.readings import decoded, plain
from freeloader.core.privacy.secrets import secrets
from freeloader.core.privacy.shapes import Span, cards, emails, ibans

#: Two megabytes are half a million tokens: more than a model reads.
TEXT_MAX = 2_000_000
#: A text is read in pieces, each with a little of its neighbours: no search meets more at once.
_SEGMENT, _CONTEXT = 8_192, 512
_FINDERS: tuple[tuple[str, Callable[[str], Iterator[Span]]], ...] = (
    ("secret", secrets),
    ("email", emails),
    ("iban", ibans),
    ("card", cards),
    ("national_id", numbers),
    ("phone", phones),
)
KINDS = tuple(kind for kind, _ in _FINDERS)


def scan(text: str, own: Own | None = None) -> dict[str, int]:
    """Counts by kind; kinds without any are left out. Never raises for any text.

    What lies beyond ``TEXT_MAX`` characters is not read, and counts as ``unread``.
    """
    found: dict[str, int] = {}
    if len(text) > TEXT_MAX:
        text, found["unread"] = text[:TEXT_MAX], 1
    seen = plain(text)
    _read(seen, own, found)
    for other in decoded(seen):
        hidden: dict[str, int] = {}
        _read(other, own, hidden)
        # Most of it stands in the open too: the same thing is not counted twice.
        for kind, count in hidden.items():
            found[kind] = max(found.get(kind, 0), count)
    return found


def _read(text: str, own: Own | None, found: dict[str, int]) -> None:
    claimed = bytearray(len(text))
    for base in range(0, len(text), _SEGMENT):
        start = max(0, base - _CONTEXT)
        _look(text[start : base + _SEGMENT + _CONTEXT], start, base, claimed, found)
    if own:
        found.update(own.count(text))


def _look(part: str, start: int, base: int, claimed: bytearray, found: dict[str, int]) -> None:
    """Counts what begins within one segment; ``start`` and ``base`` are places in the text."""
    for kind, finder in _FINDERS:
        for since, till in finder(part):
            since, till = since + start, till + start
            mine = base <= since < base + _SEGMENT
            if mine and claimed.find(1, since, till) < 0:
                claimed[since:till] = b"\1" * (till - since)
                found[kind] = found.get(kind, 0) + 1
