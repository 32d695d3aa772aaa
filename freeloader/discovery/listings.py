"""What a provider's own model list says of each model, by a mapping that is registry data. Pure.

A mapping (``endpoints.listing``) names places in an entry: ``a.b`` is a path, a list
of paths means the first that is there. A condition is a path (true, or not empty), or
``path=value`` (equal, or one of a list). Whatever is missing or odd is None: nothing
is guessed. Comparing with the registry is ``offers``' business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

MODELS_MAX = 5000
_LISTS = ("data", "models", "result", "items", "results")
_ID_MAX = 300
#: Dollars per million tokens above which a number is taken for a mistake of ours or theirs.
_DEAREST = Decimal(100_000)
_TOKENS_MAX = 100_000_000
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})")

#: What lists say without a mapping of their own; a provider's mapping goes before.
USUAL: Mapping[str, Any] = MappingProxyType(
    {
        "id": ["id", "name", "model"],
        "context": ["context_window", "context_length", "max_context_length", "max_model_len"],
        "maxOutput": ["max_completion_tokens", "max_output_tokens"],
        "deprecatedOn": ["deprecation", "deprecation_date", "deprecated_on"],
        "replacedBy": ["deprecation_replacement_model", "replacement"],
    }
)


class NotAList(ValueError):
    """The answer is not a model list of any shape that we know."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry. ``pricing`` is in dollars per million tokens (per request and image: dollars).

    ``capabilities`` None: the list does not say; ``covers`` are those it would name.
    ``free`` None: it does not say.
    """

    id: str
    context: int | None = None
    max_output: int | None = None
    pricing: Mapping[str, float] | None = None
    capabilities: tuple[str, ...] | None = None
    covers: tuple[str, ...] = ()
    free: bool | None = None
    deprecated_on: str | None = None
    replaced_by: str | None = None

    def document(self) -> dict[str, Any]:
        """What the list knows, as a model's entry in a registry document; the rest is left out."""
        found: dict[str, Any] = {
            "context": self.context,
            "maxOutput": self.max_output,
            "pricing": dict(self.pricing) if self.pricing is not None else None,
            "capabilities": list(self.capabilities) if self.capabilities is not None else None,
            "free": self.free,
            "deprecatedOn": self.deprecated_on,
            "replacedBy": self.replaced_by,
        }
        return {name: value for name, value in found.items() if value is not None}


def read(body: Any, mapping: Mapping[str, Any]) -> tuple[Listed, ...]:
    """The chat models of a list, in its order, each once. Raises NotAList."""
    spec = {**USUAL, **mapping}
    found: dict[str, Listed] = {}
    for entry in _entries(body, spec.get("items")):
        listed = _listed(entry, spec)
        if listed is not None:
            found.setdefault(listed.id, listed)
        if len(found) >= MODELS_MAX:
            break
    return tuple(found.values())


def _entries(body: Any, items: str | None) -> Iterable[Any]:
    if items is not None:
        at = body if items == "" else value_at(body, items)
        if isinstance(at, list):
            return at
        raise NotAList(f"there is no list at {items or 'the top'}")
    if isinstance(body, list):
        return body
    if isinstance(body, Mapping):
        for key in _LISTS:
            if isinstance(body.get(key), list):
                return list(body[key])
    raise NotAList("the answer holds no list of models")


def _listed(entry: Any, spec: Mapping[str, Any]) -> Listed | None:
    if isinstance(entry, str):
        entry = {"id": entry}
    if not isinstance(entry, Mapping):
        return None
    name = _name(entry, spec["id"])
    wanted = spec.get("chat")
    if name is None or (wanted is not None and not holds(entry, wanted)):
        return None
    if "active" in spec and value_at(entry, spec["active"]) is False:
        return None
    pricing = _pricing(entry, spec.get("pricing"))
    return Listed(
        id=name,
        context=_count(_first(entry, spec["context"])),
        max_output=_count(_first(entry, spec["maxOutput"])),
        pricing=pricing,
        capabilities=_capabilities(entry, spec.get("capabilities")),
        covers=tuple(spec.get("capabilities") or ()),
        free=_free(pricing) if spec.get("freeByPrice") else None,
        deprecated_on=_day(_first(entry, spec["deprecatedOn"])),
        replaced_by=_text(_first(entry, spec["replacedBy"])),
    )


def value_at(entry: Any, path: str) -> Any:
    """The value at a dotted path; None where something on the way is missing."""
    for part in path.split("."):
        if isinstance(entry, list):
            entry = entry[int(part)] if part.isdigit() and int(part) < len(entry) else None
        elif isinstance(entry, Mapping):
            entry = entry.get(part)
        else:
            return None
    return entry


def holds(entry: Any, conditions: str | Sequence[str]) -> bool:
    """True where any of the conditions does."""
    if isinstance(conditions, str):
        conditions = (conditions,)
    return any(_holds(entry, condition) for condition in conditions)


def _holds(entry: Any, condition: str) -> bool:
    path, equals, wanted = condition.partition("=")
    value = value_at(entry, path)
    if not equals:
        return bool(value)
    if isinstance(value, list):
        return any(str(one).casefold() == wanted.casefold() for one in value)
    return value is not None and str(value).casefold() == wanted.casefold()


def _first(entry: Any, paths: str | Sequence[str]) -> Any:
    if isinstance(paths, str):
        paths = (paths,)
    values = (value_at(entry, path) for path in paths)
    return next((value for value in values if value is not None), None)


def _name(entry: Mapping[str, Any], paths: str | Sequence[str]) -> str | None:
    value = _first(entry, paths)
    if not isinstance(value, str):
        return None
    name = value.strip().removeprefix("models/")
    return name if name and len(name) <= _ID_MAX and name.isprintable() else None


def _pricing(entry: Any, spec: Mapping[str, Any] | None) -> dict[str, float] | None:
    """Rates; None unless input and output are both known."""
    if spec is None:
        return None
    scale = Decimal(str(spec.get("scale", 1)))
    out: dict[str, float] = {}
    for rate, path in spec.items():
        if rate == "scale":
            continue
        value = _amount(value_at(entry, path))
        if value is not None:
            whole = rate in ("perRequest", "perImage")
            out[rate] = float(value if whole else value * scale)
    return out if {"input", "output"} <= out.keys() else None


def _amount(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        amount = Decimal(str(value).strip().removeprefix("$"))
    except InvalidOperation:
        return None
    # A negative price is OpenRouter's way of saying "it depends": unknown.
    return amount if amount.is_finite() and 0 <= amount <= _DEAREST else None


def _free(pricing: Mapping[str, float] | None) -> bool | None:
    return None if pricing is None else not any(pricing.values())


def _capabilities(entry: Any, spec: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    if spec is None:
        return None
    able = {name for name, condition in spec.items() if holds(entry, condition)}
    return tuple(sorted(able | {"streaming"}))


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 < value <= _TOKENS_MAX else None


def _day(value: Any) -> str | None:
    found = _DAY.match(value) if isinstance(value, str) else None
    return found[1] if found else None


def _text(value: Any) -> str | None:
    usable = isinstance(value, str) and 0 < len(value) <= _ID_MAX and value.isprintable()
    return value if usable else None
