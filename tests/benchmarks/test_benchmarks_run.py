"""A run: what comes back that says nothing of a model is not held against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from freeloader.benchmarks.ports import Wishes
from freeloader.benchmarks.run import FAILURES_MAX, Benchmarks
from freeloader.benchmarks.suite import suite
from freeloader.clock import Instant
from freeloader.errors import BudgetExceeded, FreeloaderError, NotFound, UpstreamFailed
from freeloader.store.rows import BenchmarkRow

NOON = 1_795_176_000.0
LOCAL = SimpleNamespace(
    id="near@1/m",
    local=True,
    billable=False,
    provider=SimpleNamespace(id="near", kind="local"),
    model=SimpleNamespace(id="m"),
    account=SimpleNamespace(name="near@1"),
)


@dataclass
class Desk:
    """Asks a model that fails as told, and keeps what a run keeps."""

    problem: FreeloaderError | None = None
    rows: list[BenchmarkRow] = field(default_factory=list)
    asked: int = 0
    deployments: Mapping[str, Any] = field(default_factory=lambda: {LOCAL.id: LOCAL})

    def windows_of(self, deployment: Any, now: Instant) -> list[dict[str, Any]]:
        return []

    async def add(self, row: BenchmarkRow) -> None:
        self.rows.append(row)

    async def since(self, moment: float) -> Sequence[BenchmarkRow]:
        return self.rows

    async def ask(self, body: Mapping[str, Any]) -> Any:
        self.asked += 1
        if self.problem is not None:
            raise self.problem
        return SimpleNamespace(text="no idea", usage={"tokensOut": 2}, ms=5.0, first_ms=2.0)

    def now(self) -> Instant:
        return Instant(NOON, 0.0)

    def say(self, text: str) -> None:
        pass

    async def nothing(self) -> int:
        return 0

    async def changed(self) -> None:
        pass

    def benchmarks(self) -> Benchmarks:
        given: Any = self
        return Benchmarks(
            suite(), given, given, self.ask, self.nothing,
            lambda: Wishes(0.0, 0, "01:00-06:00", "UTC"), lambda _: True, lambda: False, given,
            self.changed,
        )  # fmt: skip


async def test_a_budget_that_says_no_is_no_failure_of_the_model_and_is_told() -> None:
    desk = Desk(BudgetExceeded("no money"))
    told = await desk.benchmarks().run(desk, asked=True)
    assert (desk.asked, desk.rows) == (1, [])
    assert "near@1/m waits: budget_exceeded" in told


async def test_its_own_failures_are_kept_and_end_its_turn() -> None:
    desk = Desk(UpstreamFailed("broken"))
    told = await desk.benchmarks().run(desk, asked=True)
    assert len(desk.rows) == desk.asked == FAILURES_MAX
    assert "failures in a row: upstream_failed" in told


async def test_every_prompt_is_asked_and_a_name_that_nobody_has_is_refused() -> None:
    desk = Desk()
    told = await desk.benchmarks().run(desk, ["near"], asked=True)
    assert told == f"{desk.asked} of {desk.asked} answers, 0 models not asked"
    assert len(desk.rows) == desk.asked > len(suite().prompts)
    with pytest.raises(NotFound, match="'nosuch'"):
        await desk.benchmarks().dry_run(["near", "nosuch"])


async def test_a_run_that_asks_nobody_says_why() -> None:
    desk = Desk()
    desk.deployments = {}
    told = await desk.benchmarks().run(desk, asked=True)
    assert told == "nobody was asked: no account has a model to rate"
    assert desk.asked == 0
