"""Estimates: monotone, the upper one never below the expected one, and above real counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from freeloader.core.tokens import expected_tokens, upper_tokens

sizes = st.integers(0, 10**8)
images = st.integers(0, 100)


@given(sizes, images)
def test_upper_is_never_below_expected(size: int, count: int) -> None:
    assert upper_tokens(size, count) >= expected_tokens(size, count) > 0


@given(sizes, sizes, images)
def test_more_text_is_never_fewer_tokens(a: int, b: int, count: int) -> None:
    low, high = sorted((a, b))
    assert upper_tokens(low, count) <= upper_tokens(high, count)
    assert expected_tokens(low, count) <= expected_tokens(high, count)
