"""What one level says of policy: a mapping in either spelling → ``core.model.Level``.

The one reader of strategy, weights, gates, fallback and waiting, for request
directives, client keys, rules and the settings alike. It checks and converts;
it does not put levels together (``core.policy``) and reads no file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from freeloader.core.model import CAPABILITIES, FallbackPlan, Gates, Level, Weights
from freeloader.errors import InvalidRequest
from freeloader.money import pico_from_usd
from freeloader.settings import read
from freeloader.settings.presets import AGGREGATIONS, SELECTIONS, STRATEGIES, TARGETS_MAX
from freeloader.settings.read import Wrong
from freeloader.settings.spelling import camel, nearest, snake, unknown

# Directives that are not policy: their surface reads them.
CARRIED: frozenset[str] = frozenset({"project", "metadata", "session"})
FALLBACK_MODES = ("quality", "local", "fail", "error")
FALLBACK_STEPS = ("next-cheapest", "faster-model", "upgrade", "local", "retry", "error")
_SHORT = tuple(dict.fromkeys((*FALLBACK_MODES, *FALLBACK_STEPS)))
_PRIORITIES = {"cheap": "cost-first", "balanced": "balanced", "best": "quality-first"}

# The nested forms of gates: part → {name inside → gate}.
_NESTED: Mapping[str, Mapping[str, str]] = {
    "intelligence": {"min": "min_intelligence", "max": "max_intelligence"},
    "speed": {"min": "min_speed", "max": "max_speed"},
    "latency": {"max": "max_latency"},
    "success_rate": {"min": "min_success_rate"},
    "context_window": {"min": "min_context"},
    "context": {"min": "min_context"},
    "providers": {"blocked": "blocked_providers", "allowed": "allowed_providers"},
}
_SAME = {
    "capabilities": "required_capabilities",
    "blocked": "blocked_providers",
    "allowed": "allowed_providers",
}
#: So alike are a name and its misspelling.
_SLIP = 0.75
_SAME_CAPABILITY = {
    "function_calling": "tools",
    "functions": "tools",
    "tool_calls": "tools",
    "json_mode": "json",
    "json_schema": "json",
    "structured_output": "json",
    "structured_outputs": "json",
    "images": "vision",
    "image": "vision",
    "stream": "streaming",
}


def _capabilities(value: Any) -> frozenset[str]:
    """Names of capabilities. A registry overlay may add some, so only a slip is refused."""
    return frozenset(_capability(name) for name in read.names(value))


def _capability(written: str) -> str:
    name = _SAME_CAPABILITY.get(snake(written), written)
    if name not in CAPABILITIES and (close := nearest(name, CAPABILITIES, _SLIP)) is not None:
        raise Wrong(f"unknown capability {written!r}; did you mean {close!r}?")
    return name


_GATES: Mapping[str, Callable[[Any], Any]] = {
    "min_intelligence": read.number(0, 10),
    "max_intelligence": read.number(0, 10),
    "min_speed": read.number(0, 10),
    "max_speed": read.number(0, 10),
    "max_latency": read.number(1, 86_400_000),
    "min_success_rate": read.number(0, 1),
    "min_context": read.integer(0, 10**9),
    "required_capabilities": _capabilities,
    "blocked_providers": read.names,
    "allowed_providers": read.names,
    "block_local": read.flag,
    "local_only": read.flag,
    "no_training": read.flag,
    "free_only": read.flag,
    "paid_only": read.flag,
}
_FALLBACK: Mapping[str, Callable[[Any], Any]] = {
    "on_quota_exceeded": read.one_of(FALLBACK_STEPS),
    "on_latency_timeout": read.one_of(FALLBACK_STEPS),
    "on_quality_failure": read.one_of(FALLBACK_STEPS),
    "max_retries": read.integer(0, 20),
    "retry_delay_ms": read.integer(0, 600_000),
    "mode": read.one_of(FALLBACK_MODES),
}


def parse_gates(value: Any) -> Gates:
    """Gates in flat, nested or mixed form. Raises Wrong, naming the key."""
    return _checked(_flat(value))


def said_gates(value: Any) -> dict[str, Any]:
    """All gates that are said, by snake_case name, JSON-ready; also those that let everything
    through: laid over others, they lift them. Raises Wrong as ``parse_gates`` does."""
    flat = _flat(value)
    _checked(flat)
    return {k: sorted(v) if isinstance(v, frozenset) else v for k, v in flat.items()}


def _flat(value: Any) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, part in read.mapping(value).items():
        name = snake(key)
        inner = _NESTED.get(name)
        if inner is not None:
            with read.within(camel(name)):
                for sub, amount in read.mapping(part).items():
                    if snake(sub) not in inner:
                        raise Wrong(unknown(sub, inner), sub)
                    _gate(flat, inner[snake(sub)], amount, sub)
        else:
            _gate(flat, _SAME.get(name, name), part, key)
    return flat


def _checked(flat: Mapping[str, Any]) -> Gates:
    gates = Gates(**flat)
    _ordered(gates.min_intelligence, gates.max_intelligence, "minIntelligence", "maxIntelligence")
    _ordered(gates.min_speed, gates.max_speed, "minSpeed", "maxSpeed")
    for first, second in (("block_local", "local_only"), ("free_only", "paid_only")):
        if getattr(gates, first) and getattr(gates, second):
            raise Wrong(f"{camel(first)} and {camel(second)} let nothing through", camel(first))
    return gates


def _gate(flat: dict[str, Any], name: str, value: Any, written: str) -> None:
    reader = _GATES.get(name)
    if reader is None:
        known = [camel(k) for k in (*_GATES, *_NESTED, *_SAME)]
        raise Wrong(unknown(written, known), written)
    if value is None:
        return
    if name in flat:
        raise Wrong(f"{camel(name)} is given twice", written)
    with read.within(written):
        flat[name] = reader(value)


def _ordered(low: float | None, high: float | None, low_name: str, high_name: str) -> None:
    if low is not None and high is not None and low > high:
        raise Wrong(f"{low_name} {low:g} is more than {high_name} {high:g}", low_name)


def parse_weights(value: Any) -> Weights:
    """``{"cost", "speed", "quality"}``; one that is not named weighs nothing. Raises Wrong."""
    share = read.number(0, 1000)
    found = read.fields(value, {"cost": share, "speed": share, "quality": share})
    weights = Weights(*(float(found.get(name, 0.0)) for name in ("cost", "speed", "quality")))
    if not weights.cost + weights.speed + weights.quality > 0:
        raise Wrong("at least one of cost, speed, quality must be more than 0")
    return weights


def parse_fallback(value: Any) -> FallbackPlan:
    """The table of the contract, or one of its short forms. Raises Wrong."""
    return FallbackPlan(**fallback_dict(value))


def fallback_dict(value: Any) -> dict[str, Any]:
    """What a ``fallback`` says, by snake_case name, defaults left out. Raises Wrong."""
    if isinstance(value, str):
        word = snake(value).replace("_", "-")
        if word in FALLBACK_MODES:
            return {"mode": word}
        return {"on_quota_exceeded": read.one_of(_SHORT)(value)}
    if isinstance(value, Mapping):
        # The seeds write "fail" where they mean that the client gets the error.
        value = {k: "error" if v == "fail" and snake(k) != "mode" else v for k, v in value.items()}
    return read.fields(value, _FALLBACK)


def _budget(value: Any) -> int:
    limit = read.fields(value, {"per_request": read.money, "max_cost": read.money})
    if not limit:
        raise Wrong('a request\'s budget is {"perRequest": dollars}', "perRequest")
    return min(pico_from_usd(amount) for amount in limit.values())


def _patience(value: Any) -> int:
    """Milliseconds, or ``slow``: as long as a request may take at all."""
    return SLOW_MS if value == "slow" else read.integer(0, SLOW_MS)(value)


def parse_pacing(value: Any) -> str:
    """``on``, ``off`` or ``strict``; a switch is one of the first two."""
    said = value.strip().lower() if isinstance(value, str) else value
    if said in (True, "true", "yes", 1, "1"):
        return "on"
    if said in (False, "false", "no", 0, "0"):
        return "off"
    return read.one_of(PACING)(value)


#: How free quotas are spent: planned; as the strategy likes; kept even where that refuses.
PACING = ("on", "off", "strict")
#: What ``slow`` waits, in ms: more than any request may take, so that the server's bound holds.
SLOW_MS = 86_400_000

_POLICY: Mapping[str, Callable[[Any], Any]] = {
    "strategy": read.one_of(STRATEGIES),
    "weights": parse_weights,
    "prefer_local": read.flag,
    "cost_tolerance": read.number(1, 1000),
    "fallback": parse_fallback,
    "fallback_strategy": parse_fallback,
    "max_wait": _patience,
    "slow": read.flag,
    "pacing": parse_pacing,
    "max_wait_ms": read.integer(0, 86_400_000),
    "max_wait_seconds": read.number(0, 86_400),
    "quality_gates": parse_gates,
    "gates": parse_gates,
    "budget": _budget,
    "max_cost": lambda value: pico_from_usd(read.money(value)),
    "priority": read.one_of(tuple(_PRIORITIES)),
    "latency_pref": read.one_of(("fast", "normal")),
    "targets": read.integer(1, TARGETS_MAX),
    "selection": read.one_of(SELECTIONS),
    "aggregation": read.one_of(AGGREGATIONS),
}
_OF_CAST = ("targets", "selection", "aggregation")
#: What a priority means where the strategy is multi-cast.
_SELECTION_BY_PRIORITY = {"cheap": "cheapest", "best": "best"}
# Every directive's canonical (snake_case) name, so that surfaces can lift them out of a body.
DIRECTIVES: frozenset[str] = frozenset(_POLICY) | CARRIED


def parse_level(
    mapping: Mapping[str, Any], name: str, *, carried: Collection[str] = CARRIED
) -> Level:
    """Read one level's policy. ``name``: ``request | rule | key | project | settings``.

    ``maxWait`` is milliseconds, or ``"slow"`` (the same as ``slow: true``): as long as a
    request may take; ``maxCost`` and ``budget.perRequest`` are dollars.
    Keys in ``carried`` are left to the caller. Raises InvalidRequest with
    ``param``; an unknown key names the nearest known one.
    """
    if not mapping:
        return Level(name)
    readers: dict[str, Callable[[Any], Any]] = dict(_POLICY)
    readers.update((snake(key), lambda value: value) for key in carried)
    try:
        return _level(read.fields(mapping, readers), name)
    except Wrong as wrong:
        raise InvalidRequest(
            f"{wrong.key or name}: {wrong.reason}", param=wrong.key or None
        ) from wrong


def _level(found: Mapping[str, Any], name: str) -> Level:
    for first, second in (("quality_gates", "gates"), ("fallback", "fallback_strategy")):
        if first in found and second in found:
            raise Wrong(f"{camel(first)} says the same; give one of them", camel(second))
    waits = [
        int(value * 1000) if key.endswith("seconds") else value
        for key, value in found.items()
        if key.startswith("max_wait")
    ]
    if found.get("slow"):
        waits.append(SLOW_MS)
    if len(waits) > 1:
        raise Wrong("the waiting time is given twice", "maxWait")
    of_cast = next((key for key in _OF_CAST if key in found), None)
    if name == "request" and of_cast and found.get("strategy") not in (None, "multi-cast"):
        other = found["strategy"]
        raise Wrong(f"belongs to strategy multi-cast, and the strategy is {other}", of_cast)
    costs = [found[key] for key in ("budget", "max_cost") if key in found]
    strategy = found.get("strategy") or _implied(found, name) or _by_priority(found)
    selection = found.get("selection")
    if strategy == "multi-cast" and selection is None:
        selection = _SELECTION_BY_PRIORITY.get(found.get("priority", ""))
    return Level(
        name,
        strategy=strategy,
        weights=found.get("weights"),
        prefer_local=found.get("prefer_local"),
        cost_tolerance=found.get("cost_tolerance"),
        pacing=found.get("pacing"),
        fallback=found.get("fallback", found.get("fallback_strategy")),
        max_wait_ms=waits[0] if waits else None,
        gates=found.get("quality_gates") or found.get("gates") or Gates(),
        max_cost=min(costs) if costs else None,
        targets=found.get("targets"),
        selection=selection,
        aggregation=found.get("aggregation"),
    )


def _implied(found: Mapping[str, Any], name: str) -> str | None:
    """A request that says how to multi-cast means multi-cast. Settings only say how, if ever."""
    said = next((key for key in _OF_CAST if key in found), None)
    if said is None or name != "request":
        return None
    return "multi-cast"


def _by_priority(found: Mapping[str, Any]) -> str | None:
    """The second seed's words. "fast" decides unless the priority is cheap or best."""
    priority = found.get("priority")
    if found.get("latency_pref") == "fast" and priority not in ("cheap", "best"):
        return "speed-first"
    return _PRIORITIES.get(priority) if priority else None
