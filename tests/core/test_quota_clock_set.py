"""A wall clock that is set, by whatever and as often as one likes, makes no quota, for a day."""

from __future__ import annotations

from datetime import datetime
from math import floor
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core import quota
from freeloader.core.model import Limit

NOW = datetime(2026, 11, 20, 12, tzinfo=ZoneInfo("UTC")).timestamp()
HOUR, DAY = 3600.0, 86_400.0
KINDS = ["refill", "rolling", "calendar", "unknown"]


class Provider:
    """Counts by the true time, however the clocks here are."""

    def __init__(self, reset: str, amount: float) -> None:
        self.reset, self.rate = reset, amount / DAY
        self.calls: list[tuple[float, int]] = []
        self.level, self.at = 0.0, NOW

    def use(self, much: int, at: float) -> None:
        self.level, self.at = self.used(at) if self.reset == "refill" else 0.0, at
        self.level += much
        self.calls.append((at, much))

    def used(self, at: float) -> float:
        if self.reset == "refill":
            return max(0.0, self.level - (at - self.at) * self.rate)
        since = floor(at / DAY) * DAY - 1e-9 if self.reset == "calendar" else at - DAY
        return sum(much for when, much in self.calls if when > since)


_OFF = [hours * HOUR for hours in (0, 1, -1, 11, 13, -13, 960, -960)]
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("go"), st.floats(0.0, 5 * HOUR)),
        st.tuples(st.just("set"), st.sampled_from(_OFF) | st.floats(-3 * DAY, 3 * DAY)),
        st.tuples(st.just("use"), st.integers(1, 20)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), _STEPS, st.booleans())
def test_a_clock_set_to_and_fro_makes_no_quota(
    reset: str, steps: list[tuple[str, float]], asked: bool
) -> None:
    """``asked``: by the new time, before anybody noticed that the clock was set."""
    limit = Limit("requests", 100, "1d", reset)
    window, provider = quota.window_for(limit, "k", NOW), Provider(reset, 100)
    time, off = NOW, 0.0
    for what, much in steps:
        if what == "go":
            time += min(much, NOW + DAY - 1 - time)  # longer, and the clock is believed
        elif what == "set":
            step, off = much - off, much
            if asked:
                quota.fits(window, 1, time + off)
            quota.clock_set(window, step, time + off)
        elif what == "use":
            held = quota.reserve(window, int(much), time + off)
            quota.settle(window, held, int(much), time + off)
            provider.use(int(much), time)
        elif off >= 0:  # a restart has only the wall clock; what it knows is not lost
            state, window = quota.dump(window), quota.window_for(limit, "k", time + off)
            quota.restore(window, state, time + off)
        assert window.counter.used(time + off) >= provider.used(time) - 1e-6


@pytest.mark.parametrize("reset", KINDS)
@pytest.mark.parametrize("step", [30.0, 5 * HOUR, 13 * HOUR, 400 * DAY])
def test_a_refusals_pause_is_no_shorter_for_a_clock_set_forward(reset: str, step: float) -> None:
    window = quota.window_for(Limit("requests", 100, "1d", reset), "k", NOW)
    quota.exhaust(window, NOW + 600, NOW)
    quota.fits(window, 1, NOW + 10 + step)  # asked before anybody noticed
    quota.clock_set(window, step, NOW + 10 + step)
    until = quota.fits(window, 1, NOW + 11 + step)
    assert until is not None
    assert until >= NOW + step + 600
    quota.clock_set(window, -step, NOW + 12)
    assert quota.fits(window, 1, NOW + 13) is not None


def test_a_clock_that_was_put_right_is_believed_after_a_day() -> None:
    """It was an hour slow when the machine was started: resets come an hour late, for a day."""
    window = quota.window_for(Limit("requests", 5, "1d", "calendar"), "k", NOW)
    quota.clock_set(window, HOUR, NOW)
    quota.settle(window, quota.reserve(window, 5, NOW), 5, NOW)
    midnight = NOW + 12 * HOUR
    assert quota.fits(window, 1, NOW) == midnight + HOUR
    assert quota.fits(window, 1, midnight + 1) == midnight + HOUR
    assert quota.fits(window, 1, midnight + HOUR + 1) is None
    later = midnight + 20 * HOUR
    quota.settle(window, quota.reserve(window, 5, later), 5, later)
    assert quota.fits(window, 1, later) == midnight + 24 * HOUR
    assert quota.fits(window, 1, midnight + 24 * HOUR) is None
