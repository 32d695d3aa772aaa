"""`xswarm backup` and `doctor --repair` with the daemon stopped, and refused while it runs."""

from __future__ import annotations

import sys
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


def test_a_second_restore_at_once_does_not_write_over_what_the_first_one_kept(
    files: Path, xswarm: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both named what they put aside by the second: the original was gone."""
    module = sys.modules["freeloader.cli.commands.backup"]  # its name there is the command's
    monkeypatch.setattr(module, "stamp", lambda: "20261120T120000Z")
    assert xswarm("backup").code == 0
    copies = str(files / "backups")
    assert xswarm("backup", "--restore", copies).code == 0
    kept = files / "freeloader.db.before-restore-20261120T120000Z"
    kept.write_bytes(b"the original")
    ran = xswarm("backup", "--restore", copies)
    assert (ran.code, kept.read_bytes()) == (1, b"the original")
    assert "try again" in ran.err
    assert (files / "freeloader.db").exists(), "and what is there stays"
    assert not list(files.glob("*.part"))


@pytest.mark.parametrize(
    "words", [["--restore", ""], ["here", "--restore", "there"], ["--accept-loss"]]
)
def test_words_that_make_no_sense_together_change_nothing(
    files: Path, tmp_path: Path, xswarm: Callable[..., Any], monkeypatch: Any, words: list[str]
) -> None:
    """An empty COPY was the folder that the shell was in, and FOLDER was not looked at."""
    monkeypatch.chdir(tmp_path)
    before = sorted(files.rglob("*"))
    assert xswarm("backup", *words).code == 2
    assert sorted(files.rglob("*")) == before


def test_the_ledger_in_place_is_no_copy(files: Path, xswarm: Callable[..., Any]) -> None:
    ran = xswarm("backup", "--restore", str(files / "freeloader.db"))
    assert ran.code == 1
    assert "no copy of it" in ran.err
    assert not list(files.glob("*.before-restore-*"))


def test_nothing_to_copy_is_said(home: Path, xswarm: Callable[..., Any]) -> None:
    assert "no ledger" in xswarm("backup").err
    assert "no copy" in xswarm("backup", "--restore", str(home)).err


def test_a_place_that_takes_no_copies_is_named_with_another_way(
    files: Path, tmp_path: Path, xswarm: Callable[..., Any]
) -> None:
    """The ledger was blamed for it, or the home."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone" / "place")
    places = {"file": "no folder", "nowhere": "link to nothing", "file/in": "Not a directory"}
    for name, why in places.items():
        ran = xswarm("backup", str(tmp_path / name))
        assert ran.code == 1
        assert ran.err.count("\n") == 1
        assert why in ran.err
        assert str(tmp_path / name) in ran.err
        assert "xswarm backup FOLDER" in ran.err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_by_a_link_takes_them_and_keeps_what_is_in_it(
    files: Path, tmp_path: Path, xswarm: Callable[..., Any]
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert xswarm("backup", str(tmp_path / "link")).code == 0
    assert len(list((tmp_path / "there").glob("*.db"))) == 2
    assert (tmp_path / "there" / "mine").read_text() == "mine"


def test_no_folder_by_an_empty_name(
    files: Path, tmp_path: Path, xswarm: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`xswarm backup "$PLACE"` without PLACE put the copies where the shell was."""
    monkeypatch.chdir(tmp_path)
    assert xswarm("backup", "").code == 2


def test_a_copy_without_room_leaves_nothing_behind_and_blames_its_place(
    files: Path, tmp_path: Path, xswarm: Callable[..., Any]
) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        ran = xswarm("backup", str(tmp_path / "copies"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ran.code == 1
    assert str(tmp_path / "copies") in ran.err
    assert list((tmp_path / "copies").iterdir()) == []


@pytest.mark.parametrize("words", [("backup", "--restore", "x"), ("doctor", "--repair")])
def test_a_running_daemon_keeps_its_files(
    daemon: Any, xswarm: Callable[..., Any], words: tuple[str, ...]
) -> None:
    done = xswarm(*words)
    assert (done.code, "xswarm stop" in done.err) == (1, True)


def test_a_loss_is_accepted_only_with_a_repair(home: Path, xswarm: Callable[..., Any]) -> None:
    assert xswarm("doctor", "--accept-loss").code == 2
