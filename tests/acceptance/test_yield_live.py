"""Free quotas under demand near their capacity, in real time: ``bench yield --live`` in short.

Not the bench's numbers (those are for a quiet machine, over two minutes): nearly all are
served, providers refuse next to nothing, and who needs a strong model gets one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from farm import running

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "benches"))
import yield_live

pytestmark = pytest.mark.timeout(180)


def test_demand_near_capacity_is_served_without_refusals(tmp_path: Path) -> None:
    simulator = yield_live.simulate(tmp_path)
    try:
        house = yield_live.furnish(tmp_path / "home", simulator)
        with running(house):
            seen = yield_live.measure(house, simulator, 10.0, 0.93 * yield_live.CAPACITY)
            windows = house.get("/v1/free-tiers")
    finally:
        simulator.stop()
    assert seen.asked > 20
    assert seen.served >= 0.95, seen.problems
    assert seen.refusals <= 0.03
    assert seen.strong >= seen.needy - len(seen.problems)
    assert windows
