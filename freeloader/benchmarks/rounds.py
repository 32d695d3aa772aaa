"""The rounds as they are kept: what this week's has already, what benchmarks took today.

A round is a week and a version of the prompts. Nothing is asked or planned here, and no
answer is kept itself, only what two repeats are compared by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime

from freeloader.benchmarks.plan import Step
from freeloader.benchmarks.ports import Kept
from freeloader.benchmarks.results import Answered
from freeloader.clock import Clock
from freeloader.core.model import Deployment
from freeloader.store.rows import BenchmarkRow

#: Ratings go by the last four weeks.
HISTORY_S = 28 * 86_400.0


class Rounds:
    """``version``: of the prompts."""

    def __init__(self, kept: Kept, clock: Clock, version: str) -> None:
        self._kept, self._clock, self._version = kept, clock, version
        #: Requests of benchmarks in the last day, by account and by deployment.
        self._probed: Mapping[str, int] = {}

    def probed(self, name: str) -> int:
        """Requests of benchmarks in the last day, by an account's name or a deployment's id."""
        return self._probed.get(name, 0)

    async def keep(self, step: Step, deployment: Deployment, answered: Answered) -> None:
        """On disk, and counted, on return."""
        await self._kept.add(self._row(step, deployment, answered))
        for name in (deployment.account.name, deployment.id):
            self._probed = {**self._probed, name: self.probed(name) + 1}

    async def done(self) -> dict[str, frozenset[tuple[str, int]]]:
        """Of this round, what was answered, by deployment; also counts today's probes."""
        now = self._clock.now().wall
        done: dict[str, set[tuple[str, int]]] = defaultdict(set)
        probed: dict[str, int] = defaultdict(int)
        for row in await self._kept.since(now - 8 * 86_400.0):
            detail = row.detail
            if row.suite == self._round() and row.score is not None:
                done[str(detail["deployment"])].add((str(detail["prompt"]), int(detail["repeat"])))
            if row.at >= now - 86_400.0:
                probed[str(detail.get("account"))] += 1
                probed[str(detail.get("deployment"))] += 1
        self._probed = dict(probed)
        return {name: frozenset(asked) for name, asked in done.items()}

    async def answers(self) -> dict[tuple[str, str], tuple[list[Answered], float]]:
        """The latest round of each model within the last weeks, and when it was."""
        latest: dict[tuple[str, str], str] = {}
        groups: dict[tuple[str, str], tuple[list[Answered], float]] = {}
        for row in await self._kept.since(self._clock.now().wall - HISTORY_S):
            key = (row.provider, row.model)
            if latest.get(key) != row.suite:
                latest[key] = row.suite
                groups[key] = ([], row.at)
            groups[key][0].append(_answer(row))
            groups[key] = (groups[key][0], row.at)
        return groups

    def _round(self) -> str:
        """This week's, of this version of the prompts."""
        year, week, _ = datetime.fromtimestamp(self._clock.now().wall, UTC).isocalendar()
        return f"{year}-W{week:02d}/{self._version}"

    def _row(self, step: Step, deployment: Deployment, answered: Answered) -> BenchmarkRow:
        detail = {
            "deployment": deployment.id,
            "account": deployment.account.name,
            "prompt": answered.prompt,
            "repeat": step.repeat,
            "task": answered.task,
            "ms": answered.ms,
            "firstMs": answered.first_ms,
            "output": answered.output,
            # Only what two repeats are compared by: answers themselves are not kept.
            "answer": answered.text,
            "problem": answered.problem,
        }
        now = self._clock.now().wall
        return BenchmarkRow(
            now, deployment.provider.id, deployment.model.id, self._round(), answered.score, detail
        )


def _answer(row: BenchmarkRow) -> Answered:
    detail = row.detail
    return Answered(
        str(detail.get("prompt")),
        str(detail.get("task")),
        row.score,
        detail.get("ms"),
        detail.get("firstMs"),
        int(detail.get("output") or 0),
        str(detail.get("answer") or ""),
        str(detail.get("problem") or ""),
    )
