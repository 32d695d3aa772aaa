"""What is asked in a week: arrival times by trace, each with a need and a size. Seeded.

A need is the least intelligence that will do (0: any model). Of a request the router
knows its input and the client's bound of the output; what it comes to, only truth.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate
from math import cos, pi
from typing import NamedTuple

#: Monday 2027-02-22 00:00 UTC: a week in which a month ends, and no clock is changed.
START = 1_803_254_400.0
DAY = 86_400.0
NEEDS = (0.0, 5.0, 7.0, 8.5)
#: From this need on a request counts as one that needs a strong model.
STRONG = 7.0
#: Input and output tokens, small to large.
SIZES = ((150, 120), (600, 250), (2_400, 600))
#: What the client's ``max_tokens`` is to the output that comes.
BOUND = 2
TRACES = ("steady", "bursty", "day-night", "agent", "mixed")
_STEP = 60.0


class Request(NamedTuple):
    at: float
    need: float
    size: int


class Mix(NamedTuple):
    """Shares of the needs and of the sizes."""

    needs: tuple[float, ...]
    sizes: tuple[float, ...]


USUAL = Mix((0.62, 0.12, 0.19, 0.07), (0.50, 0.35, 0.15))
MIXED = Mix((0.40, 0.20, 0.30, 0.10), (0.50, 0.35, 0.15))
AGENT = Mix((0.75, 0.20, 0.04, 0.01), (0.20, 0.50, 0.30))


def week(trace: str, count: int, days: float, seed: int) -> list[Request]:
    """``count`` requests over ``days`` days, by time."""
    rng = random.Random(f"{trace} {seed}")
    if trace == "agent":
        agent = _drawn(_sprints(days, rng), count // 2, days, AGENT, rng)
        others = _drawn(_daily, count - count // 2, days, USUAL, rng)
        return sorted([*agent, *others])
    shape = {"steady": _flat, "day-night": _daily, "mixed": _daily}.get(trace) or _bursts(days, rng)
    return sorted(_drawn(shape, count, days, MIXED if trace == "mixed" else USUAL, rng))


def _drawn(
    shape: Callable[[float], float], count: int, days: float, mix: Mix, rng: random.Random
) -> list[Request]:
    """Times by the inverse of the summed shape, needs and sizes by their shares."""
    steps = int(days * DAY / _STEP)
    total = list(accumulate(shape(step * _STEP) for step in range(steps)))
    out = []
    for _ in range(count):
        step = bisect_left(total, rng.random() * total[-1])
        at = START + (step + rng.random()) * _STEP
        need = rng.choices(NEEDS, mix.needs)[0]
        out.append(Request(at, need, rng.choices(range(len(SIZES)), mix.sizes)[0]))
    return out


def _flat(_: float) -> float:
    return 1.0


def _daily(seconds: float) -> float:
    """Least at 03:00, most at 15:00 UTC, twenty to one."""
    return 1.0 - 0.905 * cos(2 * pi * (seconds / DAY - 0.125))


def _bursts(days: float, rng: random.Random) -> Callable[[float], float]:
    """A fifth of a steady stream; the rest in bursts of four to twelve minutes, 24 a day."""
    level = [1.0] * int(days * DAY / _STEP)
    for _ in range(int(24 * days)):
        start, length = rng.randrange(len(level)), rng.randrange(4, 13)
        for step in range(start, min(len(level), start + length)):
            level[step] += 30.0
    return lambda seconds: level[int(seconds / _STEP)]


def _sprints(days: float, rng: random.Random) -> Callable[[float], float]:
    """One heavy agent: four sprints of thirty minutes on each day, between 08:00 and 20:00."""
    level = [0.0] * int(days * DAY / _STEP)
    for day in range(max(1, int(days))):
        for hour in rng.sample(range(8, 20), 4):
            start = day * 1440 + hour * 60 + rng.randrange(30)
            for step in range(start, min(len(level), start + 30)):
                level[step] = 1.0
    return lambda seconds: level[int(seconds / _STEP)]


def counts(requests: Sequence[Request]) -> tuple[int, int]:
    """All, and those that need a strong model."""
    return len(requests), sum(request.need >= STRONG for request in requests)
