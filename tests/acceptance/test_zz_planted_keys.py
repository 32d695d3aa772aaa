"""K1: after the whole run, no part of a planted key is where no key belongs. The last test."""

from __future__ import annotations

from pathlib import Path

import planted
import pytest
from farm import House, Simulator


def test_k1_no_planted_key_is_anywhere_after_the_whole_run(house: House) -> None:
    assert house.chat(model="gold/ingot", max_tokens=4)[0] == 200
    assert planted.planted
    assert house.daemon is not None
    planted.processes(house.daemon.pid)
    files = sum(planted.left_behind(home) for home in planted.homes)
    assert files > 5 * len([home for home in planted.homes if home.exists()]) > 0
    assert planted.seen == []


def test_k1_the_planted_keys_are_the_ones_in_use(house: House, simulator: Simulator) -> None:
    house.chat(model="gold/ingot", max_tokens=4)
    used = {row["key"] for row in simulator.requests()["requests"]}
    assert planted.plant("key-gold") in used


@pytest.mark.parametrize("part", [planted.MARK, planted.PARTS[3]])
def test_k1_a_key_that_lies_about_is_found(
    tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planted, "seen", [])
    home = tmp_path / "home"
    home.mkdir()
    (home / "freeloader.db-wal").write_bytes(b"\0\xff" + part.encode() + b"\0")
    assert planted.left_behind(home) == 1
    planted.heard("an answer", f'{{"key": "{part}"}}')
    assert [where.partition(": ")[0] for where in planted.seen] == [
        str(home / "freeloader.db-wal"),
        "an answer",
    ]
