"""Which model savings are measured against."""

from __future__ import annotations

import pytest

from freeloader import catalog as catalogs
from freeloader.catalog import Catalog
from freeloader.catalog.premium import premium_of


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return catalogs.load(prices=None)


def test_the_best_priced_model_of_the_registry(catalog: Catalog) -> None:
    found = premium_of(catalog, None)
    assert found is not None
    best = max(
        model.intelligence or 0
        for model in catalog.models.values()
        if model.price is not None and model.price.output > 0 and model.mode == "chat"
        if not catalog.retired(model)
        if catalog.providers[model.provider].routable
        if catalog.providers[model.provider].kind in ("cloud", "aggregator")
    )
    provider, _, model = found.name.partition("/")
    chosen = catalog.models[provider, model]
    assert chosen.intelligence == best
    assert found.price == chosen.price
    same = [m for m in catalog.models.values() if m.intelligence == best and m.price is not None]
    assert all(m.price.output + m.price.input >= found.price.input for m in same)


def test_the_owners_choice_by_any_of_its_names(catalog: Catalog) -> None:
    best = premium_of(catalog, None)
    assert best is not None
    provider, _, model = best.name.partition("/")
    family = catalog.models[provider, model].family
    for name in (best.name, best.name.upper(), model, family):
        found = premium_of(catalog, name)
        assert found is not None
        assert catalog.models[tuple(found.name.split("/", 1))].family == family


@pytest.mark.parametrize("name", ["", "nobody/nothing", "auto"])
def test_a_name_without_a_price_compares_nothing(catalog: Catalog, name: str) -> None:
    assert premium_of(catalog, name) is None
