"""The prompts, ours, with what an answer must keep: ``prompts.json``. Reads that file only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Prompt:
    """``task`` is one of the router's tasks, or ``json`` and ``instruction``."""

    id: str
    task: str
    text: str
    checks: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Suite:
    """``version`` changes with the prompts: scores of different ones are not compared."""

    version: str
    prompts: tuple[Prompt, ...]


@cache
def suite() -> Suite:
    """The bundled prompts."""
    raw = json.loads((Path(__file__).parent / "prompts.json").read_text("utf-8"))
    return Suite(
        raw["version"],
        tuple(
            Prompt(entry["id"], entry["task"], entry["prompt"], tuple(entry["checks"]))
            for entry in raw["prompts"]
        ),
    )
