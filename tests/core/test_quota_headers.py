"""What a provider says of a window in its headers, against what we counted."""

from __future__ import annotations

import pytest
from quota_shapes import NOW, fill, window

from freeloader.core import quota

# ── headers ──────────────────────────────────────────────────────────────────


def test_a_header_raises_the_count_at_any_time() -> None:
    day = window(100, "1d", "calendar")
    held = quota.reserve(day, 1, NOW)
    quota.observe(day, 60, NOW, None, counted=True)
    assert day.counter.used(NOW) == 60
    quota.settle(day, held, 1, NOW)
    quota.observe(day, 61, NOW, held, counted=True)
    assert day.counter.used(NOW) == 61


@pytest.mark.parametrize("reset", ["refill", "rolling", "calendar", "unknown"])
def test_a_refused_call_that_is_not_counted_is_not_taken_off(reset: str) -> None:
    day = window(100, "1d", reset)
    held = quota.reserve(day, 1, NOW)
    quota.release(day, held, NOW, sent=True)
    quota.observe(day, 100, NOW, held, counted=False)
    assert quota.fits(day, 1, NOW) is not None


def test_a_sliding_window_tells_our_own_calls_from_those_of_others() -> None:
    day = window(100, "1d", "rolling")
    fill(day, 10, NOW - 7200)
    for used in (11, 15, 17):  # three and then one more call by somebody else
        held = quota.reserve(day, 1, NOW)
        quota.settle(day, held, 1, NOW)
        quota.observe(day, used, NOW, held, counted=True)
        assert day.counter.used(NOW) >= used
    assert day.counter.used(NOW) <= 17 + 2  # calls of this very slice may count twice for a while


def test_a_header_lowers_the_count_only_if_nothing_was_sent_since() -> None:
    day = window(100, "1d", "calendar")
    fill(day, 50)
    quota.observe(day, 10, NOW - 1, None, counted=True)
    assert day.counter.used(NOW) == 50
    first = quota.reserve(day, 1, NOW)
    second = quota.reserve(day, 1, NOW)
    quota.settle(day, first, 1, NOW)
    quota.observe(day, 10, NOW, first, counted=True)
    assert day.counter.used(NOW) == 51
    quota.settle(day, second, 1, NOW)
    quota.observe(day, 11, NOW, second, counted=True)
    assert day.counter.used(NOW) == 12  # 11 with the second; the first may have come after it


@pytest.mark.parametrize("reset", ["calendar", "rolling", "refill", "unknown"])
def test_an_older_calls_header_does_not_take_back_what_was_said_since(reset: str) -> None:
    """The call was admitted, then others used the key, then its answer ended."""
    day = window(100, "1d", reset)
    mine = quota.reserve(day, 1, NOW)
    quota.observe(day, 60, NOW + 5, None, counted=True)
    quota.settle(day, mine, 1, NOW + 9)
    quota.observe(day, 1, NOW + 9, mine, counted=True)
    assert day.counter.used(NOW + 9) >= 60 - 0.1
    later = quota.reserve(day, 1, NOW + 10)
    quota.settle(day, later, 1, NOW + 11)
    quota.observe(day, 20, NOW + 11, later, counted=True)
    assert day.counter.used(NOW + 11) <= 21


def test_the_providers_own_limit_counts_but_never_above_the_owners() -> None:
    day = window(100, "1d", "calendar")
    assert quota.learn_amount(day, 1000, NOW, pinned=False)
    assert day.amount == 1000
    mine = window(100, "1d", "calendar")
    assert not quota.learn_amount(mine, 1000, NOW, pinned=True)
    assert quota.learn_amount(mine, 50, NOW, pinned=True)
    assert mine.amount == 50
