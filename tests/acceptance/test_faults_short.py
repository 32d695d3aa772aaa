"""The short form of `scripts/bench faults`: real processes, one row of its table per test."""

from __future__ import annotations

import sys
from math import inf
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "benches"))
import faults
import faults_limits as limits
from faults_flapping import Flapped, flap
from faults_kit import LANE, holds, street

pytestmark = pytest.mark.timeout(240)


def _holds(rows: list[faults.Row]) -> None:
    assert rows
    assert all(row.ok for row in rows), faults.table(rows)


def test_s1_a_killed_child_fails_no_request_that_needs_none(tmp_path: Path) -> None:
    _holds(faults.killed(tmp_path, quick=True, seconds=11.0))


def test_s5_a_port_that_is_taken(tmp_path: Path) -> None:
    _holds(faults.taken(tmp_path, quick=True))


def test_s6_twenty_streams_are_drained_and_a_second_sigterm_does_not_wait(tmp_path: Path) -> None:
    _holds(faults.draining(tmp_path, quick=True))


def test_s7_without_file_descriptors_it_sheds_and_recovers(tmp_path: Path) -> None:
    _holds(limits.descriptors(tmp_path, quick=True))


def test_s7_without_memory_it_sheds_and_recovers(tmp_path: Path) -> None:
    _holds(limits.memory(tmp_path, quick=True))


def test_h9_a_crowd_is_answered_or_shed_and_the_owner_still_gets_in(tmp_path: Path) -> None:
    # How soon is the bench's business, on a machine of its own.
    _holds(limits.overload(tmp_path, quick=True, shed_s=inf))


def test_u4_a_provider_that_flaps_is_left_alone_at_once_and_for_good(tmp_path: Path) -> None:
    """Once it rests nobody tries it: rests that grow take minutes, and are the bench's."""

    def go_on(seen: Flapped) -> bool:
        return seen.answered_since < 25 and seen.answers.total() < 200

    with street(tmp_path, ("alpha", "beta"), environ={LANE: "direct"}) as (house, simulator):
        seen = flap(house, simulator, go_on)
        left = holds(house)
    assert (len(seen.rests), len(seen.changes)) == (1, 1)
    assert seen.asked == 0
    assert set(seen.answers) == {200}
    assert left == 0
