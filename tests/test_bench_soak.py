"""S8: the soak's verdict tells growth from noise, and from what comes and goes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts" / "benches"))
soak = importlib.import_module("soak")


def series(values: list[float]) -> object:
    found = soak.Series()
    for at, value in enumerate(values):
        found.note(15.0 * at, value)
    return found


@pytest.mark.parametrize("slope", [0.0, 0.02, -0.01])
def test_s8_growth_is_the_slope_whatever_the_noise_and_a_few_wild_looks(slope: float) -> None:
    random = Random(5)
    values = [100 + slope * 15 * n + random.gauss(0, 0.3) for n in range(120)]
    for wild in (50, 71, 90, 118):
        values[wild] += 40
    grown = series(values).growth(600.0)
    assert grown == pytest.approx(slope * (119 * 15 - 600), abs=0.5)


def test_s8_warming_up_is_not_growth_and_a_leak_is() -> None:
    warm = [min(100.0, 40 + 3.0 * n) for n in range(120)]
    assert series(warm).growth(600.0) == pytest.approx(0.0)
    leak = [100 + 0.2 * n for n in range(120)]  # 48 MB an hour
    assert series(leak).growth(600.0) > soak.ALLOWED["daemon MB"]
