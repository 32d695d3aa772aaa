"""A sleep is noticed once, and a clock that only drifts is none."""

from __future__ import annotations

import pytest

from freeloader.app.waking import Waking
from freeloader.clock import Instant, slept


class Hands:
    def __init__(self) -> None:
        self.at = Instant(1_000.0, 10.0)

    def now(self) -> Instant:
        return self.at

    def move(self, wall: float, mono: float) -> None:
        self.at = Instant(self.at.wall + wall, self.at.mono + mono)


@pytest.mark.parametrize(
    ("wall", "mono", "away"),
    [(1, 1, 0), (3, 1, 0), (3600, 1, 3599), (-3600, 1, 0), (60, 60, 0), (1, 30, 0)],
)
def test_how_long(wall: float, mono: float, away: float) -> None:
    before = Instant(500.0, 5.0)
    assert slept(before, Instant(500.0 + wall, 5.0 + mono)) == away


def test_it_is_told_once() -> None:
    hands, told = Hands(), []
    waking = Waking(hands, lambda: told.append(hands.at))
    for wall, mono in ((1, 1), (1.2, 1), (7200, 1), (1, 1), (1, 1)):
        hands.move(wall, mono)
        waking.look()
    assert len(told) == 1
