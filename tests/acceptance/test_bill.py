"""Mixed requests: ledger and bill agree to the picodollar where the provider reported usage, and
where it did not the ledger has no less. `scripts/bench bill` makes 5,000 of them."""

from __future__ import annotations

from pathlib import Path

import billing
import killing
import pytest


def test_the_ledger_has_what_was_billed(tmp_path: Path) -> None:
    gold = killing.simulated(tmp_path)
    try:
        built = killing.house(tmp_path / "home", gold)
        toll = billing.run(built, gold, 250, seed=5, say=lambda _: None)
    finally:
        gold.stop()
    assert toll.sound(), toll
    assert toll.exact_calls > 150
    assert 200 < toll.answered <= 250
    assert toll.apart_charged >= toll.apart_billed > 0
    assert toll.exact + toll.apart_billed == toll.billed
    shown, saved = toll.analytics, toll.analytics["savings"]
    assert 200 < shown["totalRequests"] <= toll.billed_calls
    # Calls whose client left may still be on their way when it is asked.
    assert 0 < shown["totalCost"] * 1e12 <= toll.charged + 1
    for group in ("byProvider", "byModel", "byProject", "byTask"):
        cost = sum(row["cost"] for row in shown[group].values())
        assert cost == pytest.approx(shown["totalCost"]), group
    assert sum(row["cost"] for row in shown["series"]) == pytest.approx(shown["totalCost"])
    assert saved["saved"] == pytest.approx(saved["wouldHaveCost"] - shown["totalCost"])
    assert saved["premiumModel"].startswith(tuple("abcdefghijklmnopqrstuvwxyz"))
    assert any(row["p95"] for row in shown["series"])
