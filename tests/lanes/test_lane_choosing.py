"""Which way an attempt goes, by mode, wire and what the child can do now."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from provider_kit import attempt, deployment

from freeloader.core.events import Answer, Delta, End, Event, Fault
from freeloader.core.model import Attempt, Deployment
from freeloader.gateway.lanes.choosing import Lanes
from freeloader.gateway.lanes.direct.lane import DirectLane

UNSENT = Fault(Answer(None, phase="connect", lane_fault=True))
LOST = Fault(Answer(None, phase="head", lane_fault=True))
REFUSED = Fault(Answer(429, phase="head"))


class Way:
    """A lane that only says that it was asked."""

    def __init__(self, *events: Event) -> None:
        self.events = events or (End("stop"),)
        self.asked = 0

    takes = staticmethod(DirectLane.takes)

    async def send(self, sent: Attempt) -> AsyncGenerator[Event, None]:
        self.asked += 1
        for event in self.events:
            yield event


async def went(mode: str, wire: str = "openai", *, knows: bool = True, child: Any = None) -> Any:
    way, direct = child or Way(), Way()
    lanes = Lanes(way, direct, lambda _: knows, lambda: mode)  # type: ignore[arg-type]
    url = "http://127.0.0.1:9/v1"
    target: Deployment = deployment(url, wire=wire)
    events = [event async for event in lanes.send(attempt(url, deployment=target))]
    return ("child" * way.asked) + ("direct" * direct.asked), events


@pytest.mark.parametrize(
    ("mode", "wire", "knows", "way"),
    [
        ("litellm", "openai", True, "child"),
        ("litellm", "openai", False, "direct"),
        ("litellm", "gemini", True, "child"),
        ("litellm", "gemini", False, "child"),
        ("auto", "openai", True, "direct"),
        ("auto", "gemini", True, "child"),
        ("direct", "openai", True, "direct"),
        ("direct", "gemini", True, "direct"),
    ],
)
async def test_the_way(mode: str, wire: str, knows: bool, way: str) -> None:
    assert (await went(mode, wire, knows=knows))[0] == way


async def test_a_child_that_sent_nothing_is_replaced_within_the_attempt() -> None:
    way, events = await went("litellm", child=Way(UNSENT))
    assert way == "childdirect"
    assert events == [End("stop")]


@pytest.mark.parametrize("last", [LOST, REFUSED, Fault(Answer(None, phase="connect"))])
async def test_what_may_have_been_sent_is_not_sent_again(last: Fault) -> None:
    way, events = await went("litellm", child=Way(Delta({}, True), last))
    assert way == "child"
    assert events[-1] == last


async def test_a_child_that_broke_off_is_not_asked_again_at_once() -> None:
    """Its process may be dead and not yet waited for, with more dead connections in the pool."""
    child, direct = Way(LOST), Way()
    lanes = Lanes(child, direct, lambda _: True, lambda: "litellm")  # type: ignore[arg-type]
    url = "http://127.0.0.1:9/v1"
    for _ in range(3):
        _ = [event async for event in lanes.send(attempt(url))]
    assert (child.asked, direct.asked) == (1, 2)
