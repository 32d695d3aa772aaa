"""Conversations stay with their model; turns are taken; memory is bounded, and switchable."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import deployment, profile
from pipeline_world import AUTO, GOOD, OWNER, PAID, World, collect, world

from freeloader.core.model import Gates, Level
from freeloader.core.policy import combine
from freeloader.core.snapshot import Health
from freeloader.gateway.sessions import IDLE_S, KEPT, Sessions, conversation

A = deployment("a", "m", speed=8.0)
B = deployment("b", "m", speed=5.0)
QUICK = {B.id: Health(500, 1.0, 100.0, 50.0, 3_000.0)}


def turns(count: int, first: str = "Hello") -> dict[str, Any]:
    said = [{"role": "system", "content": "s"}, {"role": "user", "content": first}]
    for i in range(count - 1):
        said += [{"role": "assistant", "content": "Hi"}, {"role": "user", "content": f"and {i}?"}]
    return {"messages": said}


async def serve(house: World, **asked: Any) -> Any:
    run = house.begin(stream=True, **asked)
    await run.first(5)
    await collect(run)
    return run


def two() -> World:
    return world({A.id: [list(GOOD) for _ in range(4)], B.id: [list(GOOD) for _ in range(4)]}, A, B)


async def test_a_further_turn_goes_where_the_last_one_was() -> None:
    house = two()
    assert (await serve(house, payload=turns(1))).routing()["provider"] == "a"
    house.books.healths = QUICK  # now the other one would win
    run = await serve(house, payload=turns(2))
    assert run.routing()["provider"] == "a"
    assert "answered this conversation so far" in run.routing()["reason"]
    assert (await serve(house, payload=turns(2, "Else"))).routing()["provider"] == "b"
    # The same first question again is a new conversation, and decided anew.
    assert (await serve(house, payload=turns(1))).routing()["provider"] == "b"


async def test_it_leaves_when_a_gate_refuses_or_it_fails() -> None:
    house = two()
    await serve(house, payload=turns(1))
    house.books.healths = QUICK
    level = Level("request", gates=Gates(blocked_providers=frozenset({"a"})))
    assert (await serve(house, payload=turns(2), level=level)).routing()["provider"] == "b"
    # … and stays where it went.
    house.books.healths = {}
    assert (await serve(house, payload=turns(3))).routing()["provider"] == "b"


async def test_a_named_session_stays_whatever_is_said() -> None:
    house = two()
    await serve(house, session="s1", payload=turns(1))
    house.books.healths = QUICK
    assert (await serve(house, session="s1", payload=turns(1, "x"))).routing()["provider"] == "a"
    assert (await serve(house, session="s2", payload=turns(1, "x"))).routing()["provider"] == "b"


@pytest.mark.parametrize(
    ("strategy", "stays", "said"),
    [
        ("balanced", True, "it answered this conversation so far"),
        ("speed-first", True, "it answered this conversation so far"),
        ("cost-first", False, "p/m, which answered so far, would cost more"),
        ("quality-first", False, "p/m, which answered so far, is weaker (7 of 9)"),
        ("priority", False, "p/m, which answered so far, comes later in your order"),
        ("local-first", False, "p/m, which answered so far, is not local"),
    ],
)
async def test_a_conversation_stays_unless_the_strategy_is_about_what_staying_costs(
    strategy: str, stays: bool, said: str
) -> None:
    """Also where it is paid: it is left only for what its strategy promises, and that is said."""
    fields = {"tier": "paid", "price": PAID, "free": False, "speed": 5.0, "intelligence": 7.0}
    paid = deployment("p", "m", **fields)
    kind = "local" if strategy == "local-first" else "cloud"
    better = deployment("b", "m", kind=kind, intelligence=9.0, speed=9.0, priority=1)
    house = world({paid.id: [list(GOOD)] * 2, better.id: [list(GOOD)]}, paid, better)
    level = Level("request", strategy=strategy)
    house.books.full = frozenset({better.id})
    assert (await serve(house, level=level, payload=turns(1))).routing()["provider"] == "p"
    house.books.full = frozenset()
    told = (await serve(house, level=level, payload=turns(2))).routing()
    assert told["provider"] == ("p" if stays else "b")
    assert said in told["reason"]


async def test_local_first_takes_turns_over_the_others() -> None:
    every = [deployment(name, "m") for name in ("a", "b", "c")]
    house = world({d.id: [list(GOOD)] * 2 for d in every}, *every)
    level = Level("request", strategy="local-first")
    seen = [(await serve(house, level=level)).routing()["provider"] for _ in range(4)]
    assert seen == ["a", "b", "c", "a"]


def test_memory_is_bounded_fades_and_can_be_switched_off() -> None:
    sessions = Sessions()
    for i in range(KEPT + 10):
        sessions.keep(f"c{i}", "d", 0.0)
    assert sessions.find("c0", True, 1.0) is None
    assert sessions.find(f"c{KEPT}", True, 1.0) == "d"
    assert sessions.find(f"c{KEPT}", False, 1.0) is None
    assert sessions.find(f"c{KEPT}", True, IDLE_S + 1) is None
    sessions.keep("new", "d", IDLE_S + 1)
    assert len(sessions._last) == 1
    off = Sessions(lambda: False)
    off.keep("c", "d", 0.0)
    assert off.find("c", True, 0.0) is None


@pytest.mark.parametrize("change", ["key", "project", "strategy", "model", "text"])
def test_what_tells_conversations_apart(change: str) -> None:
    asked, policy = profile(payload=turns(2)), combine([])
    one, further = conversation(asked, OWNER, "p", policy, AUTO)
    assert further
    again = {
        "key": lambda: conversation(asked, replace(OWNER, key_id="o"), "p", policy, AUTO),
        "project": lambda: conversation(asked, OWNER, None, policy, AUTO),
        "strategy": lambda: conversation(
            asked, OWNER, "p", combine([Level("request", strategy="priority")]), AUTO
        ),
        "model": lambda: conversation(asked, OWNER, "p", policy, replace(AUTO, requested="x")),
        "text": lambda: conversation(profile(payload=turns(2, "?")), OWNER, "p", policy, AUTO),
    }[change]()
    assert again[0] != one
    assert conversation(profile(payload=turns(9)), OWNER, "p", policy, AUTO)[0] == one
