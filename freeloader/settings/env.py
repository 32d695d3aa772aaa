"""Settings from the environment: ``XSWARM_<SECTION>__<NAME>`` and the second seed's names.

Works on the mapping it is given; only the composition root and the command
line hand in the real environment. Provider keys are not read here
(``manage.onboard`` takes them over).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from freeloader.settings.read import Wrong
from freeloader.settings.sources import Layer, Problem, merge, spelt, tidy
from freeloader.settings.spelling import nearest, snake, unknown

PREFIX = "XSWARM_"
# A provider's timeout of 1,000 or more can only have meant milliseconds.
_SURELY_MS = 1000.0
_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})
_FALSE = frozenset({"0", "false", "no", "off", "n", "f", ""})


def seconds(text: str) -> float:
    """``30``, ``30s``, ``1500ms``; a bare number of 1,000 or more is milliseconds. Raises Wrong."""
    lowered = text.strip().lower()
    unit = 1.0
    if lowered.endswith("ms"):
        lowered, unit = lowered[:-2], 0.001
    elif lowered.endswith("s"):
        lowered = lowered[:-1]
    try:
        value = float(lowered)
    except ValueError:
        raise Wrong("must be a number of seconds, such as 30 (or 1500ms)") from None
    if unit == 1.0 and value >= _SURELY_MS:
        unit = 0.001
    if not 0 < value * unit <= 86_400:
        raise Wrong("must be more than 0 and at most a day")
    return value * unit


def whole(text: str) -> int:
    """A whole number. Raises Wrong."""
    try:
        return int(text.strip())
    except ValueError:
        raise Wrong("must be a whole number") from None


def truth(text: str) -> bool:
    """``true``/``false`` in the usual words. Raises Wrong."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Wrong("must be true or false")


# The second seed's variables: where each belongs, and how its text is read.
SEED_NAMES: Mapping[str, tuple[tuple[str, ...], Callable[[str], Any]]] = {
    "SWARMROUTER_OVERFLOW_TIMEOUT": (("upstream", "first_byte_seconds"), seconds),
    "SWARMROUTER_MAX_RETRIES": (("routing", "fallback", "max_retries"), whole),
    "SWARMROUTER_LOG_LEVEL": (("logging", "level"), str.strip),
    "LMSTUDIO_TIMEOUT": (("upstream", "provider_seconds", "lm_studio"), seconds),
}
ENABLED_NAMES: Mapping[str, str] = {
    "LMSTUDIO_ENABLED": "lm_studio",
    "OPENROUTER_ENABLED": "openrouter",
    "AZURE_ENABLED": "azure",
}


def layers(model: type[BaseModel], environ: Mapping[str, str]) -> list[Layer]:
    """One layer per variable that sets something, the weaker (second seed's) first."""
    found = [
        _seed(model, name, place, reader, environ[name])
        for name, (place, reader) in SEED_NAMES.items()
        if environ.get(name, "").strip()
    ]
    names = sorted(n for n in environ if n.startswith(PREFIX) and "__" in n[len(PREFIX) :])
    return found + [_ours(model, name, environ[name]) for name in names]


def disabled_providers(environ: Mapping[str, str]) -> tuple[frozenset[str], list[Problem]]:
    """Providers that ``{LMSTUDIO,OPENROUTER,AZURE}_ENABLED`` switch off at key take-over."""
    off: set[str] = set()
    problems: list[Problem] = []
    for name, provider in ENABLED_NAMES.items():
        if name not in environ:
            continue
        try:
            if not truth(environ[name]):
                off.add(provider)
        except Wrong as wrong:
            problems.append(Problem(name, name, wrong.reason))
    return frozenset(off), problems


def _seed(
    model: type[BaseModel],
    name: str,
    place: tuple[str, ...],
    reader: Callable[[str], Any],
    text: str,
) -> Layer:
    try:
        return tidy(model, _nested(place, reader(text)), name)
    except Wrong as wrong:
        return Layer(name, problems=[Problem(name, ".".join(place), wrong.reason)])


def _ours(model: type[BaseModel], name: str, text: str) -> Layer:
    place = tuple(part.lower() for part in name[len(PREFIX) :].split("__"))
    if not all(place):
        return Layer(name, problems=[Problem(name, ".".join(place), "is not a setting's name")])
    if place[0] not in spelt(model):
        reason = unknown(place[0], spelt(model))
        close = nearest(place[0], spelt(model))
        if close is not None:
            reason += f" ({PREFIX}{close.upper()}__...)"
        return Layer(name, problems=[Problem(name, ".".join(place), reason)])
    try:
        return tidy(model, _nested(place, _decoded(model, place, text)), name)
    except Wrong as wrong:
        return Layer(name, problems=[Problem(name, ".".join(place), wrong.reason)])


def _nested(place: Iterable[str], value: Any) -> dict[str, Any]:
    first, *rest = place
    return {first: _nested(rest, value) if rest else value}


def _decoded(model: type[BaseModel], place: tuple[str, ...], text: str) -> Any:
    """The text of a variable, decoded as far as its key's type asks for; pydantic does the rest."""
    at: Any = model
    for name in place:
        if isinstance(at, type) and issubclass(at, BaseModel):
            if snake(name) in getattr(at, "canon", {}) or name in getattr(at, "short", {}):
                return _as_json(text, strict=False)
            at = spelt(at).get(name)
        elif get_origin(at) is dict:
            at = get_args(at)[1]
        else:
            return text
    if isinstance(at, type) and issubclass(at, BaseModel):
        return _as_json(text, strict=True)
    if get_origin(at) is dict:
        return _as_json(text, strict=True)
    if get_origin(at) is tuple and text.lstrip().startswith("["):
        return _as_json(text, strict=True)
    return text


def _as_json(text: str, *, strict: bool) -> Any:
    """JSON, else (unless ``strict``) the text. Numbers and words that JSON knows are decoded."""
    try:
        return json.loads(text)
    except ValueError:
        if strict:
            raise Wrong("must be JSON") from None
        return text


def together(found: Iterable[Layer]) -> dict[str, Any]:
    """All layers as one mapping, the later over the earlier."""
    values: dict[str, Any] = {}
    for layer in found:
        values = merge(values, layer.values)
    return values
