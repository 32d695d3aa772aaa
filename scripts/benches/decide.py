"""How long a decision takes over 100, 1,000 and 10,000 deployments: real core, real books.

Every free deployment has limits, a fifth can be billed, a plan shares the free quotas out,
and between any two decisions one deployment's health changes, as under traffic. ``decide``
and ``explain`` are timed apart, per strategy, and so is the reading of a request's task.
All in CPU time: nothing here waits.
``--scarce`` leaves nobody but the last tenth with quota, so that walks are long. A fixed
loop is timed too: on another machine, compare with that.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from stats import percentile

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "core"))
from houses import deployment, profile

from freeloader.books.books import Books
from freeloader.clock import Instant, SystemClock
from freeloader.core import routing
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Deployment, Gates, Level, Limit, Resolution, Verdict
from freeloader.core.policy import combine
from freeloader.core.task.detect import detect
from freeloader.core.task.turn import turn_of
from freeloader.money import Price

SIZES = (100, 1_000, 10_000)
#: The goals of decide's p50, by size, and of explain's, in ms.
GOALS_MS = {100: None, 1_000: 0.05, 10_000: 0.2}
EXPLAIN_GOAL_MS = {100: None, 1_000: None, 10_000: 50.0}
TASK_GOAL_P99_MS = 1.0
STRATEGIES = ("balanced", "cost-first", "speed-first", "quality-first", "local-first", "priority")
_MINUTE = Limit("requests", 30, "1m", "refill", "model", tier="free")
_DAY = Limit("tokens", 200_000, "1d", "calendar", "model", tier="free")


class NoLedger:
    """Free and paid holds alike are only counted here: a decision writes nothing."""

    def __getattr__(self, name: str) -> Any:
        async def nothing(*_: Any, **__: Any) -> Any:
            return {} if name.startswith("spent_by") else [] if name == "load_windows" else 0

        return nothing


def farm(size: int, rng: random.Random) -> list[Deployment]:
    """``size`` deployments over 50 providers, a fifth of them paid, some of unknown quality."""
    out = []
    for i in range(size):
        paid = rng.random() < 0.2
        out.append(
            deployment(
                f"p{i % 50}",
                f"m{i}",
                tier="paid" if paid else "free",
                price=Price(rng.randrange(10**6), rng.randrange(10**7)) if paid else None,
                free=not paid,
                intelligence=rng.choice([None, *(x / 2 for x in range(4, 20))]),
                speed=rng.choice([None, *range(1, 10)]),
                limits=() if paid else (_MINUTE, _DAY),
            )
        )
    return out


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench decide", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples")
    parser.add_argument("--json", action="store_true", help="the numbers as JSON")
    parser.add_argument("--scarce", action="store_true", help="nine in ten have no quota left")
    given = parser.parse_args(argv)
    scale = 0.1 if given.quick else 1.0
    found: dict[str, Any] = {"loopMs": _loop(), "task": _task(int(2_000 * scale)), "sizes": {}}
    if not given.json:
        print(f"## Decision time (one process; a loop of 10,000 sums takes {found['loopMs']} ms)")
        _say("task detection, 6,000-token agent prompt", found["task"], None, TASK_GOAL_P99_MS)
    for size in SIZES:
        rows = asyncio.run(_measure(size, max(50, int(2_000 * scale)), given.scarce))
        found["sizes"][str(size)] = rows
        if not given.json:
            _print(size, rows)
    if given.json:
        print(json.dumps(found, indent=2))
    return 0


def _loop() -> float:
    took = _timed(lambda: sum(range(10_000)), 50, lambda: None)
    return round(percentile(took, 0.5), 4)


def _task(rounds: int) -> dict[str, float]:
    """The reading of one big agent request, from body to task, in CPU time: it never waits."""
    system = "You are an agent. Follow the rules of the house, and use your tools. " * 350
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": "Prove that the sum of two odd numbers is even. " * 20},
    ]
    payload = {"messages": messages, "tools": [tool] * 32}
    read = _timed(lambda: detect(turn_of(payload)), rounds, lambda: None)
    return _numbers(read)


async def _planned(books: Books, clock: SystemClock) -> None:
    """Three hours of demand, and the plan of the day that follows from it."""
    now, policy = clock.now(), combine([Level("request")])
    for hours in (3, 2, 1, 0):
        for _ in range(200):
            books.wanted(profile(), policy, Instant(now.wall - 3600 * hours, now.mono))
    for _ in range(100):
        await books.flush_dirty()


async def _measure(size: int, rounds: int, scarce: bool) -> dict[str, Any]:
    rng = random.Random(7)
    clock = SystemClock()
    books = Books(NoLedger(), clock, BudgetRules(hard_daily=10**13))
    began = time.perf_counter()
    books.set_deployments(farm(size, rng))
    rows: dict[str, Any] = {"builtMs": round((time.perf_counter() - began) * 1000, 1)}
    await _planned(books, clock)
    ids = list(books.deployments)
    out = frozenset(rng.sample(ids, size * 9 // 10)) if scarce else frozenset()
    avoid = {name: Verdict("quota", "quota_exhausted", "used up") for name in out}
    gc.collect()
    gc.freeze()  # as the daemon does after taking deployments over

    def touch() -> None:
        """What traffic does between two decisions: one deployment's health changes."""
        one = books.deployments[rng.choice(ids)]
        books.record(one, None, rng.uniform(50, 5_000), 40.0, 100, clock.now())

    for strategy in STRATEGIES:
        level = Level("request", strategy=strategy, gates=Gates(no_training=True))
        policy = combine([level, Level("settings", prefer_local=False)])
        now = clock.now().wall
        ask = routing.Ask(profile(), policy, Resolution("auto", "auto"), now, avoid=avoid)
        took = _timed(lambda ask=ask: routing.decide(ask, books), rounds, touch)
        whole = _timed(
            lambda ask=ask: routing.explain(ask, books), max(5, rounds * 50 // size), touch
        )
        # Without pacing of free quotas: what the strategies alone take.
        bare = replace(ask, policy=replace(policy, pacing="off"))
        plain = _timed(lambda ask=bare: routing.decide(ask, books), rounds, touch)
        rows[strategy] = {
            "decide": _numbers(took),
            "decideUnpaced": _numbers(plain),
            "explain": _numbers(whole),
        }
    return rows


def _numbers(took: list[float]) -> dict[str, float]:
    return {"p50": round(percentile(took, 0.5), 4), "p99": round(percentile(took, 0.99), 4)}


def _print(size: int, rows: dict[str, Any]) -> None:
    print(f"\n{size:,} deployments (taken over in {rows['builtMs']:.0f} ms)")
    for strategy in STRATEGIES:
        _say(f"{strategy} decide", rows[strategy]["decide"], GOALS_MS[size])
        _say(f"{strategy} decide, pacing off", rows[strategy]["decideUnpaced"], GOALS_MS[size])
        _say(f"{strategy} explain", rows[strategy]["explain"], EXPLAIN_GOAL_MS[size])


def _say(
    what: str, found: dict[str, float], goal: float | None, p99_goal: float | None = None
) -> None:
    said = "" if goal is None else f"  goal p50 {goal:g}: {_met(found['p50'], goal)}"
    if p99_goal is not None:
        said = f"  goal p99 {p99_goal:g}: {_met(found['p99'], p99_goal)}"
    print(f"  {what:42s} p50 {found['p50']:9.4f} ms  p99 {found['p99']:9.4f} ms{said}")


def _met(value: float, goal: float) -> str:
    return "met" if value <= goal else "MISSED"


def _timed(
    work: Callable[[], object],
    rounds: int,
    between: Callable[[], None],
    clock: Callable[[], float] = time.thread_time,
) -> list[float]:
    work()
    out = []
    for _ in range(rounds):
        between()
        began = clock()
        work()
        out.append((clock() - began) * 1000)
    return out
