"""The bundled catalog without prices, and deployments of it."""

from __future__ import annotations

from pathlib import Path

import freeloader.catalog
from freeloader.catalog import load
from freeloader.core.model import Account, Deployment

FILES = sorted((Path(freeloader.catalog.__file__).parent / "providers").glob("*.json"))
CATALOG = load(prices=None)
STREAM = frozenset({"streaming"})


def made(*accounts: Account) -> dict[str, Deployment]:
    return {d.id: d for d in CATALOG.deployments(accounts)}
