"""The instrument of ``bench yield``: its optimum bounds, its providers are exact, it repeats."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts" / "benches"))
import yield_week
from week import demand
from week.truth import Bucket

from freeloader.core.model import Limit

NOON = 1_803_254_400.0 + 12 * 3600  # Monday 2027-02-22


def test_nobody_beats_the_optimum_and_a_week_repeats() -> None:
    first = yield_week._week(("bursty", 1.0), 0.1, 1, True)
    assert first == yield_week._week(("bursty", 1.0), 0.1, 1, True)
    by = {row.player: row for row in first}
    assert set(yield_week.USUAL) < set(by)
    assert all(row.served <= 1 + 1e-9 and row.strong <= 1 + 1e-9 for row in first)
    # In two hours that begin with full quotas the others serve all, for fifty refusals in 1,000.
    assert all(by["ours"].served >= by[name].served - 0.005 for name in yield_week.USUAL)
    assert all(by[name].refusals > 20 for name in yield_week.USUAL)
    assert by["ours"].refusals <= yield_week.REFUSED
    assert by["ours"].strong >= 0.98


@pytest.mark.parametrize(
    ("limit", "waits"),
    [
        (Limit("requests", 2, "1h", "refill"), 1800.0),
        (Limit("requests", 2, "1h", "rolling"), 3600.0),
        (Limit("requests", 2, "1d", "calendar", timezone="America/Los_Angeles"), 20 * 3600.0),
        (Limit("requests", 2, "1h", "unknown"), 3600.0),
    ],
)
def test_the_providers_windows_are_exact(limit: Limit, waits: float) -> None:
    kind = "rolling" if limit.reset == "unknown" else limit.reset
    bucket = Bucket(limit, kind)
    for _ in range(2):
        assert bucket.wait(1.0, NOON) is None
        bucket.take(1.0, NOON)
    assert bucket.wait(1.0, NOON) == pytest.approx(waits)
    assert bucket.wait(1.0, NOON + waits - 1) is not None
    assert bucket.wait(1.0, NOON + waits) is None


@pytest.mark.parametrize("trace", demand.TRACES)
def test_a_trace_has_as_many_requests_as_were_asked_for(trace: str) -> None:
    found = demand.week(trace, 500, 1.0, 3)
    assert demand.counts(found)[0] == 500
    assert found == sorted(found)
    assert all(demand.START <= r.at <= demand.START + demand.DAY for r in found)
