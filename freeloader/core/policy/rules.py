"""``[[routing.rules]]``: the owner's own cases. The first whose ``when`` holds decides.

A rule is a level of policy between the request's own and the key's; besides it may
narrow the models, or reject with words of the owner. It reads facts about a request,
never its text, and changes nothing by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from freeloader.core.model import EMPTY, Deployment, Level

_DAY_MINUTES = 24 * 60
#: A rule that says nothing of policy.
NOTHING = Level("rule")


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes of the day, ``[start, end)`` in a time zone; an end before its start is tomorrow's.

    The same start and end mean the whole day.
    """

    start: int
    end: int
    zone: str = "UTC"

    def __contains__(self, now: float) -> bool:
        local = datetime.fromtimestamp(now, ZoneInfo(self.zone))
        minute = local.hour * 60 + local.minute
        length = (self.end - self.start) % _DAY_MINUTES or _DAY_MINUTES
        return (minute - self.start) % _DAY_MINUTES < length


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules can look at. ``model`` is the name as wanted; ``tokens`` of input, likely;
    header names are lower-case; ``now`` is wall seconds."""

    now: float
    project: str | None = None
    key: tuple[str, ...] = ()
    task: str = "chat"
    complexity: float = 0.0
    model: str = "auto"
    tools: bool = False
    images: bool = False
    tokens: int = 0
    headers: Mapping[str, str] = EMPTY


@dataclass(frozen=True, slots=True)
class When:
    """Conditions; everything that is given must hold, and nothing given always holds.

    Project, key, model and a header's value may be patterns (``*``); case is ignored.
    """

    project: str | None = None
    key: str | None = None
    task: str | None = None
    complexity_above: float | None = None
    complexity_below: float | None = None
    model: str | None = None
    has_tools: bool | None = None
    has_images: bool | None = None
    tokens_above: float | None = None
    tokens_below: float | None = None
    hours: Hours | None = None
    header: tuple[str, str | None] | None = None

    def holds(self, facts: Facts) -> bool:
        return (
            (self.project is None or _like(facts.project or "", self.project))
            and (self.key is None or any(_like(name, self.key) for name in facts.key))
            and self.task in (None, facts.task)
            and _within(facts.complexity, self.complexity_above, self.complexity_below)
            and (self.model is None or _like(facts.model, self.model))
            and self.has_tools in (None, facts.tools)
            and self.has_images in (None, facts.images)
            and _within(facts.tokens, self.tokens_above, self.tokens_below)
            and (self.hours is None or facts.now in self.hours)
            and self._header(facts.headers)
        )

    def _header(self, headers: Mapping[str, str]) -> bool:
        if self.header is None:
            return True
        name, wanted = self.header
        value = headers.get(name.lower())
        return value is not None and (wanted is None or _like(value.strip(), wanted))


@dataclass(frozen=True, slots=True)
class Rule:
    """``models`` are names or patterns of models that may serve; ``reject`` says why none may."""

    name: str
    when: When = When()
    level: Level = NOTHING
    models: tuple[str, ...] = ()
    reject: str | None = None

    def meant(self, deployments: Mapping[str, Deployment]) -> frozenset[str]:
        """The deployments that ``models`` stand for, by any name they go by."""
        return frozenset(
            found.id
            for found in deployments.values()
            if any(_like(name, wanted) for wanted in self.models for name in names_of(found))
        )


def names_of(deployment: Deployment) -> tuple[str, ...]:
    model = deployment.model
    return (deployment.public_model, model.id, model.family, deployment.id)


def first_match(rules: Sequence[Rule], facts: Facts) -> Rule | None:
    """The first rule whose conditions all hold."""
    return next((rule for rule in rules if rule.when.holds(facts)), None)


def _like(value: str, wanted: str) -> bool:
    return fnmatchcase(value.casefold(), wanted.casefold())


def _within(value: float, above: float | None, below: float | None) -> bool:
    return (above is None or value > above) and (below is None or value < below)
