"""What a registry document says that the registry in force does not: proposals. Pure.

Documents are raw JSON of contract §2, checked by the catalog's own schema; an entry
that does not hold is named and left out alone. Nothing is fetched or stored here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from freeloader.catalog.deployments import DEPRECATION
from freeloader.catalog.documents import camel, merge
from freeloader.catalog.schema import ModelDoc, ProviderDoc, complaints
from freeloader.discovery.proposals import Proposal

Json = Any
Raw = Mapping[str, Json]

#: What a model may take, as far as a change of it is a change of limits.
_BOUNDS = ("context", "maxOutput", "capabilities", "limits")
#: A provider's part whose change is a matter of limits.
_PRICE = ("pricing", "free")
#: More faults than that are counted, not listed.
FAULTS_MAX = 50


@dataclass(frozen=True, slots=True)
class Checked:
    """``providers`` that hold, camelCase; ``faults`` say what did not, one line each."""

    providers: Mapping[str, dict[str, Json]]
    faults: tuple[str, ...]


def checked(document: Mapping[str, Json], current: Raw) -> Checked:
    """The entries of a document that would load over ``current``. Bad ones are dropped alone."""
    found: dict[str, dict[str, Json]] = {}
    faults: list[str] = []
    for name, entry in document.get("providers", {}).items():
        if not _plain(name) or not isinstance(entry, Mapping):
            faults.append(f"{str(name)[:64]}: a provider is an object with a plain name")
            continue
        whole = camel(dict(entry))
        good, bad = _models(name, whole, current.get(name, {}))
        faults += bad
        try:
            ProviderDoc.model_validate(merge(current.get(name, {}), good))
        except ValidationError as problem:
            faults += [f"{name}.{key}: {why}" for key, why in complaints(problem, ProviderDoc)]
            continue
        found[name] = good
    more = len(faults) - FAULTS_MAX
    return Checked(found, tuple(faults[:FAULTS_MAX] + ([f"… and {more} more"] if more > 0 else [])))


def _models(name: str, entry: dict[str, Json], current: Raw) -> tuple[dict[str, Json], list[str]]:
    """The entry with the models that hold, and what is wrong with the rest."""
    models = entry.get("models")
    if not isinstance(models, Mapping):
        return entry, []
    good: dict[str, Json] = {}
    faults: list[str] = []
    known = current.get("models") or {}
    for model, doc in models.items():
        try:
            if not isinstance(doc, Mapping) or not model or len(model) > 300:
                raise ValueError("a model is an object with a name")
            ModelDoc.model_validate(merge(known.get(model, {}), dict(doc)))
        except ValidationError as problem:
            faults += [f"{name}/{model}: {k}: {why}" for k, why in complaints(problem, ModelDoc)]
        except ValueError as problem:
            faults.append(f"{name}/{str(model)[:64]}: {problem}")
        else:
            good[model] = doc
    return {**entry, "models": good}, faults


def proposals(
    new: Mapping[str, dict[str, Json]], current: Raw, source: str, evidence: str
) -> Iterator[Proposal]:
    """One proposal per difference, in the order of the document."""
    for name, entry in new.items():
        known = current.get(name)
        if known is None:
            confidence = str((entry.get("freeTier") or {}).get("confidence") or "low")
            yield Proposal(
                "new_provider", name, "", None, _digest(entry), source, evidence, confidence,
                {name: entry},
            )  # fmt: skip
            continue
        yield from _tier(name, known, entry, source, evidence)
        for model, doc in (entry.get("models") or {}).items():
            before = (known.get("models") or {}).get(model)
            yield from model_proposals(name, model, before, doc, source, evidence, "high")


def model_proposals(
    provider: str,
    model: str,
    before: Mapping[str, Json] | None,
    doc: Mapping[str, Json],
    source: str,
    evidence: str,
    confidence: str,
) -> Iterator[Proposal]:
    """What is said of one model: new, dearer or cheaper, other bounds, going away."""

    def proposal(kind: str, names: tuple[str, ...]) -> Proposal | None:
        known = before or {}
        said = {n: doc[n] for n in names if n in doc and not _same(n, known.get(n), doc[n])}
        if not said:
            return None
        old = {n: known.get(n) for n in names if n in known or n in said}
        new = {**old, **said}
        if kind == "model_deprecated":
            said["evidence"] = {DEPRECATION: evidence}
        patch = {provider: {"models": {model: said}}}
        return Proposal(kind, provider, model, old, new, source, evidence, confidence, patch)

    if before is None:
        patch = {provider: {"models": {model: dict(doc)}}}
        yield Proposal(
            "new_model", provider, model, None, dict(doc), source, evidence, confidence, patch
        )
        return
    for kind, names in (
        ("pricing_change", _PRICE),
        ("limit_change", _BOUNDS),
        ("model_deprecated", ("deprecatedOn", "replacedBy")),
    ):
        if (found := proposal(kind, names)) is not None:
            yield found


def _tier(
    name: str, known: Mapping[str, Json], entry: Mapping[str, Json], source: str, evidence: str
) -> Iterator[Proposal]:
    before, after = known.get("freeTier") or {}, entry.get("freeTier") or {}
    if "limits" not in after or after["limits"] == (before.get("limits") or []):
        return
    confidence = str(after.get("confidence") or before.get("confidence") or "low")
    yield Proposal(
        "limit_change",
        name,
        "",
        {"limits": before.get("limits") or []},
        {"limits": after["limits"]},
        source,
        evidence,
        confidence,
        {name: {"freeTier": {**after}}},
    )


def _same(name: str, before: Json, after: Json) -> bool:
    if name == "capabilities":
        return sorted(before or ()) == sorted(after or ())
    if name == "pricing" and isinstance(before, Mapping) and isinstance(after, Mapping):
        return all(before.get(k) == v for k, v in after.items() if v not in (None, [], 0)) and all(
            (before.get(k) or 0) == 0 for k, v in after.items() if v == 0
        )
    return bool(before == after) or (before is None and after in ([], None, False))


def _digest(entry: Mapping[str, Json]) -> dict[str, Json]:
    """A provider in a few words."""
    return {
        "displayName": entry.get("displayName"),
        "baseUrl": entry.get("baseUrl"),
        "freeTier": (entry.get("freeTier") or {}).get("type"),
        "models": sorted(entry.get("models") or {}),
    }


def _plain(name: Json) -> bool:
    return isinstance(name, str) and 0 < len(name) <= 64 and not set(name) & set("/@,: \t\n")
