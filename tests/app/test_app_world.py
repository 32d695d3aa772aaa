"""What exists is published when the child knows it: a new model waits, an old one never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from freeloader.app.world import World
from freeloader.books.books import Books
from freeloader.child.config import WARM, Entry, wire_name
from freeloader.clock import SystemClock
from freeloader.core.budget import BudgetRules
from freeloader.core.events import Answer
from freeloader.core.model import Account, Resolution, Verdict
from freeloader.core.outcome import ENTRY_REFUSED, classify
from freeloader.errors import Unavailable
from freeloader.gateway.lanes.direct.lane import DirectLane
from freeloader.secrets import SecretStore
from freeloader.settings import Home, load
from freeloader.store import Store

ANY = Resolution("auto", "auto")


class Child:
    """A keeper whose new child comes when the test says so."""

    def __init__(self) -> None:
        self.known: dict[str, Entry] = {}
        self.switched: Any = None
        self.wanted: tuple[Entry, ...] = ()
        self.configured: list[tuple[Entry, ...]] = []
        self.arrived = asyncio.Event()

    def configure(self, entries: Iterable[Entry]) -> None:
        self.wanted = tuple(entries)
        self.configured.append(self.wanted)

    def on_switch(self, tell: Any) -> None:
        self.switched = tell

    def serves(self, entry: str) -> bool:
        return wire_name(entry) in self.known

    def served(self) -> dict[str, Entry]:
        return self.known

    async def wait_settled(self, seconds: float) -> bool:
        await self.arrived.wait()
        return True

    def arrive(self) -> None:
        """The child with the wanted config serves now."""
        self.known = {wire_name(entry.name): entry for entry in (WARM, *self.wanted)}
        self.switched()
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
        await ground.world.published.served(wanted, 0.01)
    assert told.value.code == "starting"
    await ground.world.published.served(ANY, 0.01)  # somebody serves: nothing to wait for

    waiting = asyncio.create_task(ground.world.published.served(wanted, 5))
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


async def test_the_first_account_is_there_when_the_child_knows_it_and_until_then_the_simulator(
    ground: Ground,
) -> None:
    pretend = providers(ground.books)
    ground.child.arrived.clear()
    adding = asyncio.create_task(ground.add(LOCAL))
    while len(ground.child.configured) < 2:
        await asyncio.sleep(0)
    assert providers(ground.books) == pretend, "nobody waits and nobody is refused"
    assert not adding.done()
    ground.child.arrive()
    await adding
    assert providers(ground.books) == {"ollama"}
    assert ground.world.simulation.url is None


async def test_what_was_removed_stays_in_the_child_and_needs_no_new_one_when_it_returns(
    ground: Ground,
) -> None:
    await ground.add(GROQ)
    await ground.add(LOCAL)
    ground.child.arrive()
    before = ground.child.wanted
    await ground.remove(LOCAL)
    assert ground.child.wanted == before
    assert providers(ground.books) == {"groq"}
    await ground.add(LOCAL)
    assert ground.child.wanted == before
    assert providers(ground.books) == {"groq", "ollama"}


async def test_each_switch_publishes_what_the_new_child_knows_and_no_more(ground: Ground) -> None:
    await ground.add(GROQ)
    ground.child.arrived.clear()
    await ground.add(LOCAL)
    coming = ground.child.wanted
    other = Account("lm_studio", 1, models=("llama-3.1-8b",))
    await ground.add(other)
    ground.child.wanted, newest = coming, ground.child.wanted
    ground.child.known = {wire_name(e.name): e for e in (WARM, *coming)}
    ground.child.switched()
    assert providers(ground.books) == {"groq", "ollama"}, "the first of two children"
    ground.child.wanted = newest
    ground.child.arrive()
    assert providers(ground.books) == {"groq", "ollama", "lm_studio"}


async def test_a_model_that_no_child_will_know_is_waited_for_no_longer(ground: Ground) -> None:
    await ground.add(GROQ)
    ground.child.arrived.clear()
    await ground.add(LOCAL)
    local = next(d for d in ground.world.deployments if d.provider.id == "ollama")
    wanted = Resolution("named", "ollama/llama3.1:8b", frozenset({local.id}))
    waiting = asyncio.create_task(ground.world.published.served(wanted, 60))
    await asyncio.sleep(0)
    ground.child.arrived.set()  # it settled on the old config: the new one was refused
    await waiting
    assert providers(ground.books) == {"groq"}


async def test_a_simulator_that_had_to_move_is_unknown_to_the_child(ground: Ground) -> None:
    known = ground.child.known
    moved = {n: e if e == WARM else replace(e, api_base="http://127.0.0.1:9/v1") for n, e in
             known.items()}  # fmt: skip
    ground.child.known = moved
    ground.child.arrived.clear()
    await ground.world.refresh()
    assert providers(ground.books) == set(), "nobody answers where it was"
    ground.child.arrive()
    assert providers(ground.books)


async def test_two_readings_at_once_leave_the_later_ones_files_in_force(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first sees what waits before the second does, and is done after it."""
    views = iter(((20, ()), (0, ({"groq": None},))))

    async def cautions() -> Any:
        turns, seen = next(views)
        for _ in range(turns):
            await asyncio.sleep(0)
        return seen

    async def at_once(work: Any, *given: Any) -> Any:
        return work(*given)

    monkeypatch.setattr(asyncio, "to_thread", at_once)
    ground.world.attach(ground.books, ground.child, cautions)  # type: ignore[arg-type]
    await asyncio.gather(ground.world.reread(), ground.world.reread())
    assert "groq" not in ground.world.catalog.providers


@pytest.mark.parametrize("mended", [False, True])
async def test_what_a_child_left_out_rests_no_longer_than_until_a_child_with_another_list(
    ground: Ground, mended: bool
) -> None:
    await ground.add(LOCAL)
    ground.child.arrive()
    local = next(d for d in ground.world.deployments if d.provider.id == "ollama")
    answer = Answer(None, body="left out", error_class=ENTRY_REFUSED, lane_fault=True)
    now = SystemClock().now()
    ground.books.record(local, classify(answer, (), (), now.wall), 1, None, 0, now)
    await ground.world.refresh()
    assert ground.books.paused(local, now.wall) is not None, "the child is still the former"
    if mended:
        name = wire_name(local.entry)
        ground.child.wanted = tuple(
            replace(entry, api_base="http://127.0.0.1:9/v1")
            if wire_name(entry.name) == name else entry
            for entry in ground.child.wanted
        )  # fmt: skip
    ground.child.arrive()
    assert (ground.books.paused(local, now.wall) is None) == mended


# ── what can be spoken to without a child ────────────────────────────────────

GEMINI = Account("gemini", 1)


@pytest_asyncio.fixture
async def spoken(tmp_path: Path) -> AsyncIterator[Ground]:
    home = Home(tmp_path / "home").create()
    settings, clock = load(home, {"XSWARM_SECRETS__BACKEND": "file"}), SystemClock()
    store = Store.open(home.ledger, home.journal, clock)
    books, child = Books(store.ledger, clock, BudgetRules()), Child()
    secrets = SecretStore(home, "file")
    world = World(settings, home.registry, store.ledger, secrets, clock, DirectLane.takes)
    world.attach(books, child)  # type: ignore[arg-type]
    await world.refresh()
    yield Ground(world, books, child, store)
    await world.close()
    await store.close()


async def test_what_speaks_openais_wire_is_there_before_any_child(spoken: Ground) -> None:
    world = spoken.world
    assert world.published.speaks
    assert world.published.spoken(ANY)
    await spoken.add(GROQ)
    await spoken.add(GEMINI)
    assert providers(spoken.books) == {"groq", "gemini"}
    alone = {
        name.split("@")[0] for name in world.published.child_only(Verdict("lane", "starting", "x"))
    }
    assert alone == {"gemini"}
    gemini = frozenset(d.id for d in world.deployments if d.provider.id == "gemini")
    assert not world.published.spoken(Resolution("named", "gemini", gemini))
    assert not any(world.published.child_knows(d) for d in world.deployments)
    spoken.child.arrive()
    assert all(world.published.child_knows(d) for d in world.deployments)


async def test_a_child_that_does_not_know_a_new_model_keeps_nobody_waiting(
    spoken: Ground,
) -> None:
    await spoken.add(GROQ)
    spoken.child.arrive()
    spoken.child.arrived.clear()
    await spoken.add(LOCAL)
    assert providers(spoken.books) == {"groq", "ollama"}
    local = next(d for d in spoken.world.deployments if d.provider.id == "ollama")
    assert not spoken.world.published.child_knows(local)
    await spoken.world.published.served(Resolution("named", "x", frozenset({local.id})), 0.01)


async def test_a_provider_that_moved_is_called_where_it_is_now(spoken: Ground) -> None:
    await spoken.add(Account("lm_studio", 1, endpoint="http://127.0.0.1:5/v1", models=("a-7b",)))
    spoken.child.arrive()
    (before,) = spoken.world.deployments
    assert spoken.world.published.child_knows(before)
    entry = spoken.child.known[wire_name(before.entry)]
    spoken.child.known = {wire_name(before.entry): replace(entry, api_base="http://127.0.0.1:6/v1")}
    assert not spoken.world.published.child_knows(before)
