"""Policy: preferences and constraints of all levels put together, and what changes them.

``levels`` combines them, ``rules`` are the owner's own cases, ``load`` bends preferences
while the house is full.
"""

from freeloader.core.policy.levels import CAST, PRESETS, combine, patient, tighten

__all__ = ["CAST", "PRESETS", "combine", "patient", "tighten"]
