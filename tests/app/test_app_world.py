"""What exists is published when the child knows it: a new model waits, an old one never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from freeloader.app.world import World
from freeloader.books.books import Books
from freeloader.child.config import WARM_ENTRY, Entry
from freeloader.clock import SystemClock
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Account, Resolution
from freeloader.errors import Unavailable
from freeloader.secrets import SecretStore
from freeloader.settings import Home, load
from freeloader.store import Store

ANY = Resolution("auto", "auto")


class Child:
    """A keeper whose new child comes when the test says so."""

    def __init__(self) -> None:
        self.known: frozenset[str] = frozenset()
        self.wanted: tuple[Entry, ...] = ()
        self.configured: list[tuple[Entry, ...]] = []
        self.arrived = asyncio.Event()

    def configure(self, entries: Iterable[Entry]) -> None:
        self.wanted = tuple(entries)
        self.configured.append(self.wanted)

    def serves(self, entry: str) -> bool:
        return entry in self.known

    async def wait_settled(self, seconds: float) -> bool:
        await self.arrived.wait()
        return True

    def arrive(self) -> None:
        """The child with the wanted config serves now."""
        self.known = frozenset((WARM_ENTRY, *(entry.name for entry in self.wanted)))
        self.arrived.set()


class Ground:
    def __init__(self, world: World, books: Books, child: Child, store: Store) -> None:
        self.world, self.books, self.child, self.store = world, books, child, store

    async def add(self, account: Account) -> None:
        await self.store.ledger.put_account(account, 0.0)
        await self.world.refresh()

    async def remove(self, account: Account) -> None:
        await self.store.ledger.delete_account(account.provider, account.idx)
        await self.world.refresh()


GROQ = Account("groq", 1)
LOCAL = Account("ollama", 1, models=("llama3.1:8b",))


@pytest_asyncio.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    home = Home(tmp_path / "home").create()
    settings, clock = load(home, {"XSWARM_SECRETS__BACKEND": "file"}), SystemClock()
    store = Store.open(home.ledger, home.journal, clock)
    books, child = Books(store.ledger, clock, BudgetRules()), Child()
    secrets = SecretStore(home, "file")
    world = World(settings, home.registry, store.ledger, secrets, clock)
    world.attach(books, child)  # type: ignore[arg-type]
    await world.refresh()
    child.arrive()
    yield Ground(world, books, child, store)
    await world.close()
    await store.close()


def providers(books: Books) -> set[str]:
    return {deployment.provider.id for deployment in books.deployments.values()}


async def test_a_model_the_child_does_not_know_waits_and_the_others_serve_on(
    ground: Ground,
) -> None:
    await ground.add(GROQ)
    assert providers(ground.books) == {"groq"}, "the registry's own models need no new child"
    ground.child.arrived.clear()
    await ground.add(LOCAL)
    assert providers(ground.books) == {"groq"}
    local = next(d for d in ground.world.deployments if d.provider.id == "ollama")
    wanted = Resolution("named", "ollama/llama3.1:8b", frozenset({local.id}))
    with pytest.raises(Unavailable) as told:
        await ground.world.served(wanted, 0.01)
    assert told.value.code == "starting"
    await ground.world.served(ANY, 0.01)  # somebody serves: nothing to wait for

    waiting = asyncio.create_task(ground.world.served(wanted, 5))
    await asyncio.sleep(0)
    assert not waiting.done()
    ground.child.arrive()
    await waiting
    assert providers(ground.books) == {"groq", "ollama"}


async def test_the_simulator_goes_and_comes_back_where_it_was_without_a_new_child(
    ground: Ground,
) -> None:
    before: Any = ground.world.simulation.url
    assert before is not None
    pretend = providers(ground.books)
    assert pretend
    await ground.add(GROQ)
    assert ground.world.simulation.url is None
    await ground.remove(GROQ)
    assert ground.world.simulation.url == before
    assert providers(ground.books) == pretend
    assert len(set(ground.child.configured)) == 1
