"""The sections that speak of policy: ``[routing]`` and ``[budget]``.

Weights, gates and fallback are read by ``directives``, so that a request, a key
and the settings obey one law; here they only find their place in the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from freeloader.core.model import Level
from freeloader.core.policy import rules as core_rules
from freeloader.core.ranking import need as needs
from freeloader.core.task import TASKS
from freeloader.settings import directives, read
from freeloader.settings.presets import STRATEGIES, TARGETS_MAX
from freeloader.settings.types import (
    Dollars,
    Lower,
    Names,
    Number,
    Section,
    Share,
    Switch,
    Whole,
    Zone,
    hours_of_day,
)


def _weights(value: Any) -> dict[str, Any]:
    share = read.number(0, 1000)
    return read.fields(value, {"cost": share, "speed": share, "quality": share})


_strategy = read.one_of(STRATEGIES)
Task = Annotated[str, BeforeValidator(read.one_of(TASKS))]
NeedSteps = list[tuple[Number, Number]]
Strategy = Annotated[str, BeforeValidator(_strategy)]
Pacing = Annotated[str, BeforeValidator(directives.parse_pacing)]
WeightsTable = Annotated[dict[str, Any], BeforeValidator(_weights)]
GatesTable = Annotated[dict[str, Any], BeforeValidator(directives.said_gates)]
FallbackTable = Annotated[dict[str, Any], BeforeValidator(directives.fallback_dict)]
_CANON: Mapping[str, Callable[[Any], Any]] = {
    "weights": _weights,
    "quality_gates": directives.said_gates,
    "gates": directives.said_gates,
    "fallback": directives.fallback_dict,
}


#: Headers that carry credentials are not given to rules.
_NEVER_SEEN = ("authorization", "proxy-authorization", "x-api-key", "cookie")


def _hours(text: str, zone: str) -> core_rules.Hours:
    start, end = (
        int(hour) * 60 + int(minute)
        for hour, _, minute in (part.partition(":") for part in text.split("-"))
    )
    return core_rules.Hours(start, end, zone)


class When(Section):
    """What a rule looks at; everything given must hold."""

    project: str | None = None
    key: str | None = None
    task: Task | None = None
    complexity_above: Share | None = None
    complexity_below: Share | None = None
    model: str | None = None
    has_tools: Switch | None = None
    has_images: Switch | None = None
    input_tokens_above: Annotated[Number, Field(ge=0)] | None = None
    input_tokens_below: Annotated[Number, Field(ge=0)] | None = None
    hours: str | None = None  # "22:00-07:00", in the budget's time zone
    header: str | None = None  # "x-name" or "x-name: value"

    @field_validator("hours")
    @classmethod
    def _clock(cls, hours: str | None) -> str | None:
        return None if hours is None else hours_of_day(hours)

    @field_validator("header")
    @classmethod
    def _header(cls, header: str | None) -> str | None:
        if header is None:
            return None
        name = header.partition(":")[0].strip().lower()
        if not re.fullmatch(r"[a-z0-9!#$%&'*+.^_`|~-]+", name):
            raise ValueError("must look like 'x-name' or 'x-name: value'")
        if name in _NEVER_SEEN:
            raise ValueError(f"{name} carries a key: no rule may look at it")
        return header

    def compiled(self, zone: str) -> core_rules.When:
        """The same for the core; hours are read in ``zone``."""
        name, colon, value = (self.header or "").partition(":")
        return core_rules.When(
            project=self.project,
            key=self.key,
            task=self.task,
            complexity_above=self.complexity_above,
            complexity_below=self.complexity_below,
            model=self.model,
            has_tools=self.has_tools,
            has_images=self.has_images,
            tokens_above=self.input_tokens_above,
            tokens_below=self.input_tokens_below,
            hours=None if self.hours is None else _hours(self.hours, zone),
            header=(name.strip().lower(), value.strip() if colon else None) if name else None,
        )


class Then(Section):
    """What a rule does."""

    canon: ClassVar[Mapping[str, Callable[[Any], Any]]] = _CANON

    strategy: Strategy | None = None
    gates: GatesTable = Field(default_factory=dict)
    models: Names = ()
    local_only: Switch = False
    reject: str | None = None


class Rule(Section):
    """``[[routing.rules]]``: the first whose ``when`` holds decides."""

    name: str | None = None
    when: When = When()
    then: Then = Then()

    def compiled(self, number: int, zone: str) -> core_rules.Rule:
        """The same for the core; a rule without a name is called by its ``number``."""
        then = self.then
        near = {"local_only": True} if then.local_only else {}
        return core_rules.Rule(
            self.name or f"rule {number}",
            self.when.compiled(zone),
            Level(
                "rule",
                strategy=then.strategy,
                gates=directives.parse_gates({**then.gates, **near}),
            ),
            then.models,
            then.reject,
        )


class Routing(Section):
    short: ClassVar[Mapping[str, str]] = {"fallback_strategy": "fallback", "gates": "quality_gates"}
    canon: ClassVar[Mapping[str, Callable[[Any], Any]]] = _CANON

    strategy: Strategy = "balanced"
    max_wait_seconds: Annotated[Number, Field(ge=0, le=86_400)] = 5
    prefer_local: Switch | None = None
    # Scarce free quotas are planned over their window. Where more is asked than all of them
    # give, on leaves some requests out, so that those who need more, and more of those who
    # take less, are served; but no money is spent for that, and of few requests a day only
    # what harder ones need is kept. strict does it in any case, off at no time.
    pacing: Pacing = "on"
    cost_tolerance: Annotated[Number, Field(ge=1, le=1000)] | None = None
    # How multi-cast asks, wherever it is chosen; None: as its preset says.
    targets: Annotated[Whole, Field(ge=1, le=TARGETS_MAX)] | None = None
    selection: Annotated[Literal["diverse", "best", "cheapest"], Lower] | None = None
    aggregation: Annotated[Literal["first", "all", "consensus", "best"], Lower] | None = None
    weights: WeightsTable = Field(default_factory=dict)
    quality_gates: GatesTable = Field(default_factory=dict)
    fallback: FallbackTable = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    # Turns of one conversation stay with their model while it passes the gates.
    sessions: Switch = True
    #: Task → [[complexity from, intelligence needed], …]; tasks left out keep the default.
    need: dict[Task, NeedSteps] = Field(default_factory=dict)

    @field_validator("need")
    @classmethod
    def _rising(cls, need: dict[str, Any]) -> dict[str, Any]:
        for steps in need.values():
            needs.checked(steps)
        return need

    def curve(self) -> needs.Curve:
        """How much intelligence tasks need: the owner's steps over the defaults."""
        own = {task: needs.checked(steps) for task, steps in self.need.items()}
        return needs.Curve({**needs.DEFAULTS, **own})

    @field_validator("weights")
    @classmethod
    def _some(cls, weights: dict[str, Any]) -> dict[str, Any]:
        if weights:
            directives.parse_weights(weights)
        return weights

    def level(self) -> Level:
        """What these settings say of policy; the rest is left to the strategy's preset."""
        said: dict[str, Any] = {
            "strategy": self.strategy,
            "maxWaitSeconds": self.max_wait_seconds,
            "preferLocal": self.prefer_local,
            "pacing": self.pacing,
            "costTolerance": self.cost_tolerance,
            "targets": self.targets,
            "selection": self.selection,
            "aggregation": self.aggregation,
            "weights": self.weights or None,
            "qualityGates": self.quality_gates or None,
            "fallback": self.fallback or None,
        }
        return directives.parse_level(said, "settings")


class Hard(Section):
    daily: Dollars | None = None
    monthly: Dollars | None = None
    per_request: Dollars | None = None


class Soft(Section):
    daily: Dollars | None = None
    monthly: Dollars | None = None


class Allocation(Section):
    """One project's share; the project named ``default`` stands for all that are not listed, and
    for each limit that one of those listed does not set."""

    daily: Dollars | None = None
    monthly: Dollars | None = None


Action = Annotated[Literal["warn", "downgrade", "local-only", "block"], Lower]


class Actions(Section):
    on_soft_limit: Action = "warn"
    on_hard_limit: Action = "block"
    on_project_limit: Action = "block"


class Budget(Section):
    short: ClassVar[Mapping[str, str]] = {
        "daily": "hard.daily",
        "monthly": "hard.monthly",
        "per_request": "hard.per_request",
    }

    hard: Hard = Hard()
    soft: Soft = Soft()
    alert_at: Share = 0.8
    timezone: Zone = "UTC"
    # Ten minutes of spending at ten times the usual rate: rare in honest use.
    spike_factor: Annotated[Number, Field(gt=1, le=10_000)] = 10
    spike_stops_paid: Switch = False
    # Tokens of an answer where neither the client nor the registry bounds them: held, and sent.
    output_ceiling: Annotated[Whole, Field(ge=256, le=1_000_000)] = 8_192
    allocations: dict[str, Allocation] = Field(default_factory=dict)
    actions: Actions = Actions()

    @model_validator(mode="after")
    def _soft_below_hard(self) -> Budget:
        for period in ("daily", "monthly"):
            soft, hard = getattr(self.soft, period), getattr(self.hard, period)
            if soft is not None and hard is not None and soft > hard:
                raise ValueError(f"soft.{period} {soft} is more than hard.{period} {hard}")
        return self
