"""The load monitor over HTTP: its states, what they change, and where they are said.

Load is made with requests that hang at a provider of their own; the thresholds are low, and
the cooldown short.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from farm import House, Simulator, until
from shops import only, question

pytestmark = pytest.mark.timeout(120)

LOADED = {"cost": 0.2, "speed": 0.7, "quality": 0.1}
COOLDOWN_S = 1.2
RULES = {
    "queue": {"warning": 2, "critical": 4},
    "p95_ms": {"warning": 600_000, "critical": 600_000},
    "error_rate": {"warning": 1, "critical": 1},
    "cooldown_minutes": COOLDOWN_S / 60,
}


@pytest.fixture(autouse=True)
def _low(shop: House) -> Iterator[None]:
    status, _, said = shop.call("POST", "/v1/config", {"load_monitoring": RULES}, role="admin")
    assert status == 200, said
    yield
    until(lambda: level(shop) == "normal", 20, "back to normal")


def level(shop: House) -> str:
    return str(shop.get("/v1/health")["load"]["state"])


@contextmanager
def under_way(shop: House, market: Simulator, count: int) -> Iterator[None]:
    """So many requests are in flight; they end when the provider does."""
    market.fault("dear", "slow", seconds=20, forever=True)
    asking = [
        threading.Thread(target=shop.chat, kwargs={"model": "dear/m", "fallback": "fail"})
        for _ in range(count)
    ]
    for one in asking:
        one.start()
    try:
        until(lambda: shop.get("/v1/health")["load"]["queue"] >= count, 10, "they are in flight")
        yield
    finally:
        market.calm()
        for one in asking:
            one.join(40)


def debug(shop: House, **fields: Any) -> Any:
    status, _, told = shop.call("POST", "/v1/router/debug", question(**fields))
    assert status == 200, told
    return told


def gauge(shop: House) -> float:
    lines = shop.get("/metrics").splitlines()
    (line,) = [x for x in lines if "load_level" in x and not x.startswith("#")]
    return float(line.split()[-1])


def test_a_warning_prefers_speed_and_is_said_everywhere(shop: House, market: Simulator) -> None:
    before = debug(shop, **only("quick", "wise"))["policy"]
    assert (before["load"], before["weights"]) == (
        "normal", {"cost": 0.4, "speed": 0.4, "quality": 0.2},
    )  # fmt: skip
    with under_way(shop, market, 2):
        policy = debug(shop, **only("quick", "wise"))["policy"]
        assert (policy["load"], policy["weights"]) == ("warning", LOADED)
        assert policy["origins"]["weights"] == "load"
        own = debug(shop, weights={"cost": 1, "speed": 0, "quality": 0})["policy"]
        assert own["weights"]["cost"] == 1, "what a request said itself, stands"
        assert gauge(shop) == 1
        status, headers, body = shop.chat(**only("quick", "wise"))
        assert (status, body["routing"]["load"]) == (200, "warning")
        kept = shop.get(f"/v1/decisions/{headers['x-freeloader-decision-id']}")
        assert kept["routing"]["load"] == kept["policy"]["load"] == "warning"
        said = shop.get("/v1/health")["load"]
        assert "in flight" in said["reason"]
        assert "load" in shop.xswarm("status").lower()


def test_critical_skips_slow_and_local_ones_but_not_where_it_must_be_local(
    shop: House, market: Simulator
) -> None:
    slow = only("wise", "home")
    with under_way(shop, market, 4):
        assert level(shop) == "critical"
        told = debug(shop, **only("wise", "home", "quick"))
        assert told["winner"]["provider"] == "quick"
        back = {c["provider"]: c.get("putBackBy") for c in told["candidates"] if c["passes"]}
        near = debug(shop, strategy="local-first", **only("quick", "home"))
        assert near["winner"]["provider"] == "quick", back
        must = debug(shop, qualityGates={"localOnly": True, "blockedProviders": ["dull"]})
        assert must["winner"]["provider"] == "home"
        assert debug(shop, **slow)["winner"] is not None, "rather slow than no answer"
        assert gauge(shop) == 2
    assert level(shop) == "critical", "not before the cooldown"
    until(lambda: level(shop) == "normal", 20, "after it")


def test_hysteresis_a_value_between_keeps_the_state(shop: House, market: Simulator) -> None:
    with under_way(shop, market, 4):
        assert level(shop) == "critical"
    with under_way(shop, market, 2):  # below critical, and not clearly below a warning
        until(lambda: level(shop) == "warning", 20, "one step down after the cooldown")
        threading.Event().wait(COOLDOWN_S * 1.5)
        assert level(shop) == "warning", "not further while it goes on"
