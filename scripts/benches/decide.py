"""How long a decision takes over 100, 1,000 and 10,000 deployments: real core, real books.

Every deployment has free-tier limits, some are paused, some have measured health,
so that gates, windows and pauses are all looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stats import percentile

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "core"))
from houses import deployment, profile

from freeloader.books.books import Books
from freeloader.clock import SystemClock
from freeloader.core import routing
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Deployment, Gates, Level, Limit, Resolution
from freeloader.core.policy import combine
from freeloader.money import Price

SIZES = (100, 1_000, 10_000)
GOALS_MS = {100: None, 1_000: 0.05, 10_000: 0.2}
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
    run(0.1 if parser.parse_args(argv).quick else 1.0)
    return 0


def run(scale: float) -> None:
    print("## Decision time (one process; real books, windows, budgets)")
    for size in SIZES:
        asyncio.run(_measure(size, max(50, int(2_000 * scale))))


async def _measure(size: int, rounds: int) -> None:
    rng = random.Random(7)
    clock = SystemClock()
    books = Books(NoLedger(), clock, BudgetRules(hard_daily=10**13))
    began = time.perf_counter()
    books.set_deployments(farm(size, rng))
    built = (time.perf_counter() - began) * 1000
    gc.collect()
    gc.freeze()  # as the daemon does after taking deployments over
    print(f"\n{size:,} deployments (taken over in {built:.0f} ms)")
    for strategy in STRATEGIES:
        level = Level("request", strategy=strategy, gates=Gates(no_training=True))
        policy = combine([level, Level("settings", prefer_local=False)])
        ask = routing.Ask(profile(), policy, Resolution("auto", "auto"), clock.now().wall)
        ids = list(books.deployments)

        def touch(ids: list[str] = ids) -> None:
            """What traffic does between two decisions: one deployment's health changes."""
            one = books.deployments[rng.choice(ids)]
            books.record(one, None, rng.uniform(50, 5_000), 40.0, 100, clock.now())

        took = _timed(lambda ask=ask: routing.decide(ask, books), rounds, touch)
        goal = GOALS_MS[size]
        said = "" if goal is None else f" (goal p50 at most {goal:g} ms)"
        print(
            f"  {strategy:14s} decide p50 {percentile(took, 0.5):.4f} ms, "
            f"p99 {percentile(took, 0.99):.4f} ms{said}"
        )
    explained = _timed(lambda: routing.explain(ask, books), max(5, rounds // 100), touch)
    print(
        f"  explain p50 {percentile(explained, 0.5):.2f} ms"
        + (" (goal at most 50 ms)" if size == 10_000 else "")
    )


def _timed(work: Callable[[], object], rounds: int, between: Callable[[], None]) -> list[float]:
    work()
    out = []
    for _ in range(rounds):
        between()
        began = time.perf_counter()
        work()
        out.append((time.perf_counter() - began) * 1000)
    return out
