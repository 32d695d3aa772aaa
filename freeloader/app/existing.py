"""What exists, worked out from files and accounts: catalog, deployments, the child's entries.

Functions only, slow enough to be called off the loop; what they return is the ``World``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from freeloader import catalog as catalogs
from freeloader.benchmarks.results import Rating, rated
from freeloader.catalog import Catalog
from freeloader.child.config import Entry, entries_of
from freeloader.core.model import Account, Deployment


def load(
    overlays: Path, cautions: Sequence[Mapping[str, Any]], today: str
) -> tuple[Catalog, tuple[Entry, ...]]:
    """The registry, and the child's entries for the models that it lists itself.

    Not for those that only LiteLLM's price file knows: 1,300 more entries cost a
    starting child 5 s; 130 cost it 0.3 s.
    """
    catalog = catalogs.load(overlays, cautions=cautions, today=today)
    listed = {provider for provider, _ in catalog.models}
    every = [
        Account(provider.id, 1)
        for provider in catalog.providers.values()
        if provider.id in listed and provider.routable
        if provider.kind in ("cloud", "aggregator")
    ]
    return catalog, entries_of(catalog.deployments(every))


def expanded(
    catalog: Catalog, accounts: Sequence[Account]
) -> tuple[Catalog, tuple[Deployment, ...]]:
    """The catalog with the accounts' providers, and their deployments.

    A provider of whom only the price file knows costs a look at 3 MB.
    """
    whole = catalog.including(account.provider for account in accounts)
    return whole, whole.deployments(accounts)


def with_ratings(
    deployments: Iterable[Deployment], ratings: Mapping[tuple[str, str], Rating]
) -> tuple[Deployment, ...]:
    """The deployments with what their models showed here, by provider and model."""
    return tuple(
        replace(d, model=rated(d.model, ratings[key]))
        if (key := (d.provider.id, d.model.id)) in ratings
        else d
        for d in deployments
    )


def pretend_accounts(catalog: Catalog) -> list[Account]:
    """One account at each simulated provider that has a free tier: pretend money is nobody's."""
    return [
        Account(provider.id, 1)
        for provider in catalog.providers.values()
        if provider.kind == "simulated" and provider.free_type != "none"
    ]
