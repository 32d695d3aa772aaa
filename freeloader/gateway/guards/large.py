"""Goes through a large body in ranges, so that no single step keeps others from their turn.

A call into C holds the interpreter until it is done; between two of them it is passed on every
few milliseconds. So values are counted a range at a time, and strings longer than a range are
cut out and read in pieces: what is left for the JSON library is short, and it makes no second
copy of the long ones. It checks no JSON beyond the strings it reads, and knows no field.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import orjson

from freeloader.errors import InvalidRequest

#: Bytes gone through in one step.
RANGE = 1 << 14
#: Counting is quicker than anything else here.
_COUNTED = 1 << 20

#: A string. Most end at the first quote, which no backslash is before: that is seen far sooner.
_ONE = rb'"(?:[^"]*+(?<!\\)|[^"\\]*+(?:\\.[^"\\]*+)*+)"'
_STRING = re.compile(_ONE, re.DOTALL)
#: Whole strings, and what is between them.
_WHOLE = re.compile(rb'[^"]*+(?:' + _ONE + rb'[^"]*+)*+', re.DOTALL)
#: The inside of a string up to its end, or to a backslash that is the last byte.
_INSIDE = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
#: The second of two escapes that are one character (surrogates).
_SECOND = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_BACKSLASH, _BLANK = ord("\\"), b" \t\r\n"
#: The longest escape is six bytes.
_ESCAPE = 6

#: What stands for a string that was cut out, before its number; no client can know it.
_MARK = secrets.token_hex(16)
_WIDTH = len(_MARK) + 8


def count(raw: bytes | bytearray, signs: Iterable[bytes], most: int, step: int = _COUNTED) -> int:
    """How often the signs occur altogether; what is beyond ``most`` need not be the whole count."""
    found = 0
    for at in range(0, len(raw), step):
        for sign in signs:
            found += raw.count(sign, at, at + step)
        if found > most:
            break
    return found


def count_bare(raw: bytes | bytearray, signs: Iterable[bytes], most: int, step: int = RANGE) -> int:
    """The same, of what is outside strings. A string that does not end is none."""
    found = 0
    for at, start, _ in spans(raw, step):
        if found > most:
            break
        bare = _STRING.sub(b"", raw[at:start])
        found += sum(bare.count(sign) for sign in signs)
    return found


def spans(raw: bytes | bytearray, step: int = RANGE) -> Iterator[tuple[int, int, list[int]]]:
    """(a, b, stops) over and over: from a to b, at most ``step`` bytes, only whole strings and
    what is between them; at b a string that goes over the border, if there are stops. Each is a
    place inside of it, about ``step`` from the one before and not within an escape; the last
    is its second quote. A string longer than ``step`` always goes over a border."""
    at, endless = 0, False
    while at < len(raw):
        border = min(at + step, len(raw))
        start, stops = border, []
        if not endless and raw.find(b'"', at, border) >= 0:
            start = _matched(_WHOLE, raw, at, border)
        if start < border:
            stops = _stops(raw, start + 1, max(step, 2 * _ESCAPE))
            if not stops:  # there is no whole string behind it either
                endless, start = True, border
        yield at, start, stops
        at = stops[-1] + 1 if stops else start


def shorten(raw: bytearray, step: int = RANGE) -> dict[str, str]:
    """Takes the strings longer than ``step`` out of ``raw``, and blank ranges; returns what stands
    for each string there → its text.

    Raises orjson.JSONDecodeError where one is no JSON string; then ``raw`` is of no use any more.
    """
    texts: dict[str, str] = {}
    kept = since = 0
    with memoryview(raw) as view:

        def keep(end: int, instead: bytes) -> None:
            nonlocal kept
            for part in (view[since:end], instead):
                view[kept : kept + len(part)] = part
                kept += len(part)

        for at, start, stops in spans(raw, step):
            if stops and stops[-1] - start > step:
                name = f"{_MARK}{len(texts):08d}"
                after = stops[-1] + 1
                texts[name] = _text(view, start + 1, stops)
                keep(start, b'"%b"' % name.encode())
                since = after
            elif start - at == step and not raw[at:start].strip(_BLANK):
                keep(at, b" ")
                since = start
        keep(len(raw), b"")
    del raw[kept:]
    return texts


def put_back(whole: dict[str, Any], texts: dict[str, str]) -> None:
    """Every string that was cut out, back at its place. Raises InvalidRequest for a key that is
    there twice by that."""
    below: list[Any] = [whole]
    while below:
        item = below.pop()
        if type(item) is dict and any(len(key) == _WIDTH and key in texts for key in item):
            pairs = [(texts.get(key, key), value) for key, value in item.items()]
            item.clear()
            item.update(pairs)
            if len(item) < len(pairs):
                raise InvalidRequest("The body names the same key twice in one object.")
        for place, value in item.items() if type(item) is dict else enumerate(item):
            kind = type(value)
            if kind is dict or kind is list:
                below.append(value)
            elif kind is str and len(value) == _WIDTH and value in texts:
                item[place] = texts[value]


def _stops(raw: bytes | bytearray, at: int, step: int) -> list[int]:
    """Places in the string whose inside begins at ``at``, up to its quote; none if it never ends"""
    found: list[int] = []
    while at < len(raw):
        stop = min(at + step, len(raw))
        quote = raw.find(b'"', at, stop)
        if quote > at and raw[quote - 1] == _BACKSLASH:
            stop = _matched(_INSIDE, raw, at, stop)
            quote = stop if raw[stop : stop + 1] == b'"' else -1
        if quote >= 0:
            return [*found, quote]
        stop = _before_escape(raw, at, stop)
        if stop == at:
            break  # an escape, and nothing behind it
        found.append(stop)
        at = stop
    return []


def _before_escape(raw: bytes | bytearray, at: int, stop: int) -> int:
    """``stop``, or where the escape begins that may not be over there."""
    last = raw.rfind(b"\\", max(at, stop - _ESCAPE + 1), stop)
    if last < 0:
        return stop
    backslashes = last + 1 - at - len(raw[at : last + 1].rstrip(b"\\"))
    return last if backslashes % 2 else stop


def _text(view: memoryview, start: int, stops: list[int]) -> str:
    """What is between the quotes, read by the JSON library piece by piece, and written over what
    it is read from: it is never longer, and the whole of it is there only once more."""
    plain, to, ends = True, start, [start]
    for a, b in _pieces(view, start, stops):
        piece: str = orjson.loads(b"".join((b'"', view[a:b], b'"')))
        plain = plain and piece.isascii()
        written = piece.encode()
        view[to : to + len(written)] = written
        to += len(written)
        ends.append(to)
    if plain:
        return str(view[start:to], "ascii")
    return "".join(str(view[a:b], "utf-8") for a, b in pairwise(ends))


def _pieces(raw: memoryview, at: int, stops: list[int]) -> Iterator[tuple[int, int]]:
    """The ranges between the stops, moved so that none ends within a character."""
    end = stops[-1]
    for stop in stops:
        stop = max(at, stop)
        if second := _SECOND.match(raw, stop, end):
            stop = second.end()
        while stop < end and raw[stop] & 0xC0 == 0x80:
            stop += 1
        yield at, stop
        at = stop


def _matched(pattern: re.Pattern[bytes], raw: bytes | bytearray, at: int, border: int) -> int:
    """Where the match ends that begins at ``at``: each pattern here matches at least nothing."""
    found = pattern.match(raw, at, border)
    return at if found is None else found.end()
