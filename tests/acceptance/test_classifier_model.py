"""``classifier.mode = "model"`` over HTTP: who is asked, how often, what it costs, who stands in.

One daemon, the direct lane, two pretend clouds and a home: ``judge`` sells the classifier.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from farm import PRICE, House, Simulator, model, pretend, provider, running

pytestmark = pytest.mark.timeout(120)

SAYS = 'Certainly. {"task": "coding", "complexity": 0.9}'


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    names = {
        "judge": {"m": {"answers": {"<request>": SAYS}}},
        "cloud": {"m": {"free": True}},
        "home": {"m": {"free": True}},
    }
    started = Simulator(tmp_path_factory.mktemp("court"), pretend(names))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, court: Simulator) -> Iterator[House]:
    wishes = {
        "XSWARM_UPSTREAM__LANE": "direct",
        "XSWARM_CLASSIFIER__MODE": "model",
        "XSWARM_CLASSIFIER__MODEL": "judge/m",
    }
    house = House(tmp_path_factory.mktemp("bench") / "home", wishes)
    house.xswarm("init")
    fields = {
        "judge": {"free": False, "pricing": PRICE, "intelligence": 1.5},
        "cloud": {"intelligence": 8.0},
        "home": {"intelligence": 8.0},
    }
    listed = {
        name: provider(f"{court.url}/{name}/v1", {"m": model(name, **own)},
                       kind="local" if name == "home" else "cloud")
        for name, own in fields.items()
    }  # fmt: skip
    house.overlay("court", {"version": "2026.11.20", "providers": listed})
    for name in fields:
        tier = "paid" if name == "judge" else "free"
        house.xswarm("account", "add", name, "-", "--tier", tier, stdin=f"key-{name}\n")
    house.xswarm("budget", "set", "--monthly", "5")
    with running(house):
        yield house


def sent(court: Simulator) -> Counter[str]:
    return Counter(row["provider"] for row in court.requests()["requests"])


def spent(house: House) -> float:
    return float(house.get("/v1/analytics")["totalCost"])


def test_its_word_is_taken_paid_for_and_kept(house: House, court: Simulator) -> None:
    before, cost = sent(court), spent(house)
    for _ in range(3):
        status, _, body = house.chat("what do you make of this?")
        assert status == 200, body
        assert (body["routing"]["task"], body["routing"]["complexity"]) == ("coding", 0.9)
    after = sent(court)
    assert after["judge"] - before["judge"] == 1
    assert after["cloud"] + after["home"] - before["cloud"] - before["home"] == 3
    assert spent(house) > cost


@pytest.mark.parametrize(
    "fields",
    [
        {"qualityGates": {"localOnly": True}},
        {"qualityGates": {"blockedProviders": ["judge"]}},
        {"max_cost": 0.0},
    ],
)
def test_a_requests_limits_hold_for_the_question_and_for_no_other(
    house: House, court: Simulator, fields: dict[str, object]
) -> None:
    before = sent(court)
    text = f"tell me a joke about {len(str(fields))} cats"
    status, _, body = house.chat(text, **fields)
    assert status == 200, body
    assert body["routing"]["task"] == "chat"
    assert sent(court)["judge"] == before["judge"]
    assert house.chat(text)[2]["routing"]["task"] == "coding"


def test_the_client_and_structure_are_not_asked_about(house: House, court: Simulator) -> None:
    before = sent(court)
    body = house.chat("say something", metadata={"taskType": "translation"})[2]
    assert body["routing"]["task"] == "translation"
    assert sent(court)["judge"] == before["judge"]


def test_rules_stand_in_for_one_that_fails(house: House, court: Simulator) -> None:
    court.fault("judge", "500", forever=True)
    status, _, body = house.chat("Write a poem about the sea")
    court.calm()
    assert (status, body["routing"]["task"]) == (200, "chat")
