"""One simulator and one daemon for the acceptance tests that only talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from farm import House, Simulator, model, pretend, provider, running

#: As fast as a fast provider: chunks arrive one by one.
SPOKEN = {"firstMs": 30, "tokensPerSecond": 150}
PRICE = {"input": 1.0, "output": 2.0}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.acceptance)


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


def furnish(house: House, simulator: Simulator) -> None:
    """Two free providers that share a family, and a paid one; keys are added by hand."""
    at = simulator.url
    document = {
        "version": "2026.11.20",
        "providers": {
            "alpha": provider(
                f"{at}/alpha/v1",
                {"twin": model("twins", speed=9.0), "alpha-only": model("alone", speed=2.0)},
            ),
            "beta": provider(f"{at}/beta/v1", {"twin-b": model("twins", speed=4.0)}),
            "gold": provider(
                f"{at}/gold/v1",
                {"ingot": model("ingots", intelligence=9.0, free=False, pricing=PRICE)},
                status="paid_only",
                freeTier={"type": "none", "confidence": "high", "limits": []},
            ),
        },
    }
    house.overlay("pretend", document)
    for name in ("alpha", "beta"):
        house.xswarm("account", "add", name, "-", "--tier", "free", stdin=f"key-{name}\n")
    house.xswarm("account", "add", "gold", "-", "--tier", "paid", stdin="key-gold\n")


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[House]:
    limits = {"XSWARM_UPSTREAM__FIRST_BYTE_SECONDS": "6"}
    built = House(tmp_path_factory.mktemp("house") / "home", limits)
    built.xswarm("init")
    furnish(built, simulator)
    with running(built):
        yield built


@pytest.fixture(autouse=True)
def _calm(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "simulator" in request.fixturenames:
        request.getfixturevalue("simulator").calm()
