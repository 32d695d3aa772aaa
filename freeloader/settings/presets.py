"""The strategies a setting or directive may name; what each brings along is ``core.policy``'s."""

from __future__ import annotations

from freeloader.core.policy import PRESETS

#: Those that are built, and those of the contract that a later release builds.
UNBUILT = ("multi-cast",)
STRATEGIES: tuple[str, ...] = (*PRESETS, *UNBUILT)
