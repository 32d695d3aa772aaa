"""Ten kills of a daemon under load, six at named places: the bill is in the ledger, and once."""

from __future__ import annotations

from pathlib import Path

import killing
import pytest

from freeloader.app.failpoints import NAMES, failpoint
from freeloader.errors import ConfigError


def test_killed_under_load_nothing_is_lost_and_nothing_counted_twice(tmp_path: Path) -> None:
    gold = killing.simulated(tmp_path)
    try:
        built = killing.house(tmp_path / "home", gold)
        toll = killing.rounds(built, gold, 10, seed=1, places=NAMES)
    finally:
        gold.stop()
    assert toll.sound(), toll
    assert toll.billed_calls > 30
    assert toll.died_at_place > 0
    assert toll.shown == toll.expired > 0, "what a crash left open is charged, and shown as such"


@pytest.mark.parametrize("text", ["nowhere", "hold:x", "hold:-1", ":3"])
def test_a_place_that_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="XSWARM_FAILPOINT"):
        failpoint({"XSWARM_FAILPOINT": text})


def test_nothing_is_wrapped_where_none_is_named() -> None:
    assert failpoint({}) is None
    assert failpoint({"XSWARM_FAILPOINT": " "}) is None
