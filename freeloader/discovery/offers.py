"""From a provider's own model list to proposals: what is new, changed, or missing twice. Pure.

A list is one account's view: a model that is absent once may be an outage of the
list, so only the second time in a row counts. What was missing is handed in and
handed back. Nothing is fetched here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freeloader.catalog.deployments import DEPRECATION
from freeloader.catalog.families import Families
from freeloader.discovery.compare import model_proposals
from freeloader.discovery.listings import Listed
from freeloader.discovery.proposals import Proposal

#: In a row, until a model that is not listed any more counts as gone.
MISSING_MAX = 2
#: New models proposed per provider and run: an aggregator's first list has hundreds.
NEW_MAX = 200


@dataclass(frozen=True, slots=True)
class Seen:
    """``missing``: model → how often in a row it was not in the list."""

    proposals: tuple[Proposal, ...]
    missing: Mapping[str, int]


def compared(
    provider: str,
    listed: Sequence[Listed],
    known: Mapping[str, Mapping[str, Any]],
    families: Families,
    missing: Mapping[str, int],
    *,
    complete: bool,
    local: bool,
    today: str,
    evidence: str,
) -> Seen:
    """``known`` are the registry's raw models of the provider, ``today`` is ISO.

    ``complete`` False: the list leaves out models that work, so absence says nothing. A
    local server's list is what happens to be pulled there: nothing is new or gone.
    """
    if local:
        return Seen((), {})
    found: list[Proposal] = []
    fresh = 0
    for entry in listed:
        before = known.get(entry.id)
        document = entry.document()
        if before is None:
            fresh += 1
            if fresh <= NEW_MAX:
                found.append(_new(provider, entry, document, families, evidence))
            continue
        if entry.deprecated_on is None and before.get("deprecatedOn") is None:
            document.pop("replacedBy", None)
        if entry.capabilities is not None:
            others = set(before.get("capabilities") or ()) - set(entry.covers)
            document["capabilities"] = sorted(others | set(entry.capabilities))
        found += model_proposals(provider, entry.id, before, document, "api", evidence, "high")
    if not complete or not listed:
        return Seen(tuple(found), dict(missing))
    names = {entry.id for entry in listed}
    absent = _absent(known, names, today)
    counts = {name: missing.get(name, 0) + 1 for name in absent}
    for name, count in counts.items():
        if count >= MISSING_MAX:
            found.append(_gone(provider, name, known[name], count, today, evidence))
    return Seen(tuple(found), counts)


def _absent(
    known: Mapping[str, Mapping[str, Any]], names: Iterable[str], today: str
) -> tuple[str, ...]:
    """Known models that the list does not name, and that are not known to be gone."""
    listed = {_folded(name) for name in names}
    return tuple(
        name
        for name, doc in known.items()
        if _folded(name) not in listed and (doc.get("deprecatedOn") or "9999") > today
    )


def _new(
    provider: str, entry: Listed, document: dict[str, Any], families: Families, evidence: str
) -> Proposal:
    family, about = families.inherit(entry.id, local=False)
    document["family"] = family
    if about is not None and about.intelligence is not None:
        document["intelligence"] = about.intelligence
        document["evidence"] = {"intelligence": f"family {about.id}"}
    inherited = about.capabilities - set(entry.covers) if about is not None else frozenset()
    document["capabilities"] = sorted({"streaming", *(entry.capabilities or ()), *inherited})
    matched = f"; matched to the family {about.id}" if about is not None else "; no known family"
    return Proposal(
        "new_model",
        provider,
        entry.id,
        None,
        document,
        "api",
        evidence + matched,
        "high" if about is not None else "medium",
        {provider: {"models": {entry.id: document}}},
    )


def _gone(
    provider: str, name: str, before: Mapping[str, Any], count: int, today: str, evidence: str
) -> Proposal:
    why = f"{evidence}; not in the list {count} times in a row"
    after = {"deprecatedOn": today, "replacedBy": before.get("replacedBy")}
    old = {"deprecatedOn": before.get("deprecatedOn"), "replacedBy": before.get("replacedBy")}
    return Proposal(
        "model_deprecated",
        provider,
        name,
        old,
        after,
        "api",
        why,
        "medium",
        {provider: {"models": {name: {"deprecatedOn": today, "evidence": {DEPRECATION: why}}}}},
        announced=False,
    )


def _folded(name: str) -> str:
    return name.casefold().removesuffix(":latest")
