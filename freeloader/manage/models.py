"""Model lists of providers, in every shape they come in → plain ids. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_LISTS = ("data", "models", "result", "items", "results")
_NAMES = ("id", "name", "model", "slug")
MODELS_MAX = 5000
_ID_MAX = 300


class NotAList(ValueError):
    """The answer is not a model list of any shape we know."""


def model_ids(body: Any) -> tuple[str, ...]:
    """The ids in a provider's model list, in its order, each once. Raises NotAList.

    Known shapes: OpenAI's ``data[].id``; a bare list (Together); ``models[].name``
    (Gemini with its ``models/`` prefix, Cohere, Ollama); ``result[].name``
    (Cloudflare, whose ``id`` is a random one).
    """
    found = [name for entry in _entries(body) if (name := _name(entry, body)) is not None]
    return tuple(dict.fromkeys(found))[:MODELS_MAX]


def _entries(body: Any) -> Iterable[Any]:
    if isinstance(body, list):
        return body
    if isinstance(body, Mapping):
        for key in _LISTS:
            entries = body.get(key)
            if isinstance(entries, list):
                return entries
            if isinstance(entries, Mapping):
                return [
                    {"id": k, **(v if isinstance(v, Mapping) else {})} for k, v in entries.items()
                ]
    raise NotAList("the answer holds no list of models")


def _name(entry: Any, body: Any) -> str | None:
    if isinstance(entry, str):
        return _clean(entry)
    if not isinstance(entry, Mapping):
        return None
    names: tuple[str, ...] = _NAMES
    if isinstance(body, Mapping) and "result" in body and "data" not in body:
        names = ("name", "id")
    for key in names:
        value = entry.get(key)
        if isinstance(value, str) and value.strip():
            return _clean(value)
    return None


def _clean(name: str) -> str | None:
    name = name.strip().removeprefix("models/")
    if not name or len(name) > _ID_MAX or not name.isprintable():
        return None
    return name


def known_of(listed: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """The registry's models that the list names; ``:latest`` and upper case do not matter."""
    offered = {_folded(name) for name in listed}
    return tuple(sorted(model for model in known if _folded(model) in offered))


def _folded(name: str) -> str:
    return name.casefold().removesuffix(":latest")
