"""The law of the ledger: in any order of events, spent + held is what a plain model says,
and never less than what was billed."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from store_kit import NOW, hold, open_store, usage

from freeloader.errors import Conflict
from freeloader.store import Store

names = st.sampled_from("abcd")
amounts = st.integers(0, 2000)
events = st.one_of(
    st.tuples(st.just("hold"), names, amounts),
    st.tuples(st.just("settle"), names, amounts),
    st.tuples(st.just("release"), names, st.just(0)),
    st.tuples(st.just("boot"), st.just(""), st.just(0)),
    st.tuples(st.just("reopen"), st.just(""), st.just(0)),
)


@dataclass
class Model:
    """What should be true: per hold its state and charge; ``billed`` is the first word on each."""

    state: dict[str, str] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=dict)
    billed: dict[str, int] = field(default_factory=dict)

    def apply(self, what: str, name: str, amount: int) -> None:
        state = self.state.get(name)
        if what == "hold" and state is None:
            self.state[name], self.held[name] = "held", amount
        elif what == "settle" and state != "settled":
            self.billed.setdefault(name, amount)
            self.held.pop(name, None)
            if state == "expired":
                self.charged[name] = max(self.charged[name], amount)
            else:
                self.state[name], self.charged[name] = "settled", amount
        elif what == "release" and state == "held":
            self.state[name] = "released"
            del self.held[name]
        elif what == "boot":
            for dead, worth in self.held.items():
                self.state[dead], self.charged[dead] = "expired", worth
            self.held.clear()


async def act(store: Store, model: Model, what: str, name: str, amount: int) -> None:
    """Do it twice: every event but a boot must be the same done once or twice."""
    for _ in range(2):
        if what == "hold" and model.state.get(name) in (None, "held"):
            try:
                await store.ledger.hold([hold(name, amount)])
            except Conflict:
                assert name in model.state
        elif what == "settle":
            await store.ledger.settle(f"h-{name}", usage(name), amount, "reported", NOW)
        elif what == "release":
            await store.ledger.release(f"h-{name}", NOW)
        elif what == "boot":
            await store.ledger.boot(NOW)
        model.apply(what, name, amount)


async def play(home: Path, script: list[tuple[str, str, int]]) -> None:
    store, model = open_store(home), Model()
    await store.ledger.boot(NOW)
    for what, name, amount in script:
        if what == "reopen":
            await store.close()
            store = open_store(home)
            await store.ledger.boot(NOW)
            model.apply("boot", "", 0)
        else:
            await act(store, model, what, name, amount)
        spent = await store.ledger.spent(NOW, NOW + 900)
        held = sum(row.amount_pico for row in await store.ledger.open_holds())
        assert spent == sum(model.charged.values())
        assert held == sum(model.held.values())
        assert spent + held >= sum(model.billed.values())
    await store.close()


@given(script=st.lists(events, max_size=14))
@settings(max_examples=60, deadline=None)
def test_any_order_of_events_adds_up(script: list[tuple[str, str, int]], empty_home: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        shutil.copytree(empty_home, home)
        asyncio.run(play(home, script))
