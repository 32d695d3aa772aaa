"""Where settings come from: a mapping or the environment → keys as our models spell them.

Finds unknown keys, keys given twice and short forms, and remembers which
source each value came from. It judges no value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from freeloader.settings.read import Wrong
from freeloader.settings.spelling import snake, unknown
from freeloader.settings.types import Section

_DEPTH_MAX = 8


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: in which file or variable, at which key, and why."""

    file: str
    key: str
    reason: str

    def as_dict(self) -> dict[str, str]:
        return {"file": self.file, "key": self.key, "reason": self.reason}


@dataclass(slots=True)
class Layer:
    """One source's values, by our spelling, with what was wrong in it."""

    source: str
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def tidy(model: type[BaseModel], mapping: Mapping[str, Any], source: str) -> Layer:
    """Spell the keys of ``mapping`` as ``model`` does; what cannot be is a problem."""
    layer = Layer(source)
    layer.values = _tidy(model, mapping, (), layer)
    return layer


def _tidy(
    model: type[BaseModel], mapping: Mapping[str, Any], at: tuple[str, ...], layer: Layer
) -> dict[str, Any]:
    keys = spelt(model)
    short: Mapping[str, str] = getattr(model, "short", {})
    canon: Mapping[str, Callable[[Any], Any]] = getattr(model, "canon", {})
    found: dict[str, Any] = {}
    for written, value in mapping.items():
        here = (*at, str(written))
        place = short.get(snake(str(written)), snake(str(written))).split(".")
        if place[0] not in keys:
            known = [*keys, *(name for name in short if name not in keys)]
            layer.problems.append(
                Problem(layer.source, ".".join(here), unknown(str(written), known))
            )
            continue
        if value is None:
            continue
        annotation = keys[place[0]]
        try:
            if place[0] in canon:
                tidied = canon[place[0]](value)
            else:
                tidied = value if len(place) > 1 else _value(annotation, value, here, layer)
        except Wrong as wrong:
            key = ".".join(here) + (f".{wrong.key}" if wrong.key else "")
            layer.problems.append(Problem(layer.source, key, wrong.reason))
            continue
        if not _put(found, place, tidied):
            layer.problems.append(Problem(layer.source, ".".join(here), "is given twice"))
    return found


def _put(found: dict[str, Any], place: list[str], value: Any) -> bool:
    """Set ``found[place…]``; tables are joined. False if a value was there before."""
    for name in place[:-1]:
        inner = found.setdefault(name, {})
        if not isinstance(inner, dict):
            return False
        found = inner
    last = place[-1]
    if isinstance(value, dict) and isinstance(found.get(last), dict):
        return all(_put(found[last], [name], part) for name, part in value.items())
    if last in found:
        return False
    found[last] = value
    return True


def _value(annotation: Any, value: Any, at: tuple[str, ...], layer: Layer) -> Any:
    inner = _section(annotation)
    if inner is not None:
        if isinstance(value, Mapping):
            return _tidy(inner, value, at, layer)
        raise Wrong("must be a table")
    arguments = get_args(annotation)
    if get_origin(annotation) in (dict, tuple) and arguments:
        part = _section(arguments[1] if get_origin(annotation) is dict else arguments[0])
        if part is not None and isinstance(value, Mapping):
            return {
                name: _tidy(part, one, (*at, str(name)), layer) if isinstance(one, Mapping) else one
                for name, one in value.items()
            }
        if part is not None and isinstance(value, list):
            return [
                _tidy(part, one, (*at, str(i)), layer) if isinstance(one, Mapping) else one
                for i, one in enumerate(value)
            ]
    return value


def spelt(model: type[BaseModel]) -> dict[str, Any]:
    """The keys of a section as written in the file, with their types."""
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def _section(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def respell(model: type[BaseModel], values: Mapping[str, Any], how: Callable[[str], str]) -> Any:
    """``values`` with the keys that are ours respelt; names that users chose stay."""
    keys = spelt(model)
    shown: dict[str, Any] = {}
    for name, value in values.items():
        annotation = keys.get(name)
        inner = _section(annotation)
        arguments = get_args(annotation)
        chosen = get_origin(annotation) is dict and arguments and name not in _CANONICAL
        part = _section(arguments[-1] if chosen else arguments[0]) if arguments else None
        if inner is not None and isinstance(value, Mapping):
            value = respell(inner, value, how)
        elif part is not None and isinstance(value, Mapping):
            value = {key: respell(part, one, how) for key, one in value.items()}
        elif part is not None and isinstance(value, list):
            value = [respell(part, one, how) for one in value]
        elif isinstance(value, Mapping) and name in _CANONICAL:
            value = {how(key): one for key, one in value.items()}
        shown[how(name)] = value
    return shown


# Tables whose keys are ours though they are plain mappings (read by ``directives``).
_CANONICAL = frozenset({"weights", "quality_gates", "gates", "fallback"})


def leaves(values: Mapping[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The dotted places of all values that are not tables."""
    for name, value in values.items():
        if isinstance(value, Mapping) and len(at) < _DEPTH_MAX:
            yield from leaves(value, (*at, name))
        else:
            yield (*at, name)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid over ``base``, table by table."""
    joined = dict(base)
    for name, value in over.items():
        below = joined.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            joined[name] = merge(below, value)
        else:
            joined[name] = value
    return joined


def decoded(text: str, annotation: Any = None) -> Any:
    """A value from the environment: JSON where it is JSON of that kind, else the text itself."""
    stripped = text.strip()
    if annotation is str or not stripped or stripped[0] not in '[{-0123456789tfn"':
        return text
    try:
        return json.loads(stripped)
    except ValueError:
        return text


__all__ = ["Layer", "Problem", "Section", "decoded", "leaves", "merge", "respell", "spelt", "tidy"]
