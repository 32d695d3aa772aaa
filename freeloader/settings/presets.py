"""The strategies by name and what each brings along, as data (contract §3).

A preset belongs to the strategy that ends up in force: it is applied once the
nearest level has named the strategy, and is not a constraint of the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from freeloader.core.model import Gates, Weights

STRATEGIES: tuple[str, ...] = (
    "balanced",
    "cost-first",
    "speed-first",
    "quality-first",
    "local-first",
    "priority",
    "multi-cast",
)


_EVEN = Weights()
_OPEN = Gates()


@dataclass(frozen=True, slots=True)
class Preset:
    """What a strategy brings where no level says otherwise. ``mode`` is ``FallbackPlan.mode``."""

    weights: Weights = _EVEN
    gates: Gates = _OPEN
    mode: str | None = None
    cost_tolerance: float = 2.0
    prefer_local: bool = False
    targets: int = 1
    selection: str = "diverse"
    aggregation: str = "first"


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "balanced": Preset(Weights(0.4, 0.4, 0.2), Gates(max_latency=10_000)),
        "cost-first": Preset(
            Weights(1.0, 0.0, 0.0), Gates(min_intelligence=2, max_latency=5_000), mode="quality"
        ),
        "speed-first": Preset(
            Weights(0.0, 1.0, 0.0),
            Gates(min_intelligence=2, max_latency=2_000, block_local=True),
            cost_tolerance=2.0,
        ),
        "quality-first": Preset(
            Weights(0.0, 0.0, 1.0), Gates(min_intelligence=7, max_latency=30_000), mode="error"
        ),
        "local-first": Preset(prefer_local=True),
        "priority": Preset(),
        "multi-cast": Preset(targets=3, selection="diverse", aggregation="first"),
    }
)
