"""What is allowed and wished: gates, preferences, one level of them, and all put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from freeloader.core.model.nothing import EMPTY


@dataclass(frozen=True, slots=True)
class Weights:
    """Shares of the three score terms; non-negative, they need not add up to 1."""

    cost: float = 0.4
    speed: float = 0.4
    quality: float = 0.2


@dataclass(frozen=True, slots=True)
class Gates:
    """Constraints. ``None`` and empty mean: no such constraint.

    Latency in ms; intelligence and speed 1–10; success rate 0–1; context in tokens.
    """

    min_intelligence: float | None = None
    max_intelligence: float | None = None
    min_speed: float | None = None
    max_speed: float | None = None
    max_latency: float | None = None
    min_success_rate: float | None = None
    min_context: int | None = None
    required_capabilities: frozenset[str] = frozenset()
    blocked_providers: frozenset[str] = frozenset()
    allowed_providers: frozenset[str] | None = None
    block_local: bool = False
    local_only: bool = False
    no_training: bool = False
    free_only: bool = False
    paid_only: bool = False


@dataclass(frozen=True, slots=True)
class FallbackPlan:
    """What to do after a failed attempt; values as in the contract's ``fallback``."""

    on_quota_exceeded: str = "next-cheapest"
    on_latency_timeout: str = "faster-model"
    on_quality_failure: str = "upgrade"
    max_retries: int = 3
    retry_delay_ms: int = 1000
    mode: str | None = None  # "quality" | "local" | "fail" | "error"


@dataclass(frozen=True, slots=True)
class Level:
    """What one level (request, rule, key, project, settings) says of policy.

    ``None`` means that the level says nothing of it. ``max_cost`` is picodollars.
    ``targets``, ``selection`` and ``aggregation`` speak of multi-cast alone.
    """

    name: str
    strategy: str | None = None
    weights: Weights | None = None
    prefer_local: bool | None = None
    cost_tolerance: float | None = None
    fallback: FallbackPlan | None = None
    max_wait_ms: int | None = None
    pacing: str | None = None
    gates: Gates = Gates()
    max_cost: int | None = None
    targets: int | None = None
    selection: str | None = None
    aggregation: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """All levels put together: preferences by the nearest, constraints by intersection.

    ``origins`` names, per part, the level it came from. ``order`` and ``above`` are a
    fallback's: another order than the strategy's (``price | latency``), and the
    intelligence above which candidates are preferred and below which none is taken. ``load``
    is the state that bent the weights, ``skip_slow`` puts slow and local ones back.
    ``stated_latency`` is the tightest maxLatency (ms) that a level stated, and which: not the
    preset's. Of multi-cast: how many ``targets`` at different providers, their ``selection``
    (``diverse | best | cheapest``), and the ``aggregation`` of answers (``first | all |
    consensus | best``).
    """

    strategy: str = "balanced"
    weights: Weights = Weights()
    prefer_local: bool = False
    cost_tolerance: float = 2.0
    fallback: FallbackPlan = FallbackPlan()
    max_wait_ms: int = 5000
    pacing: str = "on"
    gates: Gates = Gates()
    max_cost: int | None = None
    targets: int = 3
    selection: str = "diverse"
    aggregation: str = "first"
    origins: Mapping[str, str] = EMPTY
    order: str | None = None
    above: float | None = None
    load: str = "normal"
    skip_slow: bool = False
    stated_latency: tuple[float, str] | None = None
