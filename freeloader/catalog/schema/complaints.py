"""What is wrong with a document, for the one who wrote it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError


def complaints(problem: ValidationError, model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """``(key, reason)`` of every fault, keys as written in the file, hints for unknown ones."""
    for error in problem.errors(include_url=False, include_input=False):
        where = error["loc"]
        reason = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(where[-1]), known_keys(model, where[:-1]), n=1)
            reason = "unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
        yield ".".join(map(str, where)), reason


def known_keys(model: type[BaseModel], where: tuple[int | str, ...]) -> list[str]:
    """The keys that a document may have at a place, by their names in the file."""
    at: Any = model
    for part in where:
        if isinstance(at, type) and issubclass(at, BaseModel):
            found = [f for n, f in at.model_fields.items() if part in (f.alias, n)]
            at = _inner(found[0].annotation) if found else None
        elif get_origin(at) in (list, dict):
            at = _inner(get_args(at)[-1])
    if not (isinstance(at, type) and issubclass(at, BaseModel)):
        return []
    return [f.alias or name for name, f in at.model_fields.items()]


def _inner(annotation: Any) -> Any:
    """``X | None`` and ``Annotated[X, …]`` as ``X``."""
    if get_origin(annotation) is Annotated:
        return _inner(get_args(annotation)[0])
    options = [x for x in get_args(annotation) if x is not type(None)]
    if get_origin(annotation) not in (list, dict) and len(options) == 1:
        return _inner(options[0])
    return annotation
