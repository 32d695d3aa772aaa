"""`xswarm backup` and `doctor --repair` with the daemon stopped, and refused while it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freeloader.store import opening
from freeloader.store.schema import JOURNAL, LEDGER


@pytest.fixture
def files(home: Path) -> Path:
    for name, schema in (("freeloader.db", LEDGER), ("journal.db", JOURNAL)):
        opening.prepare(home / name, schema)
    return home


def test_copies_go_to_the_home_and_come_back(files: Path, xswarm: Callable[..., Any]) -> None:
    made = [Path(path) for path in xswarm("backup", "--json").json["copies"]]
    assert {path.parent for path in made} == {files / "backups"}
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    (files / "freeloader.db").write_bytes(b"ruined" * 999)
    done = xswarm("backup", "--restore", str(files / "backups"), "--json")
    assert done.code == 0
    assert done.json["doubt"] is not None, "nobody knows what was spent since"
    told = xswarm("doctor", "--json").json["findings"]
    assert any("not known for certain" in one["found"] for one in told)
    done = xswarm("doctor", "--repair", "--accept-loss")
    assert "paid calls are allowed again" in done.out, (done.code, done.err)
    assert "nothing to repair" in xswarm("doctor", "--repair").out


def test_nothing_to_copy_is_said(home: Path, xswarm: Callable[..., Any]) -> None:
    assert "no ledger" in xswarm("backup").err
    assert "no copy" in xswarm("backup", "--restore", str(home)).err


@pytest.mark.parametrize("words", [("backup", "--restore", "x"), ("doctor", "--repair")])
def test_a_running_daemon_keeps_its_files(
    daemon: Any, xswarm: Callable[..., Any], words: tuple[str, ...]
) -> None:
    done = xswarm(*words)
    assert (done.code, "xswarm stop" in done.err) == (1, True)


def test_a_loss_is_accepted_only_with_a_repair(home: Path, xswarm: Callable[..., Any]) -> None:
    assert xswarm("doctor", "--accept-loss").code == 2
