"""Models in use that go away: notice, last days, gone. Pure, but for what was told already.

Moving requests to the replacement is the catalog's doing, on the day; here each
step is noticed once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from freeloader.core.model import Model
from freeloader.discovery.source import Memory

MEMORY = "discovery.deprecations"
#: Days before the end at which the owner is told once more.
LAST_DAYS = 7
#: Models whose steps are remembered; a home uses some hundreds.
_KEPT = 5000


@dataclass(frozen=True, slots=True)
class Step:
    """``stage``: ``notice``, ``last-days`` or ``gone``. ``model`` is ``provider/model``."""

    model: str
    stage: str
    day: str
    replaced_by: str | None

    @property
    def sentence(self) -> str:
        then = f"; {self.replaced_by} takes its place" if self.replaced_by else ""
        if self.stage == "gone":
            moved = f"its requests go to {self.replaced_by}" if self.replaced_by else (
                "requests for it go to the best model that passes the same gates"
            )  # fmt: skip
            return f"{self.model} is gone since {self.day}: {moved}."
        return f"{self.model} goes away on {self.day}{then}."


def stage_of(day: str, today: str) -> str:
    """Where between announcement and end a model is; both ISO dates."""
    if day <= today:
        return "gone"
    left = (date.fromisoformat(day) - date.fromisoformat(today)).days
    return "last-days" if left <= LAST_DAYS else "notice"


def steps(models: Iterable[Model], today: str) -> list[Step]:
    """One step per model with an end, in the order of the end."""
    found = {}
    for model in models:
        if model.deprecated_on is None:
            continue
        name = f"{model.provider}/{model.id}"
        successor = f"{model.provider}/{model.replaced_by}" if model.replaced_by else None
        stage = stage_of(model.deprecated_on, today)
        found[name] = Step(name, stage, model.deprecated_on, successor)
    return sorted(found.values(), key=lambda step: (step.day, step.model))


async def untold(found: Iterable[Step], memory: Memory) -> list[Step]:
    """The steps that were not told before; from now on they are."""
    text = await memory.meta_get(MEMORY)
    told: dict[str, str] = json.loads(text) if text else {}
    fresh = [step for step in found if told.get(step.model) != f"{step.stage} {step.day}"]
    if fresh:
        told |= {step.model: f"{step.stage} {step.day}" for step in fresh}
        kept = dict(list(told.items())[-_KEPT:])
        await memory.meta_set(MEMORY, json.dumps(kept))
    return fresh
