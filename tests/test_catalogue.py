"""Every id of the catalogue of faults has a test of its name, and no test an id that is none."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts" / "benches"))
import catalogue

#: Ids of the other half, on money and durability; `scripts/bench crash` and its like show them.
MONEYS = {f"r{number}" for number in range(1, 16)}


def test_every_id_is_the_name_of_a_test() -> None:
    found = set(catalogue.tests())
    assert set(catalogue.FAULTS) - found == set()
    assert {name for name in found if name[0] in "rsuhk"} <= {*catalogue.FAULTS, *MONEYS}


def test_the_table_tells_what_is_missing() -> None:
    assert "MISSING" not in catalogue.table()
    assert len(catalogue.table().splitlines()) == len(catalogue.FAULTS) + 3
