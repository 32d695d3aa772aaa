"""The waiting room over real books: woken by what comes free, in turn, and left in time."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
sys.path.insert(0, str(Path(__file__).parents[1] / "books"))
from fake_ledger import FakeLedger
from houses import deployment

from freeloader.books.books import Books
from freeloader.clock import Instant
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Deployment, Limit, Policy, Verdict
from freeloader.gateway.waiting import Room, Turn
from freeloader.money import Meters, Price

ONE = Meters(requests=1, input=100, output=50)


class Clock:
    def __init__(self) -> None:
        self.at = Instant(1_790_000_000.0, 100.0)

    def now(self) -> Instant:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at = Instant(self.at.wall + seconds, self.at.mono + seconds)


def limited(*limits: Limit, **fields: Any) -> Deployment:
    made = deployment(**fields)
    return replace(made, account=replace(made.account, limits=limits))


class House:
    """Books with one deployment, a room, and requests that try as a run does."""

    def __init__(self, what: Deployment, rules: BudgetRules | None = None) -> None:
        self.clock = Clock()
        self.books = Books(FakeLedger(), self.clock, rules or BudgetRules())
        self.books.set_deployments([what])
        self.room = Room(spread=lambda: 1.0)
        self.books.watch(self.room.changed)
        self.what = what
        self.holds: list[Any] = []
        self.served: list[str] = []
        self.count = 0
        self.kinds = False  # whether each asks a question of its own

    async def request(
        self, name: str, project: str | None = None, needs: Meters = ONE, patience: float = 60.0
    ) -> bool:
        now = self.clock.now()
        kind = ("auto", name if self.kinds else "")
        turn = Turn(self.room, project, kind, needs, now.mono + patience)
        self.count += 1
        attempt = f"{name}.{self.count}"
        try:
            while True:
                now = self.clock.now()
                view = turn.view(self.books)
                cost = self.what.model.price.ceiling(needs) if self.what.billable else 0  # type: ignore[union-attr]
                verdict = view.quota(self.what, needs, now.wall) or view.budget(
                    self.what, cost, project, Policy(), now.wall, "k"
                )
                if verdict is None:
                    turn.taken()
                    held = await self.books.reserve(
                        attempt, name, self.what, needs, project, "k", Policy(), now
                    )
                    if isinstance(held, Verdict):
                        turn.lost()
                        continue
                    self.holds.append(held)
                    self.served.append(name)
                    return True
                claims = self.books.claims(self.what, needs, now.wall)
                wait = (verdict.until or now.wall) - now.wall
                if now.mono + wait > turn.patience or not await turn.wait(claims, wait, now.mono):
                    return False
        finally:
            turn.end()

    async def release_one(self) -> None:
        await self.books.release(self.holds.pop(0), self.clock.now(), sent=False)
        await self.settled()

    async def settled(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


RUNNING = Limit("concurrency", 1, "once", "unknown", "account")


async def test_a_release_calls_the_next_in_turn_and_projects_alternate() -> None:
    house = House(limited(RUNNING))
    assert await house.request("first")
    tasks = [
        asyncio.create_task(house.request(name, project))
        for name, project in (("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"))
    ]
    await house.settled()
    assert len(house.room) == 4
    for _ in range(4):
        await house.release_one()
    assert house.served == ["first", "a1", "b1", "a2", "a3"]
    assert all([await task for task in tasks])
    assert len(house.room) == 0


async def test_a_newcomer_does_not_overtake() -> None:
    """The large one waits for the window; the small one, which would fit, comes behind it."""
    house = House(limited(Limit("tokens", 1000, "1m", "refill", "account")))
    assert await house.request("half", needs=Meters(requests=1, input=600))
    large = asyncio.create_task(house.request("large", needs=Meters(requests=1, input=900)))
    await house.settled()
    small = asyncio.create_task(house.request("small", needs=Meters(requests=1, input=100)))
    await house.settled()
    assert house.served == ["half"]
    assert len(house.room) == 2
    await house.release_one()
    assert house.served == ["half", "large", "small"]
    assert await large
    assert await small


async def test_who_leaves_is_gone_and_its_claim_with_it() -> None:
    house = House(limited(Limit("tokens", 1000, "1m", "refill", "account")))
    assert await house.request("half", needs=Meters(requests=1, input=600))
    large = asyncio.create_task(house.request("large", needs=Meters(requests=1, input=900)))
    await house.settled()
    small = asyncio.create_task(house.request("small", needs=Meters(requests=1, input=100)))
    await house.settled()
    large.cancel()
    await house.settled()
    assert house.served == ["half", "small"]
    assert await small
    assert len(house.room) == 0


async def test_what_does_not_fit_the_patience_is_refused_at_once_net_of_who_waits() -> None:
    """One comes back every 2 s: the fifth in line would have to wait ten."""
    house = House(limited(Limit("requests", 30, "1m", "refill", "account")))
    for i in range(30):
        assert await house.request(f"r{i}")
    for _ in range(30):
        held = house.holds.pop()
        await house.books.settle(held, ONE, "reported", house.clock.now())
    waiting = [asyncio.create_task(house.request(f"w{i}", patience=9)) for i in range(4)]
    await house.settled()
    assert len(house.room) == 4
    assert not await house.request("fifth", patience=9)
    now = house.clock.now().wall
    behind = house.room.view(house.books, None).quota(house.what, ONE, now)
    alone = house.books.quota(house.what, ONE, now)
    assert behind is not None
    assert alone is not None
    assert alone.until == pytest.approx(now + 2)
    assert behind.until == pytest.approx(now + 10)
    house.clock.pass_(8.01)
    house.room.changed()
    assert all([await task for task in waiting])


async def test_a_crowd_does_not_use_up_the_patience_of_another_project() -> None:
    """One comes back every 2 s: behind twenty of a crowd, a quiet project's turn is the second."""
    house = House(limited(Limit("requests", 30, "1m", "refill", "account")))
    for i in range(30):
        assert await house.request(f"r{i}")
    for _ in range(30):
        held = house.holds.pop()
        await house.books.settle(held, ONE, "reported", house.clock.now())
    crowd = [asyncio.create_task(house.request(f"c{i}", "crowd")) for i in range(20)]
    await house.settled()
    assert not await house.request("late", "crowd", patience=5)
    quiet = asyncio.create_task(house.request("quiet", "quiet", patience=5))
    await house.settled()
    assert len(house.room) == 21
    for _ in range(3):
        house.clock.pass_(2.01)
        house.room.changed()
        await house.settled()
    assert house.served[30:] == ["c0", "quiet", "c1"]
    assert await quiet
    for task in crowd:
        task.cancel()
    await house.settled()
    assert len(house.room) == 0


async def test_held_money_is_waited_for_in_turn() -> None:
    price = Price(1_000_000, 1_000_000)
    house = House(
        deployment(tier="paid", price=price), BudgetRules(hard_daily=price.ceiling(ONE) * 3 // 2)
    )
    await house.books.load()
    assert await house.request("first")
    more = [asyncio.create_task(house.request(f"m{i}", f"p{i}")) for i in range(3)]
    await house.settled()
    assert house.served == ["first"]
    for _ in more:
        await house.release_one()
    assert house.served == ["first", "m0", "m1", "m2"]
    assert all([await task for task in more])


async def test_a_full_room_says_no_at_once_to_whoever_waits_most() -> None:
    house = House(limited(RUNNING))
    house.room = Room(seats=3)
    house.books.watch(house.room.changed)
    assert await house.request("first")
    tasks = [asyncio.create_task(house.request(f"g{i}", "greedy")) for i in range(3)]
    await house.settled()
    assert not await house.request("g3", "greedy")
    modest = asyncio.create_task(house.request("modest", "modest"))
    await house.settled()
    assert tasks[2].done()
    assert not tasks[2].result()
    await house.release_one()
    await house.release_one()
    await house.release_one()
    assert house.served == ["first", "g0", "modest", "g1"]
    assert await modest


async def test_the_owners_reset_ends_the_wait() -> None:
    house = House(limited(Limit("requests", 1, "1h", "rolling", "account")))
    assert await house.request("first")
    await house.books.settle(house.holds.pop(), ONE, "reported", house.clock.now())
    patient = asyncio.create_task(house.request("patient", patience=7200))
    await house.settled()
    assert not patient.done()
    house.books.reset(None, None, house.clock.now())
    assert await patient


async def test_a_daemon_that_stops_sends_the_waiting_home() -> None:
    house = House(limited(RUNNING))
    assert await house.request("first")
    waiting = [asyncio.create_task(house.request(f"w{i}")) for i in range(3)]
    await house.settled()
    house.room.close()
    assert [await task for task in waiting] == [False] * 3
    assert not await house.request("late")
    assert len(house.room) == 0


async def test_a_long_line_of_many_kinds_leaves_the_loop_to_others() -> None:
    """Each of them is called after a release, but not after each of a hundred releases."""
    house = House(limited(RUNNING))
    assert await house.request("first")
    looks = 0

    def slow_look(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        until = asyncio.get_running_loop().time() + 0.002
        while asyncio.get_running_loop().time() < until:
            pass
        return quota(*args)

    quota = house.books.quota_behind
    house.books.quota_behind = slow_look  # type: ignore[method-assign]
    house.kinds = True
    waiting = [asyncio.create_task(house.request(f"w{i}")) for i in range(20)]
    await house.settled()
    before = looks
    for _ in range(100):
        house.room.changed()
        await asyncio.sleep(0)
    assert looks - before <= 4 * len(waiting)
    house.room.close()
    await asyncio.gather(*waiting)


def test_nobody_waits_longer_than_a_request_may_take_and_all_are_told_a_little_apart() -> None:
    room = Room(longest_s=lambda: 600.0, spread=lambda: 1.0)
    assert room.patience_s(5) == 5
    assert room.patience_s(86_400) == 599
    assert room.retry_after(10) == 11
    assert room.retry_after(3600) == 3602
    assert Room().retry_after(10) == 10
