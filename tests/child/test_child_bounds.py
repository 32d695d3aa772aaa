"""U5: what passes the child's bounds passes as it is, whatever the slices; the rest is cut off."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterable

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.child.bodies import VALUES_MAX, parsed
from freeloader.child.inside import bounds
from freeloader.child.inside.bounds import Bounded


class Given(httpx.AsyncByteStream):
    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


async def through(
    chunks: Iterable[bytes], encoding: str = "", *, lines: bool = True
) -> list[bytes]:
    return [piece async for piece in Bounded(Given(chunks), encoding, lines=lines)]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([b"data: {", b'"a"', b"}", b"\n", b"\r\n", b"\r", b"x" * 30])),
    st.integers(1, 40),
    st.booleans(),
    st.booleans(),
)
def test_u5_what_is_within_the_bounds_is_not_changed(
    parts: list[bytes], cut: int, packed: bool, lines: bool
) -> None:
    body = b"".join(parts)
    sent = gzip.compress(body) if packed else body
    chunks = [sent[at : at + cut] for at in range(0, len(sent), cut)]
    pieces = asyncio.run(through(chunks, "gzip" if packed else "", lines=lines))
    assert b"".join(pieces) == body
    for piece in pieces[:-1] if lines else ():
        assert piece.endswith((b"\n", b"\r")), "only whole lines"


@pytest.mark.parametrize(
    ("chunks", "encoding", "lines", "error"),
    [
        ([b"x" * 65536] * 1000, "", False, httpx.ReadError),
        ([b"data: ", *[b"x" * 65536] * 100], "", True, httpx.ReadError),
        ([b": here\n\n" * 1000] * 100, "", True, httpx.ReadError),
        ([gzip.compress(b"\n" * 100_000_000)], "gzip", True, httpx.ReadError),
        ([gzip.compress(b" " * 100_000_000)], "gzip", False, httpx.ReadError),
        ([b"no gzip"], "gzip", False, httpx.DecodingError),
        ([b"x"], "br", False, httpx.DecodingError),
    ],
)
async def test_u5_what_is_beyond_them_is_an_error(
    chunks: list[bytes], encoding: str, lines: bool, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await through(chunks, encoding, lines=lines)


async def test_u5_a_word_now_and_then_is_enough() -> None:
    silence = b": here\n\n" * (bounds.VAIN_BYTES // 10)
    pieces = await through([silence, b'data: {"a": 1}\n\n'] * 5)
    assert len(b"".join(pieces)) > 3 * bounds.VAIN_BYTES


async def test_u5_between_two_pieces_others_have_their_turn() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    pieces = await through([b'{"a": 1}\n' * 50_000], lines=False)
    task.cancel()
    assert turns >= len(pieces) - 1 > 50


def test_u5_an_answer_of_too_many_values_is_none() -> None:
    assert parsed(b'{"choices": [' + b"[]," * VALUES_MAX + b"[]]}") is None
    assert parsed(b'{"choices": [' + b"0," * 1000 + b"0]}") is not None
    long = b'{"text": "' + b"a, b " * 100_000 + b'"}'
    assert parsed(long) is not None, "a text has commas too"
