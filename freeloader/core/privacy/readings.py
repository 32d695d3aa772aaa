"""What a text says to whoever reads it closely: without what cannot be seen, and decoded.

Invisible characters go, other scripts' digits and full-width letters become ASCII. What is
written in HTML entities, per-cent or ``\\u`` escapes or base64 is read as well, one layer
deep. Ciphers, hex, words for digits and pictures of text are not read.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from html import unescape
from unicodedata import category, normalize
from urllib.parse import unquote

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
#: Soft hyphens, zero-width marks, joiners, direction marks, tags, variation selectors.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e01ef]"
)
_DASHES = "\u2010\u2011\u2012\u2013\u2212"
_ESCAPED = re.compile(r"&#|&(?:commat|period|hyphen|nbsp);|%[2-7][0-9A-Fa-f]|\\u00[2-7]|\\x[2-7]")
_BACKSLASH = re.compile(r"\\(?:u00|x)([2-7][0-9A-Fa-f])")
#: Short ones are words; a longer one than this is a file. Both bounds keep the cost in hand.
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{16,16384}={0,2}(?![A-Za-z0-9+/_-])")
_BASE64_MAX = 200
#: A character outside of text in this many: then it was no text that was encoded.
_STRANGE = 20


def plain(text: str) -> str:
    """The text as a reader takes it in: nothing invisible, digits and letters as ASCII."""
    if text.isascii():
        return text
    return _NOT_ASCII.sub(_ascii, _UNSEEN.sub("", text))


def decoded(text: str) -> Iterator[str]:
    """Other readings of a text that ``plain`` has returned; none for nearly all texts."""
    if _ESCAPED.search(text):
        yield _BACKSLASH.sub(lambda m: chr(int(m[1], 16)), unquote(unescape(text)))
    inside = [
        found
        for count, match in enumerate(_BASE64.finditer(text))
        if count < _BASE64_MAX and (found := _text_of(match[0]))
    ]
    if inside:
        yield "\n".join(inside)


def _text_of(encoded: str) -> str | None:
    """The text in base64, of either alphabet; None where it is none."""
    body = encoded.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        found = b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8")
    except ValueError:
        return None
    strange = sum(not (c.isprintable() or c in "\n\r\t") for c in found)
    return plain(found) if strange * _STRANGE <= len(found) else None


def _ascii(match: re.Match[str]) -> str:
    char = match[0]
    if char in _DASHES:
        return "-"
    if category(char) == "Zs":
        return " "
    if char.isdigit():
        try:
            return str(int(char))
        except ValueError:
            return char
    same = normalize("NFKC", char)
    return same if len(same) == 1 and same.isascii() else char
