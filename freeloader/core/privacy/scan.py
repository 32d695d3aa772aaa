"""One look at a text: how many of which kind. Returns counts; the text itself goes nowhere.

Kinds are tried from the most telling to the least, and what one has claimed no other
counts again: a card's digits are no telephone. Long texts are for a thread: 24 KB with many
numbers can cost tens of milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from freeloader.core.privacy.national import numbers
from freeloader.core.privacy.own import Own
from freeloader.core.privacy.phones import phones
from freeloader.core.privacy.secrets import secrets
from freeloader.core.privacy.shapes import Span, cards, emails, ibans

#: Texts above this many characters are scanned off the event loop.
LARGE = 8_192
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
#: Digits of other scripts and full-width ones are digits to whoever reads them.
_WIDE_DIGITS = re.compile(r"[^\x00-\x7f]")


def scan(text: str, own: Own | None = None) -> dict[str, int]:
    """Counts by kind; kinds without any are left out. Never raises for any text.

    What lies beyond ``TEXT_MAX`` characters is not read, and counts as ``unread``.
    """
    found: dict[str, int] = {}
    if len(text) > TEXT_MAX:
        text, found["unread"] = text[:TEXT_MAX], 1
    plain = _plain(text)
    claimed = bytearray(len(plain))
    for base in range(0, len(plain), _SEGMENT):
        start = max(0, base - _CONTEXT)
        _look(plain[start : base + _SEGMENT + _CONTEXT], start, base, claimed, found)
    if own:
        found.update(own.count(text))
    return found


def _look(part: str, start: int, base: int, claimed: bytearray, found: dict[str, int]) -> None:
    """Counts what begins within one segment; ``start`` and ``base`` are places in the text."""
    for kind, finder in _FINDERS:
        for since, till in finder(part):
            since, till = since + start, till + start
            mine = base <= since < base + _SEGMENT
            if mine and claimed.find(1, since, till) < 0:
                claimed[since:till] = b"\1" * (till - since)
                found[kind] = found.get(kind, 0) + 1


def _plain(text: str) -> str:
    """The same text with other scripts' digits and full-width letters as ASCII, place by place."""
    if text.isascii():
        return text
    return _WIDE_DIGITS.sub(_ascii, text)


def _ascii(match: re.Match[str]) -> str:
    char = match[0]
    if char.isdigit():
        try:
            return str(int(char))
        except ValueError:
            return char
    if "\uff01" <= char <= "\uff5e":
        return chr(ord(char) - 0xFEE0)
    if char in "\u2010\u2011\u2012\u2013\u2212":
        return "-"
    if char in "\u00a0\u2007\u202f\u2009":
        return " "
    return char
