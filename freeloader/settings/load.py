"""Read the settings of a home: ``config.toml``, then the environment over it.

Reads and checks; writes nothing (``edit`` does), and keeps no state: what to do
when the file is bad is the caller's decision.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from freeloader.errors import ConfigError
from freeloader.settings import env
from freeloader.settings.home import Home
from freeloader.settings.model import Settings
from freeloader.settings.sources import Layer, Problem, leaves, tidy

_FILE_MAX = 4_000_000


def load(home: Home, environ: Mapping[str, str]) -> Settings:
    """The settings in force. No file means the defaults.

    Raises ConfigError with ``details`` ``file, key, reason`` of the first
    problem and all of them in ``problems``.
    """
    return from_layers([_file_layer(home.config), *env.layers(Settings, environ)])


def from_mapping(values: Mapping[str, Any], source: str = "the settings given") -> Settings:
    """Settings from a mapping in either spelling, without any environment. Raises ConfigError."""
    return from_layers([tidy(Settings, values, source)])


def file_values(home: Home) -> dict[str, Any]:
    """What ``config.toml`` itself says, spelt our way. Raises ConfigError."""
    layer = _file_layer(home.config)
    if layer.problems:
        raise refusal(layer.problems)
    return layer.values


def from_layers(layers: Sequence[Layer]) -> Settings:
    """Check all layers together, the later over the earlier."""
    problems = [problem for layer in layers for problem in layer.problems]
    if problems:
        raise refusal(problems)
    try:
        return Settings(**env.together(layers))
    except ValidationError as error:
        raise refusal(_problems(error, layers)) from None


def refusal(problems: Sequence[Problem]) -> ConfigError:
    """The error that names the first problem and carries all."""
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    where = f"{first.file}: {first.key}" if first.key else first.file
    if first.key and first.file.startswith(env.PREFIX):
        where = first.file
    return ConfigError(
        f"{where}: {first.reason}{more}",
        param=first.key or None,
        details={**first.as_dict(), "problems": [p.as_dict() for p in problems[:50]]},
    )


def read_toml(path: Path) -> Mapping[str, Any]:
    """The file as TOML; a missing one is empty. Raises ConfigError."""
    try:
        if path.stat().st_size > _FILE_MAX:
            raise refusal([Problem(str(path), "", f"is larger than {_FILE_MAX} bytes")])
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"is not TOML: {error}; correct it there, or move the file away"
        raise refusal([Problem(str(path), "", reason)]) from None
    except OSError as error:
        raise refusal([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from None


def _file_layer(path: Path) -> Layer:
    return tidy(Settings, read_toml(path), str(path))


def _problems(error: ValidationError, layers: Sequence[Layer]) -> list[Problem]:
    """pydantic's findings, with the source of each value. Values are left out on purpose."""
    found: list[Problem] = []
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        place = tuple(str(part) for part in item["loc"] if part != "[key]")
        reason = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        found.append(Problem(_source(place, layers), ".".join(place), _plain(reason)))
    return found


def _source(place: tuple[str, ...], layers: Iterable[Layer]) -> str:
    """The strongest layer that says something at or inside ``place``."""
    name = "defaults"
    best = 0
    for layer in layers:
        name = name if best else layer.source
        for leaf in leaves(layer.values):
            shared = sum(1 for _ in _common(place, leaf))
            if shared >= best and shared > 0:
                best, name = shared, layer.source
    return name


def _common(first: Sequence[str], second: Sequence[str]) -> Iterable[str]:
    for a, b in zip(first, second, strict=False):
        if a != b:
            return
        yield a


def _plain(reason: str) -> str:
    """pydantic's sentence as the rest of one of ours: "port: must be …"."""
    for start in ("Input should be ", "Value should be "):
        if reason.startswith(start):
            return "must be " + reason.removeprefix(start)
    return reason
