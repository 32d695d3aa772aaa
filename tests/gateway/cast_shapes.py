"""Four models at four providers, what they say, and a house that asks several of them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import deployment
from pipeline_world import World, chunk, collect, whole, world

from freeloader.core.events import Delta, End, Headers, Usage
from freeloader.core.model import Level
from freeloader.money import Meters

A = deployment("a", "one", intelligence=8.0)
B = deployment("b", "two", intelligence=6.0)
C = deployment("c", "three", intelligence=4.0)
D = deployment("d", "four", intelligence=2.0)
USED = Usage(Meters(1, 10, output=5), raw={"prompt_tokens": 10, "completion_tokens": 5})
HANG: list[Any] = [Headers(200, {}), chunk()]
LATE = {"stream": False}


def says(text: str, **more: Any) -> list[Any]:
    return [Headers(200, {}), whole(text), USED, End()]


def asked(aggregation: str = "first", targets: int = 3, **more: Any) -> Level:
    base: dict[str, Any] = {"strategy": "multi-cast", "selection": "best", "max_wait_ms": 0}
    base |= {"aggregation": aggregation, "targets": targets}
    return Level("request", **{**base, **more})


def house(scripts: dict[str, list[Any]], *deployments: Any, **rules: Any) -> World:
    every = {d.id: [] for d in (A, B, C, D)} | {k: [v] for k, v in scripts.items()}
    return world(every, *(deployments or (A, B, C)), **rules)


async def finished(run: Any) -> tuple[dict[str, Any], list[Any]]:
    """The body (or last chunk), and all events."""
    await run.first(5)
    events = await asyncio.wait_for(collect(run), 5)
    deltas = [e.data for e in events if isinstance(e, Delta)]
    return (deltas[-1] if deltas else {}), events


def text(body: dict[str, Any]) -> str:
    return str(body["choices"][0]["message"]["content"])


def states(run: Any) -> dict[str, str]:
    return {m["provider"]: m["state"] for m in run.routing()["multiCast"]["members"]}
