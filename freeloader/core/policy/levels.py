"""Levels → one Policy: preferences by the nearest, constraints by intersection.

Levels are given nearest first (request, rule, key, project, settings). A
preference is taken whole from the first level that states it; constraints of
all levels apply together, so a request can tighten and never loosen. Each part
remembers the level it came from. Presets are levels too: the strategy's own
defaults stand behind every level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from freeloader.core.model import FallbackPlan, Gates, Level, Policy, Weights

#: Contract §3's table of presets, on our intelligence scale. A preset's gates bind
#: like any other constraint once its strategy is chosen.
PRESETS: Mapping[str, Level] = MappingProxyType(
    {
        "balanced": Level(
            "preset", weights=Weights(0.4, 0.4, 0.2), gates=Gates(max_latency=10_000)
        ),
        "cost-first": Level(
            "preset",
            weights=Weights(1.0, 0.0, 0.0),
            gates=Gates(min_intelligence=2, max_latency=5_000),
            fallback=FallbackPlan(mode="quality"),
        ),
        "speed-first": Level(
            "preset",
            weights=Weights(0.0, 1.0, 0.0),
            gates=Gates(min_intelligence=2, max_latency=2_000, block_local=True),
            cost_tolerance=2.0,
        ),
        "quality-first": Level(
            "preset",
            weights=Weights(0.0, 0.0, 1.0),
            gates=Gates(min_intelligence=7, max_latency=30_000),
            fallback=FallbackPlan(mode="error"),
        ),
        "local-first": Level("preset", weights=Weights(0.4, 0.4, 0.2), prefer_local=True),
        "priority": Level("preset", weights=Weights(0.4, 0.4, 0.2)),
        "multi-cast": Level("preset", weights=Weights(0.4, 0.4, 0.2)),
    }
)

#: Contract §3: what multi-cast does where no level says otherwise.
CAST = Level("preset", targets=3, selection="diverse", aggregation="first")

_NO_GATES = Gates()
_LARGER_IS_TIGHTER = ("min_intelligence", "min_speed", "min_success_rate", "min_context")
_SMALLER_IS_TIGHTER = ("max_intelligence", "max_speed", "max_latency")
_FLAGS = ("block_local", "local_only", "no_training", "free_only", "paid_only")
_PREFERENCES = (
    "strategy",
    "weights",
    "prefer_local",
    "cost_tolerance",
    "fallback",
    "max_wait_ms",
    "pacing",
)
#: Nothing but multi-cast reads these, so no preset stands before the settings' own.
_OF_CAST = ("targets", "selection", "aggregation")


def combine(levels: Sequence[Level]) -> Policy:
    """The policy of a request, from its levels, nearest first.

    Most requests come with the same levels as the one before: the last few
    hundred combinations are remembered.
    """
    return _combine(tuple(levels))


def patient(policy: Policy) -> Policy | None:
    """The policy without the latency limit that only its strategy's preset set; None: it has none.

    A preset prefers quick answers; it must not turn a slow one into no answer, nor
    refuse a model that was named.
    """
    if policy.gates.max_latency is None or policy.origins.get("max_latency") != "preset":
        return None
    origins = {part: level for part, level in policy.origins.items() if part != "max_latency"}
    stated = policy.stated_latency
    if stated is not None:
        origins["max_latency"] = stated[1]
    gates = replace(policy.gates, max_latency=None if stated is None else stated[0])
    return replace(policy, gates=gates, origins=MappingProxyType(origins))


@lru_cache(maxsize=256)
def _combine(levels: tuple[Level, ...]) -> Policy:
    chosen: dict[str, Any] = {}
    origins: dict[str, str] = {}
    strategy = next((lv.strategy for lv in levels if lv.strategy), "balanced")
    preset = PRESETS.get(strategy, PRESETS["balanced"])
    # The nearest wins, but weights a settings file states for its own default
    # strategy must not bend the strategy that a request chose: a preset stands
    # directly behind the level that named it.
    for name in _PREFERENCES:
        for level in _with_preset(levels, strategy, preset):
            value = getattr(level, name)
            if value is not None:
                chosen[name] = value
                origins[name] = level.name
                break
    for name in _OF_CAST:
        stated = next(lv for lv in (*levels, CAST) if getattr(lv, name) is not None)
        chosen[name] = getattr(stated, name)
        if strategy == "multi-cast":
            origins[name] = stated.name
    gates = tighten(_with_preset(levels, strategy, preset), origins)
    by: dict[str, str] = {}
    latency = _extreme(min, "latency", levels, _gate("max_latency"), by)
    return Policy(
        **chosen,
        gates=gates,
        stated_latency=None if latency is None else (latency, by["latency"]),
        max_cost=_extreme(min, "max_cost", levels, lambda lv: lv.max_cost, origins),
        origins=MappingProxyType(origins),
    )


def _with_preset(levels: Sequence[Level], strategy: str, preset: Level) -> Iterable[Level]:
    placed = False
    for level in levels:
        yield level
        if not placed and level.strategy == strategy:
            placed = True
            yield preset
    if not placed:
        yield preset


def tighten(levels: Iterable[Level], origins: dict[str, str] | None = None) -> Gates:
    """All levels' gates at once; ``origins`` is told which level set each part."""
    every = [level for level in levels if level.gates != _NO_GATES]
    if not every:
        return _NO_GATES
    told = {} if origins is None else origins
    out: dict[str, Any] = {}
    for name in _LARGER_IS_TIGHTER:
        out[name] = _extreme(max, name, every, _gate(name), told)
    for name in _SMALLER_IS_TIGHTER:
        out[name] = _extreme(min, name, every, _gate(name), told)
    for name in _FLAGS:
        setter = next((lv.name for lv in every if getattr(lv.gates, name)), None)
        out[name] = setter is not None
        if setter is not None:
            told[name] = setter
    for name in ("required_capabilities", "blocked_providers"):
        out[name] = frozenset().union(*(getattr(lv.gates, name) for lv in every))
        if out[name]:
            told[name] = "+".join(lv.name for lv in every if getattr(lv.gates, name))
    allowed = [lv for lv in every if lv.gates.allowed_providers is not None]
    if allowed:
        sets = [lv.gates.allowed_providers or frozenset() for lv in allowed]
        out["allowed_providers"] = frozenset.intersection(*sets)
        told["allowed_providers"] = "+".join(lv.name for lv in allowed)
    return Gates(**out)


def _gate(name: str) -> Callable[[Level], Any]:
    return lambda level: getattr(level.gates, name)


def _extreme(
    pick: Callable[..., Any],
    name: str,
    levels: Sequence[Level],
    get: Callable[[Level], Any],
    origins: dict[str, str],
) -> Any:
    """The tightest stated value, by ``max`` or ``min``; ``origins`` is told whose it is."""
    stated = [(value, level.name) for level in levels if (value := get(level)) is not None]
    if not stated:
        return None
    value, origins[name] = pick(stated, key=lambda pair: pair[0])
    return value
