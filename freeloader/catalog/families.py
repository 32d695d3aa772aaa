"""Which names mean the same weights, and what is known of those: ``families.json``.

Pure after construction. A family joins one model at many hosts, and gives hosts
and local runtimes nobody scored the intelligence of the weights they run. A local
name never inherits from a proprietary model, whatever it calls itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from freeloader.core.model import EMPTY

_MOST_SUFFIXES = 8
_LONGEST_NAME = 200
_CACHE = 8192


@dataclass(frozen=True, slots=True)
class Family:
    """``open``: the weights can be run by anybody. ``intelligence`` 1–10 or None."""

    id: str
    open: bool
    intelligence: float | None
    strengths: Mapping[str, float] = EMPTY
    capabilities: frozenset[str] = frozenset()
    evidence: Mapping[str, str] = EMPTY


class Families:
    """Names to families. Answers are remembered, at most ``_CACHE`` of them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._known = MappingProxyType(
            {name: _family(name, entry) for name, entry in document["families"].items()}
        )
        self._aliases: dict[str, str] = dict(document["aliases"])
        self._rewrites = [(re.compile(p), r) for p, r in document["rewrite"]]
        self._suffixes = [re.compile(f"(?:{p})$") for p in document["suffixes"]]
        self._closed = re.compile("|".join(f"(?:{p})" for p in document["closed"]))
        self._seen: dict[str, Family | None] = {}

    @property
    def known(self) -> Mapping[str, Family]:
        return self._known

    def plain(self, name: str) -> str:
        """A name in lower case, without vendor, tag and spelling differences."""
        text = name[:_LONGEST_NAME].strip().lower()
        for pattern, replacement in self._rewrites:
            text = pattern.sub(replacement, text)
        return text

    def find(self, name: str) -> Family | None:
        """The known family that a name means, or None."""
        if name in self._seen:
            return self._seen[name]
        if len(self._seen) >= _CACHE:
            self._seen.clear()
        self._seen[name] = found = self._search(self.plain(name))
        return found

    def inherit(self, name: str, local: bool) -> tuple[str, Family | None]:
        """The family id for a name at some host, and what it inherits.

        At a local host a proprietary name yields a family of its own and nothing else.
        """
        text = self.plain(name)
        found = self.find(name)
        if local and (self._closed.match(text) or (found is not None and not found.open)):
            return f"local:{text}", None
        return (found.id if found else text), found

    def _search(self, text: str) -> Family | None:
        for _ in range(_MOST_SUFFIXES):
            known = self._known.get(self._aliases.get(text, text))
            if known is not None:
                return known
            shorter = self._shorten(text)
            if shorter is None:
                return None
            text = shorter
        return None

    def _shorten(self, text: str) -> str | None:
        for suffix in self._suffixes:
            cut = suffix.sub("", text)
            if cut and cut != text:
                return cut
        return None


def load_families(path: Path) -> Families:
    """The bundled families. Raises OSError or ValueError: the package is broken without them."""
    return Families(json.loads(path.read_text("utf-8")))


def _family(name: str, entry: Mapping[str, Any]) -> Family:
    return Family(
        id=name,
        open=bool(entry["open"]),
        intelligence=entry.get("intelligence"),
        strengths=MappingProxyType(entry.get("strengths", {})),
        capabilities=frozenset(entry.get("capabilities", ("streaming",))),
        evidence=MappingProxyType(entry.get("evidence", {})),
    )
