"""Which names in the settings must be slips: a rule or a wall that names nobody does nothing.

Settings alone cannot know: what is a provider, the registry and the accounts say. What is
misspelt is refused when it is written (``manage.config``), and shown as a problem where the
file has it already; a provider that is merely not here yet may be named.
"""

from __future__ import annotations

from collections.abc import Iterator

from freeloader.catalog.stated import Stated
from freeloader.core.model import Gates
from freeloader.errors import InvalidRequest
from freeloader.settings import Settings


def slips(settings: Settings, stated: Stated) -> tuple[str, ...]:
    """A line for each: the setting, what it names, and what is likely meant."""
    return tuple(_slips(settings, stated))


def _slips(settings: Settings, stated: Stated) -> Iterator[str]:
    yield from _of_gates("routing.quality_gates", settings.level().gates, stated)
    for number, rule in enumerate(settings.rules(), 1):
        place = f"routing.rules[{number}].then"
        yield from _of_gates(f"{place}.gates", rule.level.gates, stated)
        for name in rule.models:
            yield from _of_model(f"{place}.models", name, stated)
    for alias, name in settings.models.aliases.items():
        yield from _of_model(f"models.aliases.{alias}", name, stated)
    if settings.models.premium is not None:
        yield from _of_model("models.premium", settings.models.premium, stated)
    for name in settings.upstream.provider_seconds:
        if (close := stated.provider_slip(name)) is not None:
            yield _line("upstream.provider_seconds", name, close)


def _of_gates(place: str, gates: Gates, stated: Stated) -> Iterator[str]:
    try:
        stated.check(gates)
    except InvalidRequest as slip:
        yield slip.message.replace("qualityGates", place, 1)


def _of_model(place: str, name: str, stated: Stated) -> Iterator[str]:
    if (close := stated.model_slip(name)) is not None:
        yield _line(place, name, close)


def _line(place: str, name: str, close: str) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in name[:80])
    return f"{place}: {shown!r} names an unknown provider; did you mean '{close}'?"
