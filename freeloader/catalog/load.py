"""Reads the registry: bundled files, the home's overlays over them, price gaps filled.

Overlays are merged key by key in the order of their file names; the overlay wins,
lists are replaced whole, ``null`` deletes a key (RFC 7396: a deleted optional key has
its default, a deleted model or provider is gone). A broken file is named in
``Catalog.problems`` and skipped whole; everything else still loads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from freeloader.catalog import build, prices
from freeloader.catalog.documents import camel, merge, read_document, reason
from freeloader.catalog.families import load_families
from freeloader.catalog.registry import Catalog, Problem
from freeloader.catalog.schema import ProviderDoc, complaints
from freeloader.core.model import Model, Provider

HERE = Path(__file__).parent
#: ``provenance`` is a remark of who wrote the file, for people.
_TOP = ("version", "providers", "provenance")
_FOUND = Path("\0found")  # the default of ``load(prices=…)``: look it up


@dataclass(slots=True)
class _Draft:
    """What has been read so far: raw documents and the checked ones, by provider."""

    raw: dict[str, dict[str, Any]]
    checked: dict[str, ProviderDoc]
    problems: list[Problem]
    version: str = ""


@dataclass(frozen=True, slots=True)
class Layers:
    """Raw documents by provider: the bundled ones, what the owner's own overlays lay over them
    (a patch), and all together with every overlay in."""

    version: str
    bundled: Mapping[str, Any]
    owner: Mapping[str, Any]
    whole: Mapping[str, Any]


def layers(overlays: Path | None, discovered: str) -> Layers:
    """The registry unchecked, as far as it loads. ``discovered`` names the overlay that is not
    the owner's."""
    draft = _Draft({}, {}, [])
    owner: dict[str, Any] = {}
    for path in _bundled():
        _take(draft, path)
    bundled = dict(draft.raw)
    for path in _overlays(overlays):
        before = len(draft.problems)
        _take(draft, path, hashlib.sha256())
        if path.name != discovered and len(draft.problems) == before:
            owner = merge(owner, camel(read_document(path).get("providers", {}), named=True))
    return Layers(draft.version, bundled, owner, dict(draft.raw))


def load(
    overlays: Path | None = None,
    prices: Path | None = _FOUND,
    cautions: Sequence[Mapping[str, Any]] = (),
    today: str = "",
) -> Catalog:
    """The catalog. ``overlays`` is a folder (it may be missing); ``prices`` LiteLLM's price
    file (default: found through the installed package; None: do without). ``cautions`` are
    patches laid over everything: dearer prices and lower limits that nobody approved yet.
    ``today`` (ISO) says which models are gone by now (default: the registry's own date)."""
    draft = _Draft({}, {}, [])
    for path in _bundled():
        _take(draft, path)
    stamp = hashlib.sha256()
    extra = _overlays(overlays)
    for path in extra:
        _take(draft, path, stamp)
    for patch in cautions:
        _merge(draft, "a waiting proposal", patch)
        stamp.update(json.dumps(patch, sort_keys=True).encode())
    changed = extra or cautions
    version = f"{draft.version}+{stamp.hexdigest()[:8]}" if changed else draft.version
    families = load_families(HERE / "families.json")
    file = _price_file(prices, draft.problems)
    providers = {name: build.provider(name, doc) for name, doc in sorted(draft.checked.items())}
    models = {
        (name, m): build.model(m, name, entry, doc.free_tier)
        for name, doc in sorted(draft.checked.items())
        for m, entry in doc.models.items()
    }
    models = _filled(models, providers, file, draft.problems)
    partial = frozenset(n for n, d in draft.checked.items() if not d.endpoints.complete)
    return Catalog(
        providers, models, families, version, tuple(draft.problems), file, partial, today
    )


def _take(draft: _Draft, path: Path, stamp: Any = None) -> None:
    """Merge one file, or name what is wrong with it and leave the draft as it was."""
    try:
        document = read_document(path)
    except (OSError, ValueError) as problem:
        draft.problems.append(Problem(path.name, "", reason(problem)))
        return
    unknown = [key for key in document if key not in _TOP]
    if unknown:
        draft.problems.append(
            Problem(path.name, unknown[0], "unknown key; did you mean 'providers'?")
        )
        return
    if not _merge(draft, path.name, document.get("providers", {})):
        return
    if stamp is None:
        draft.version = max(draft.version, str(document.get("version", "")))
    else:
        stamp.update(path.read_bytes())


def _merge(draft: _Draft, name_of_file: str, providers: Mapping[str, Any]) -> bool:
    """Lay one file's providers over the draft, or name what is wrong with them: all or none."""
    faults, merged = _check(draft, providers)
    if faults:
        draft.problems.extend(Problem(name_of_file, key, why) for key, why in faults)
        return False
    for name, (raw, doc) in merged.items():
        draft.raw.pop(name, None)
        draft.checked.pop(name, None)
        if raw is not None and doc is not None:
            draft.raw[name], draft.checked[name] = raw, doc
    return True


def _bundled() -> list[Path]:
    return sorted((HERE / "providers").glob("*.json"))


def _overlays(folder: Path | None) -> list[Path]:
    return sorted(folder.glob("*.json")) if folder is not None else []


def _check(
    draft: _Draft, providers: Mapping[str, Any]
) -> tuple[list[tuple[str, str]], dict[str, tuple[dict[str, Any] | None, ProviderDoc | None]]]:
    faults: list[tuple[str, str]] = []
    merged: dict[str, tuple[dict[str, Any] | None, ProviderDoc | None]] = {}
    for name, patch in providers.items():
        if patch is None:
            merged[name] = (None, None)
            continue
        if not _good_name(name) or not isinstance(patch, dict):
            faults.append((f"providers.{name}", "a provider is an object with a plain name"))
            continue
        raw = merge(draft.raw.get(name, {}), camel(patch))
        try:
            merged[name] = (raw, ProviderDoc.model_validate(raw))
        except ValidationError as problem:
            found = complaints(problem, ProviderDoc)
            faults += [(f"providers.{name}.{key}", why) for key, why in found]
    return faults, merged


def _filled(
    models: dict[tuple[str, str], Model],
    providers: Mapping[str, Provider],
    file: Path | None,
    problems: list[Problem],
) -> dict[tuple[str, str], Model]:
    """Gaps filled from the price file, in one pass over it."""
    if file is None:
        return models
    wanted: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for key in models:
        provider = providers[key[0]]
        if not provider.local and provider.kind != "simulated" and owns_prefix(provider):
            wanted.setdefault((provider.prefix, key[1]), []).append(key)
    try:
        for row in prices.rows(file, lambda prefix, name: (prefix, name) in wanted):
            for key in wanted[row.prefix, row.id]:
                models[key] = prices.fill(models[key], row)
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError) as problem:
        problems.append(Problem(file.name, "", f"price file not usable: {reason(problem)}"))
    return models


def owns_prefix(provider: Provider) -> bool:
    """Whether LiteLLM's rows under the prefix speak of this provider: hosts that are merely
    OpenAI-compatible are reached through ``openai/`` and have prices of their own."""
    return provider.prefix != "openai" or provider.id == "openai"


def _price_file(given: Path | None, problems: list[Problem]) -> Path | None:
    if given is not _FOUND:
        return given
    found = prices.find()
    if found is None:
        problems.append(Problem("litellm", "", "its price file was not found; gaps stay unknown"))
    return found


def _good_name(name: str) -> bool:
    return name.isprintable() and not set(name) & set("/@,: ") and 0 < len(name) <= 64
