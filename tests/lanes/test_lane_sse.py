"""The SSE parser: any slicing and any line end give the same events; memory stays bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.gateway.lanes.sse import ServerEvent, SseParser, TooLong

payloads = st.lists(
    st.text(
        st.characters(blacklist_characters="\r\n\x00", blacklist_categories=("Cs",)), min_size=1
    ),
    min_size=1,
    max_size=6,
)
ends = st.sampled_from(["\n", "\r\n", "\r"])


def parse(data: bytes, cuts: list[int]) -> list[ServerEvent]:
    parser, found, start = SseParser(), [], 0
    for cut in [*sorted({min(cut, len(data)) for cut in cuts}), len(data)]:
        found += parser.feed(data[start:cut])
        start = cut
    return found + parser.close()


@given(
    payloads, st.lists(ends, min_size=1, max_size=8), st.lists(st.integers(0, 400)), st.booleans()
)
def test_any_slicing_and_any_line_ends_give_the_same_events(
    texts: list[str], line_ends: list[str], cuts: list[int], comments: bool
) -> None:
    stream, turn = "", 0

    def end() -> str:
        nonlocal turn
        turn += 1
        return line_ends[turn % len(line_ends)]

    for text in texts:
        if comments:
            stream += f": keep alive{end()}"
        stream += f"data: {text}{end()}"
        # an empty line that ends with LF after a CR would read as one CRLF: use one kind for both
        stream += "\n" if stream.endswith("\n") else "\r\n" if stream.endswith("\r\n") else "\r"
    expected = [ServerEvent("", text.encode()) for text in texts]
    assert parse(stream.encode(), cuts) == expected


@given(st.binary(max_size=500), st.lists(st.integers(0, 500)))
def test_garbage_never_breaks_it_and_slicing_never_matters(data: bytes, cuts: list[int]) -> None:
    assert parse(data, cuts) == parse(data, [])


@given(st.binary(max_size=300))
def test_one_byte_at_a_time(data: bytes) -> None:
    assert parse(data, list(range(len(data)))) == parse(data, [])


def test_names_many_data_lines_and_unknown_fields() -> None:
    parser = SseParser()
    events = parser.feed(b"event: freeloader\nid: 7\ndata: a\ndata:b\nretry: 1\n\ndata: c\n\n")
    assert events == [ServerEvent("freeloader", b"a\nb"), ServerEvent("", b"c")]


def test_split_utf8_is_put_together() -> None:
    parser, data = SseParser(), "data: äöü€😀\n\n".encode()
    found = [event for i in range(len(data)) for event in parser.feed(data[i : i + 1])]
    assert found == [ServerEvent("", "äöü€😀".encode())]


def test_a_byte_order_mark_is_skipped_and_an_unfinished_event_comes_at_the_end() -> None:
    parser = SseParser()
    assert parser.feed(b"\xef\xbb") == []
    assert parser.feed(b"\xbfdata: x") == []
    assert parser.close() == [ServerEvent("", b"x")]
    assert parser.close() == []


def test_comments_alone_yield_nothing_and_hold_nothing() -> None:
    parser = SseParser(limit=100)
    for _ in range(1000):
        assert parser.feed(b": OPENROUTER PROCESSING\n\n") == []


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 60, b"data: xxxxxxxxxx\n"])
def test_a_line_or_an_event_without_end_is_refused(piece: bytes) -> None:
    parser = SseParser(limit=100)

    def without_end() -> None:
        for _ in range(1000):
            parser.feed(piece)

    with pytest.raises(TooLong):
        without_end()
