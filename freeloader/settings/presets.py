"""The strategies a setting or directive may name; what each brings along is ``core.policy``'s."""

from __future__ import annotations

from freeloader.core.policy import PRESETS

STRATEGIES: tuple[str, ...] = tuple(PRESETS)
#: Of multi-cast (contract §3): whom it asks, and what becomes of the answers.
SELECTIONS = ("diverse", "best", "cheapest")
AGGREGATIONS = ("first", "all", "consensus", "best")
#: More answers than this to one question are a batch, not a multi-cast.
TARGETS_MAX = 10
