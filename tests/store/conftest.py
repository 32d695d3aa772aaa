"""A real store on a real disk, for every test of this room."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from store_kit import NOW, open_store

from freeloader.store import Store, opening
from freeloader.store.schema import JOURNAL, LEDGER


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both files, freshly made; tests copy them, which is faster than making them."""
    home = tmp_path_factory.mktemp("empty")
    opening.prepare(home / "freeloader.db", LEDGER)
    opening.prepare(home / "journal.db", JOURNAL)
    return home


@pytest.fixture
def home(tmp_path: Path, empty_home: Path) -> Path:
    shutil.copytree(empty_home, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
async def store(home: Path) -> AsyncIterator[Store]:
    """Open and booted."""
    opened = open_store(home)
    await opened.ledger.boot(NOW)
    yield opened
    await opened.close()


@pytest.fixture
def quick_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program's lock is a fault after 20 ms instead of 2 s."""
    monkeypatch.setattr(opening, "BUSY_MS", 20)
