"""When a child is started, waited for or done without, by ``upstream.lane``."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from freeloader.app.upstream import Upstream
from freeloader.clock import SystemClock
from freeloader.core.model import Resolution, Verdict
from freeloader.errors import Unavailable

ANY = Resolution("auto", "auto")
ALONE = Resolution("named", "gemini", frozenset({"gemini@1/x"}))
SPOKEN = Resolution("named", "groq", frozenset({"groq@1/x"}))


class World:
    deployments = ("groq@1/x", "gemini@1/x")
    speaks = True

    def __init__(self) -> None:
        self.waited: list[Resolution] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.published = self

    def spoken(self, wanted: Resolution) -> bool:
        return wanted.kind != "named" or "groq@1/x" in wanted.deployments

    def child_only(self, verdict: Verdict) -> dict[str, Verdict]:
        return {"gemini@1/x": verdict}

    def child_knows(self, deployment: Any) -> bool:
        return True

    def entries(self) -> tuple[()]:
        return ()

    async def served(self, wanted: Resolution, seconds: float) -> None:
        self.waited.append(wanted)

    def keep(self, work: Any, name: str) -> None:
        self.tasks.append(asyncio.create_task(work, name=name))


class Keeper:
    def __init__(self) -> None:
        self.started = False
        self.known: dict[str, Any] = {}
        self.comes = True

    def served(self) -> dict[str, Any]:
        return self.known

    async def start(self, entries: Any) -> None:
        self.started = True

    async def stop(self) -> None:
        self.started, self.known = False, {}

    async def wait_ready(self, seconds: float) -> None:
        if not self.comes:
            raise Unavailable("starting", code="starting", retry_after=2.0)
        self.known = {"x": 1}


def house(mode: str) -> tuple[Upstream, World, Keeper, list[str]]:
    world, keeper, modes = World(), Keeper(), [mode]
    made = Upstream(world, keeper, SystemClock(), lambda: modes[0])  # type: ignore[arg-type]
    return made, world, keeper, modes


@pytest.mark.parametrize(
    ("mode", "started"), [("litellm", True), ("auto", False), ("direct", False)]
)
async def test_what_starts_with_the_daemon(mode: str, started: bool) -> None:
    upstream, _, keeper, _ = house(mode)
    await upstream.start()
    assert keeper.started is started
    assert upstream.answers(), "something can be spoken to directly"
    assert upstream.shown()["childNeeded"] is started


@pytest.mark.parametrize("mode", ["litellm", "auto", "direct"])
async def test_what_can_be_spoken_to_waits_for_no_child(mode: str) -> None:
    upstream, world, keeper, _ = house(mode)
    keeper.comes = False
    await upstream.ready(ANY)
    await upstream.ready(SPOKEN)
    assert world.waited == []
    assert not keeper.started


@pytest.mark.parametrize("mode", ["litellm", "auto"])
async def test_what_cannot_starts_one_and_waits(mode: str) -> None:
    upstream, world, keeper, _ = house(mode)
    await upstream.ready(ALONE)
    assert keeper.started
    assert world.waited == [ALONE]
    keeper.known, keeper.comes = {}, False
    with pytest.raises(Unavailable):
        await upstream.ready(ALONE)


async def test_who_cannot_be_asked_is_said_with_the_reason() -> None:
    upstream, _, keeper, modes = house("auto")
    assert upstream.out()["gemini@1/x"].code == "starting"
    keeper.known = {"x": 1}
    assert not upstream.out()
    modes[0] = "direct"
    assert upstream.out()["gemini@1/x"].code == "no_model_passes_gates"
    assert "upstream.lane" in upstream.problems()[0]


async def test_in_auto_a_better_one_that_needs_the_child_starts_it_for_the_next_request() -> None:
    upstream, world, keeper, _ = house("auto")
    upstream.wanted()
    await asyncio.gather(*world.tasks)
    assert keeper.started
    other, world, keeper, _ = house("litellm")
    other.wanted()
    assert world.tasks == []


async def test_a_changed_setting_starts_and_ends_the_child() -> None:
    upstream, _, keeper, modes = house("litellm")
    await upstream.start()
    modes[0] = "direct"
    await upstream.take_over()
    assert not keeper.started
    modes[0] = "litellm"
    await upstream.take_over()
    assert keeper.started
