"""R4: a budget that many race for is used up, and never passed."""

from __future__ import annotations

import pytest
from racing import race


@pytest.mark.parametrize("ratio", [3, 10, 20])
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_race_never_passes_the_limit_and_leaves_less_than_one_hold(
    ratio: int, seed: int
) -> None:
    found = await race(seed, ratio, 200)
    assert found.overspent == 0
    assert found.unused == 0
    assert found.busy > 0, "there was a race"
