"""Two minutes in real time: daemon, LiteLLM child, and a simulator with windows of seconds.

Four free providers, one of them with a strong model and few requests; demand at 0.93 of
what the windows give, at random moments, a fifth of it in need of something strong. It
counts who was answered, what the providers refused, and who got the strong models.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, Simulator, model, provider, running

SECONDS, QUICK_S = 120.0, 20.0
SHARE = 0.93
#: Share of requests that need ``FLOOR``.
NEEDY, FLOOR = 0.15, 7.0
#: Goals: share served, refusals by providers per request.
SERVED, REFUSED = 0.99, 0.005
LATENCY = {"firstMs": 60, "tokensPerSecond": 800, "jitter": 0.3}


def _limit(amount: int, window: str, reset: str) -> dict[str, Any]:
    return {
        "metric": "requests", "amount": amount, "window": window, "reset": reset,
        "scope": "account",
    }  # fmt: skip


#: Provider → intelligence of its model, its limit.
FARM = {
    "best": (9.4, _limit(6, "30s", "calendar")),
    "good": (7.5, _limit(8, "10s", "rolling")),
    "swift": (4.0, _limit(10, "5s", "refill")),
    "plain": (3.0, _limit(10, "10s", "refill")),
}
#: Requests a second that all windows give.
CAPACITY = 6 / 30 + 8 / 10 + 10 / 5 + 10 / 10


@dataclass
class Seen:
    """``strong`` are requests that needed something strong, and what they were answered by."""

    asked: int = 0
    problems: list[str] = field(default_factory=list)
    needy: int = 0
    strong: int = 0
    by: dict[str, int] = field(default_factory=dict)
    refused: int = 0

    @property
    def served(self) -> float:
        return 1 - len(self.problems) / max(1, self.asked)

    @property
    def refusals(self) -> float:
        return self.refused / max(1, self.asked)


def simulate(place: Path) -> Simulator:
    spec = {
        name: {
            "style": "generic", "limits": [limit], "latency": LATENCY,
            "models": {f"{name}-1": {"free": True}},
        }
        for name, (_, limit) in FARM.items()
    }  # fmt: skip
    return Simulator(place, {"pace": 1.0, "providers": spec})


def furnish(home: Path, simulator: Simulator, lane: str = "litellm") -> House:
    """A home with one free account at each."""
    house = House(home, {"XSWARM_UPSTREAM__LANE": lane})
    house.xswarm("init")
    tier = {"type": "recurring", "confidence": "high"}
    house.overlay(
        "live",
        {
            "version": "2026.11.20",
            "providers": {
                name: provider(
                    f"{simulator.url}/{name}/v1",
                    {f"{name}-1": model(name, intelligence=clever)},
                    freeTier={**tier, "limits": [limit]},
                )
                for name, (clever, limit) in FARM.items()
            },
        },
    )
    for name in FARM:
        house.xswarm("account", "add", name, "-", stdin=f"key-{name}\n")
    return house


async def demand(house: House, seconds: float, rate: float, seed: int) -> Seen:
    """Requests at random moments, ``rate`` a second; each waits for its answer by itself."""
    rng, seen = random.Random(seed), Seen()
    headers = {"Authorization": f"Bearer {house.key()}"}
    async with aiohttp.ClientSession(
        house.url, headers=headers, timeout=aiohttp.ClientTimeout(total=60)
    ) as session:
        began, at, tasks = time.monotonic(), 0.0, []
        while (at := at + rng.expovariate(rate)) < seconds:
            needy = rng.random() < NEEDY
            await asyncio.sleep(max(0.0, began + at - time.monotonic()))
            tasks.append(asyncio.create_task(_ask(session, needy, seen)))
        await asyncio.gather(*tasks)
    return seen


async def _ask(session: aiohttp.ClientSession, needy: bool, seen: Seen) -> None:
    body: dict[str, Any] = {
        "model": "auto", "max_tokens": 32,
        "messages": [{"role": "user", "content": "Say something."}],
    }  # fmt: skip
    if needy:
        body["qualityGates"] = {"minIntelligence": FLOOR}
    seen.asked += 1
    seen.needy += needy
    async with session.post("/v1/chat/completions", json=body) as answer:
        told = await answer.json()
        if answer.status != 200:
            error = told.get("error", {})
            seen.problems.append(f"{answer.status} {error.get('code')}: {error.get('message')}")
            return
        by = told["routing"]["provider"]
        seen.by[by] = seen.by.get(by, 0) + 1
        seen.strong += needy and FARM[by][0] >= FLOOR


def measure(house: House, simulator: Simulator, seconds: float, rate: float, seed: int = 1) -> Seen:
    """Runs the demand, and reads from the simulator what it refused."""
    seen = asyncio.run(demand(house, seconds, rate, seed))
    seen.refused = sum(one["status"] == 429 for one in _records(simulator))
    return seen


def _records(simulator: Simulator) -> list[dict[str, Any]]:
    told = simulator.requests()
    rows = told["requests"] if isinstance(told, dict) else told
    return [row for row in rows if row["path"].endswith("/chat/completions")]


def main(argv: list[str]) -> int:
    """0; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench yield --live", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_S:g} seconds")
    options = parser.parse_args(argv)
    seconds, rate = QUICK_S if options.quick else SECONDS, SHARE * CAPACITY
    with tempfile.TemporaryDirectory() as folder:
        simulator = simulate(Path(folder))
        try:
            house = furnish(Path(folder) / "home", simulator)
            with running(house):
                seen = measure(house, simulator, seconds, rate)
        finally:
            simulator.stop()
    print(f"## {seconds:g} s in real time, {rate:.2f} requests a second, {SHARE:.0%} of capacity")
    print(f"  served {seen.served:.2%} of {seen.asked} (goal {SERVED:.0%}); providers refused "
          f"{seen.refused}, {seen.refusals:.2%} (goal {REFUSED:.1%})")  # fmt: skip
    print(f"  in need of a strong model: {seen.strong} of {seen.needy} got one; by {seen.by}")
    for problem in seen.problems[:8]:
        print(f"  {problem}")
    good = seen.served >= SERVED and seen.refusals <= REFUSED and seen.strong >= seen.needy * 0.98
    return 0 if good else 1
