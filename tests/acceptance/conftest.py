"""One simulator and one daemon for the acceptance tests that only talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from farm import PRICE, House, Simulator, furnish, pretend, running
from shops import open_shop, stalls

#: As fast as a fast provider: chunks arrive one by one.
SPOKEN = {"firstMs": 30, "tokensPerSecond": 150}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.acceptance)
    # What all daemons of a run left behind is looked through when nobody adds to it any more.
    items.sort(key=lambda item: Path(item.path).name.startswith("test_zz_"))


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    config = pretend(
        {
            "alpha": {"twin": {"free": True}, "alpha-only": {"free": True, "latency": SPOKEN}},
            "beta": {"twin-b": {"free": True}},
            "gold": {"ingot": {"pricing": PRICE}},
        }
    )
    started = Simulator(tmp_path_factory.mktemp("simulator"), config)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[House]:
    limits = {"XSWARM_UPSTREAM__FIRST_BYTE_SECONDS": "6"}
    built = House(tmp_path_factory.mktemp("house") / "home", limits)
    built.xswarm("init")
    furnish(built, simulator)
    with running(built):
        yield built


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The providers of ``shop``."""
    started = stalls(tmp_path_factory.mktemp("market"))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, market: Simulator) -> Iterator[House]:
    """Free, paid and local models: see ``shops``."""
    with open_shop(tmp_path_factory.mktemp("shop") / "home", market) as built:
        yield built


@pytest.fixture(autouse=True)
def _calm(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "simulator" in request.fixturenames:
        request.getfixturevalue("simulator").calm()
