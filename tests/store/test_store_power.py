"""Twenty power cuts: what was acknowledged is there, once; `scripts/bench crash` makes 500."""

from __future__ import annotations

from pathlib import Path

import power
import pytest


async def test_no_power_cut_takes_back_what_was_acknowledged(home: Path, tmp_path: Path) -> None:
    run = power.recorded(home, 60, tmp_path / "log")
    if run is None:
        pytest.skip("SQLite is no shared library of this Python: nothing can be recorded")
    before, log = run
    assert sum(entry[0] == "s" for entry in log) > 20, "nothing was ever synced"
    cuts = await power.cut(before, log, 20, seed=3)
    assert cuts.lost == []
    assert cuts.acknowledged > 100


async def test_a_ledger_that_did_not_sync_would_be_found_out(home: Path, tmp_path: Path) -> None:
    run = power.recorded(home, 60, tmp_path / "log")
    if run is None:
        pytest.skip("SQLite is no shared library of this Python: nothing can be recorded")
    before, log = run
    unsafe = [entry for entry in log if not (entry[0] == "s" and entry[1].endswith("-wal"))]
    cuts = await power.cut(before, unsafe, 20, seed=3)
    assert cuts.lost != [], "the test would not notice a lost write"
