"""Tables for people: never wider than the terminal, nothing lost, untouched where nobody looks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.cli.tables import NARROWEST, laid_out, table

WORDS = st.text("abcdefgh-/", min_size=1, max_size=12)
PROSE = st.lists(WORDS, max_size=12).map(" ".join)
ROWS = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.text("ABCD $/", min_size=1, max_size=8).filter(str.strip), min_size=n,
                 max_size=n),
        st.lists(st.lists(PROSE, min_size=n, max_size=n), min_size=1, max_size=5),
    )
)  # fmt: skip


@given(ROWS, st.integers(NARROWEST, 140))
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(shape, wide):
    headers, rows = shape
    lines = list(laid_out(rows, headers, wide))
    assert max(map(len, lines), default=0) <= wide
    printed = "".join("".join(lines).split())
    for row in rows:
        for cell in row:
            for word in cell.split():
                assert word in printed


@given(ROWS)
def test_where_nobody_looks_every_row_is_one_line(shape):
    headers, rows = shape
    assert len(list(laid_out(rows, headers, 0))) == 1 + len(rows)


@pytest.mark.parametrize(
    ("wide", "lines"),
    [
        (80, ["MODEL     STATE", "groq/one  resting until the day is over"]),
        (36, ["MODEL     STATE", "groq/one  resting until the day is", "          over"]),
        (30, ["groq/one", "  STATE resting until the day", "    is over"]),
    ],
)
def test_prose_is_folded_before_a_table_is_given_up(wide, lines, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(wide))
    table([("groq/one", "resting until the day is over")], ("MODEL", "STATE"), empty="none.")
    assert capsys.readouterr().out.splitlines() == lines


def test_of_nothing_the_reason_goes_to_standard_error(capsys):
    table([], ("MODEL",), empty="no model.")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "no model.\n")
