"""Medians, ratios and bootstrap intervals for paired measurements. Numbers only."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from statistics import median

RESAMPLES = 1000


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def interval(
    values: Sequence[float], of: Callable[[Sequence[float]], float] = median, seed: int = 1
) -> tuple[float, float, float]:
    """(estimate, low, high): a 95 % bootstrap interval."""
    rng = random.Random(seed)
    draws = sorted(of(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return of(values), draws[int(0.025 * RESAMPLES)], draws[int(0.975 * RESAMPLES)]


def shown(estimate: tuple[float, float, float], unit: str = "", digits: int = 3) -> str:
    """``0.412 [0.395, 0.431] ms``."""
    middle, low, high = (f"{value:.{digits}f}" for value in estimate)
    return f"{middle} [{low}, {high}]{' ' + unit if unit else ''}"
