"""Which settings are kept but not acted on yet: said aloud, so that nobody relies on them.

A setting moves out of here with the release that builds it. Pure.
"""

from __future__ import annotations

from freeloader.settings.model import Settings


def unbuilt(settings: Settings) -> tuple[str, ...]:
    """One sentence per setting that differs from its default and has no effect yet."""
    defaults = Settings()
    said = {
        "benchmarking": settings.benchmarking != defaults.benchmarking,
    }
    return tuple(
        f"{name} is kept but has no effect yet: a later release builds it."
        for name, changed in said.items()
        if changed
    )
