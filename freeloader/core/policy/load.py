"""How loaded the house is, and what that changes: normal, warning, critical.

Pure: a measurement in, the next state out. Up goes at once; down only after a whole
cooldown of measurements that stayed clearly (a fifth) below what had raised it. Under
warning the weights prefer speed; under critical slow and local models are put back too
(``core.routing.soft``), unless the request must be local. No constraint is ever loosened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from freeloader.core.model import Policy, Weights

LEVELS = ("normal", "warning", "critical")
#: What a balanced request weighs while the house is loaded (contract §3).
LOADED = Weights(0.2, 0.7, 0.1)
#: Below this speed (1–10) a model is put back while the load is critical.
SLOW = 7.0
#: A value counts as below its threshold again at this share of it.
CLEAR = 0.8
#: With fewer answers than this a p95 or a rate of errors says nothing.
MIN_SAMPLES = 10


class Pair(NamedTuple):
    """When a value is a warning, and when critical; reached is enough."""

    warning: float
    critical: float


QUEUE, P95_MS, ERROR_RATE = Pair(10, 50), Pair(2_000, 5_000), Pair(0.05, 0.15)


@dataclass(frozen=True, slots=True)
class LoadRules:
    """``[load_monitoring]``, as the core is given it."""

    enabled: bool = True
    queue: Pair = QUEUE
    p95_ms: Pair = P95_MS
    error_rate: Pair = ERROR_RATE
    prefer_faster: bool = True
    block_slow: bool = True
    cooldown_s: float = 300.0


class Measured(NamedTuple):
    """Requests in flight; of the last minute's attempts: how many, p95 (ms) until the first
    word (of a JSON answer: until all of it), share that failed."""

    queue: int = 0
    samples: int = 0
    p95_ms: float | None = None
    error_rate: float | None = None


class State(NamedTuple):
    """``since`` and ``calm`` are monotonic seconds: when the level began, and since when it
    has been measured clearly below (None: it is not)."""

    level: str = "normal"
    since: float = 0.0
    calm: float | None = None
    why: str = ""


def step(state: State, found: Measured, rules: LoadRules, now: float) -> State:
    """The state after one measurement."""
    if not rules.enabled:
        return state if state.level == "normal" else State("normal", now)
    level, why = _level(found, rules, 1.0)
    if _rank(level) > _rank(state.level):
        return State(level, now, None, why)
    clear, why_still = _level(found, rules, CLEAR)
    if _rank(clear) >= _rank(state.level):
        return state._replace(calm=None)
    if state.calm is None:
        state = state._replace(calm=now)
    if now - (state.calm or 0.0) >= rules.cooldown_s:
        return State(clear, now, None, why_still)
    return state


def _rank(level: str) -> int:
    return LEVELS.index(level)


def _level(found: Measured, rules: LoadRules, share: float) -> tuple[str, str]:
    """The worst of the three values, each against its thresholds times ``share``."""
    enough = found.samples >= MIN_SAMPLES
    said = [
        (float(found.queue), rules.queue, f"{found.queue} requests in flight"),
        (found.p95_ms if enough else None, rules.p95_ms, f"p95 {found.p95_ms or 0:,.0f} ms"),
        (
            found.error_rate if enough else None,
            rules.error_rate,
            f"{found.error_rate or 0:.0%} of attempts failed",
        ),
    ]
    worst, why = "normal", ""
    for value, pair, words in said:
        level = _against(value, pair, share)
        if _rank(level) > _rank(worst):
            worst, why = level, words
    return worst, why


def _against(value: float | None, pair: Pair, share: float) -> str:
    if value is None or value <= 0:
        return "normal"
    if value >= pair.critical * share:
        return "critical"
    return "warning" if value >= pair.warning * share else "normal"


def loaded(policy: Policy, level: str, rules: LoadRules) -> Policy:
    """The policy as it is under load. What a request said of its weights itself, stands."""
    if level == "normal":
        return policy
    if rules.prefer_faster and policy.origins.get("weights") != "request":
        origins: Mapping[str, Any] = MappingProxyType({**policy.origins, "weights": "load"})
        policy = replace(policy, weights=LOADED, origins=origins)
    skipping = level == "critical" and rules.block_slow and not policy.gates.local_only
    return replace(policy, load=level, skip_slow=skipping)
