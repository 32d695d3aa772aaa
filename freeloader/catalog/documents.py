"""Registry documents as files and objects: reading them, merging one over another.

Knows nothing of what a document means; checks are ``catalog.schema``'s.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from pydantic.alias_generators import to_camel

_MOST_BYTES = 32 * 1024 * 1024


def read_document(path: Path) -> dict[str, Any]:
    """One registry document. Raises OSError or ValueError with a reason that people understand."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):  # a pipe or a device would be read for ever
        raise ValueError("not a file (a folder, pipe, device or socket)")
    if found.st_size > _MOST_BYTES:
        raise ValueError("larger than 32 MB")
    return parse_document(path.read_bytes())


def parse_document(raw: bytes) -> dict[str, Any]:
    """The same from its bytes. Raises ValueError with such a reason."""
    try:
        document = json.loads(raw)
    except UnicodeDecodeError as problem:
        raise ValueError("not UTF-8 text") from problem
    except json.JSONDecodeError as problem:
        raise ValueError(f"not JSON ({problem})") from None
    except RecursionError as problem:
        raise ValueError("nested too deeply") from problem
    if not isinstance(document, dict) or not isinstance(document.get("providers", {}), dict):
        raise ValueError('not a registry document: {"version": …, "providers": {…}} is wanted')
    return document


def merge(base: Any, patch: Any) -> Any:
    """RFC 7396. Returns new objects; changes neither."""
    if not isinstance(patch, dict):
        return patch
    out = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


#: Objects whose keys are names, not fields: left as they are.
_NAMED = frozenset({"models", "params", "strengths", "evidence", "fieldEnv"})


def camel(value: Any, named: bool = False) -> Any:
    """Field names in snake_case as camelCase, so that either spelling merges."""
    if isinstance(value, list):
        return [camel(x) for x in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, inner in value.items():
        name = key if named or "_" not in key else to_camel(key)
        if not named and name in _NAMED:
            out[name] = camel(inner, named=True) if name == "models" else inner
        else:
            out[name] = camel(inner)
    return out


def reason(problem: Exception) -> str:
    if isinstance(problem, json.JSONDecodeError):
        return f"not JSON: {problem.msg} in line {problem.lineno}, column {problem.colno}"
    if isinstance(problem, OSError):
        return f"cannot be read: {problem.strerror or problem}"
    return str(problem)
