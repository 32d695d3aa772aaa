"""H2: a large body gone through in ranges is read as one that is read whole; any size of range."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.errors import InvalidRequest
from freeloader.gateway.guards import large
from freeloader.gateway.guards.body import MAX_VALUES, parse_object

SIGNS = (b",", b"[", b"{")
#: As it was once said of a whole body: what is left without its strings.
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
SOUP = st.lists(
    st.sampled_from([b'"', b'"', b"\\", b"\\\\", b'\\"', b",", b"[", b"{", b":", b" " * 9,
                     b"x" * 20,
                     b"\xc3", b"\xa9", "é".encode(), "😀".encode(), b"\\u00e9", b"\\ud83d\\ude00",
                     b"\\ud83d", b"\\ude00", b"\\uD83D\\u0041", b"\\u1", b"\n"]),
    max_size=40,
).map(b"".join)  # fmt: skip
STEPS = st.integers(1, 40)
#: What stands for a string that is cut out is itself so long.
LONGER = st.integers(64, 90)
#: Escapes and characters at every distance from the borders.
TEXTS = st.builds(
    lambda a, b, n: a * n + b, st.text(max_size=9), st.text(max_size=60), st.integers(0, 40)
)
JSON = st.recursive(
    st.none() | st.integers(0, 9) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text('ab\\"é', max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(SOUP, STEPS, st.integers(0, 12))
def test_h2_values_counted_in_ranges_are_as_many_as_in_one(
    raw: bytes, step: int, most: int
) -> None:
    bare = STRING.sub(b"", raw)
    for counted, whole in ((large.count, raw), (large.count_bare, bare)):
        expected = sum(whole.count(sign) for sign in SIGNS)
        assert counted(raw, SIGNS, len(raw), step) == expected
        assert (counted(raw, SIGNS, most, step) > most) == (expected > most)


@given(SOUP, STEPS)
def test_h2_ranges_cover_the_body_once_and_none_is_long(raw: bytes, step: int) -> None:
    at = 0
    for begin, start, stops in large.spans(raw, step):
        assert begin == at
        assert begin <= start <= begin + step
        last = start + 1
        for stop in stops:
            assert 0 <= stop - last <= max(step, 12)
            last = stop
        at = stops[-1] + 1 if stops else start
        assert at > begin
    assert at == len(raw)


def read(raw: bytes, step: int) -> Any:
    left = bytearray(raw)
    texts = large.shorten(left, step)
    value = orjson.loads(left)
    large.put_back(value, texts)
    return value


@given(st.dictionaries(st.text(max_size=2) | TEXTS, JSON, max_size=4), LONGER, st.booleans())
def test_h2_what_is_read_in_pieces_is_what_is_read_whole(
    value: dict[str, Any], step: int, ascii_only: bool
) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only, indent=9).encode("utf-8", "surrogatepass")
    assert read(raw, step) == value


@given(st.builds(lambda a, b, n: a * n + b, SOUP, SOUP, st.integers(1, 30)), LONGER)
def test_h2_what_is_no_json_is_none_in_pieces_either(soup: bytes, step: int) -> None:
    raw = b'{"a":["' + soup + b'"]}'
    try:
        expected = orjson.loads(raw)
    except orjson.JSONDecodeError:
        expected = None
    try:
        found = read(raw, step)
    except orjson.JSONDecodeError:
        found = None
    except InvalidRequest:  # of a key that is there twice the library takes one
        assert "{" in raw.decode("utf-8", "replace")
        return
    assert found == expected


def test_h2_a_large_body_is_what_it_says() -> None:
    long = 'word, [and] {more}: \\"é\n' * 60_000
    value = {long[:-2]: long, "a": [long, {"b": long[:-1], "c": 'short: "x"'}], "model": "m"}
    for raw in (
        orjson.dumps(value),
        json.dumps(value).encode(),
        json.dumps(value, indent=2).encode(),
    ):
        assert parse_object(raw) == value
        assert parse_object(bytearray(raw)) == value
        with pytest.raises(InvalidRequest, match="twice"):
            parse_object(raw[:-1] + b',"a":1}')
        with pytest.raises(InvalidRequest, match="not valid JSON"):
            parse_object(raw.replace(b"short", b"\xff"))


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"' + b"k" * 2_000_000 + b'":1,"' + b"k" * 2_000_000 + b'":1}', "twice"),
        (b'{"' + b"k" * 2_000_000 + b'":1,"' + b"k" * 1_999_999 + b'\\u006b":1}', "twice"),
        (b'{"a":"' + b"x" * 2_000_000 + b'\x01"}', "not valid JSON"),
        (b'{"a":"' + b"x" * 2_000_000 + b'\\ud800"}', "not valid JSON"),
        (b'{"a":"' + b"x" * 2_000_000 + b'\\', "not valid JSON"),
        (b'{"a":"' + b"," * 2_000_000, "more than"),
        (b'{"a":1' + b" " * 2_000_000 + b"2}", "not valid JSON"),
        (b" " * 2_000_000, "not valid JSON"),
        (b'["' + b"x" * 2_000_000 + b'"]', "must be a JSON object"),
        (b'{"a":["' + b"," * 2_000_000 + b'"' + b",[]" * (MAX_VALUES // 2) + b"]}", "more than"),
    ],
)  # fmt: skip
def test_h2_a_large_body_that_is_none_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        parse_object(raw)


def test_h2_a_large_string_of_commas_is_one_value() -> None:
    text = "," * 2_000_000
    assert parse_object(orjson.dumps({"a": text})) == {"a": text}
