"""The model that savings are measured against: the owner's choice, or the registry's best. Pure.

Where two are equally intelligent the cheaper one counts, so that no saving is
claimed that a thrifty owner would not have had to pay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from freeloader.catalog.registry import Catalog
from freeloader.core.model import Model
from freeloader.money import Price


@dataclass(frozen=True, slots=True)
class Premium:
    """``name`` as people know it (``provider/model``), and what it charges."""

    name: str
    price: Price


def premium_of(catalog: Catalog, wanted: str | None) -> Premium | None:
    """The premium model; None where ``wanted`` names none that has a price.

    ``wanted``: ``provider/model``, a provider's raw id, or a family; None: the most
    intelligent model with a price.
    """
    priced = [(m, price) for m, price in _priced(catalog) if wanted is None or _is(m, wanted)]
    if wanted is None:
        priced = [(m, price) for m, price in priced if m.intelligence is not None]
    if not priced:
        return None
    model, price = min(priced, key=_order)
    return Premium(f"{model.provider}/{model.id}", price)


def _priced(catalog: Catalog) -> Iterator[tuple[Model, Price]]:
    for model in catalog.models.values():
        provider, price = catalog.providers.get(model.provider), model.price
        if provider is None or provider.kind in ("local", "simulated") or not provider.routable:
            continue
        if model.mode != "chat" or catalog.retired(model):
            continue
        if price is not None and price.input + price.output > 0:
            yield model, price


def _is(model: Model, wanted: str) -> bool:
    name = wanted.strip().casefold()
    known = (f"{model.provider}/{model.id}", model.id, model.family)
    return name in {one.casefold() for one in known}


def _order(one: tuple[Model, Price]) -> tuple[float, int, str, str]:
    model, price = one
    return (-(model.intelligence or 0), price.input + price.output, model.provider, model.id)
