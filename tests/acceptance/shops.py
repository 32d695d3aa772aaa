"""A daemon with free, paid and local models at the simulator, for tests of decisions.

Every free provider's window is its own test's, and all are given back between tests;
money is per project, so that no test spends another's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from farm import House, Simulator, model, pretend, provider, running

#: name → (tier, kind, model's fields); the model of each is called ``m``.
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "quick": ("free", "cloud", {"intelligence": 4.0, "speed": 9.0}),
    "wise": ("free", "cloud", {"intelligence": 7.5, "speed": 3.0}),
    "cheap": ("paid", "cloud", {"intelligence": 6.0, "speed": 6.0, "pricing": [0.1, 0.2]}),
    "dear": ("paid", "cloud", {"intelligence": 9.5, "speed": 8.5, "pricing": [5.0, 15.0]}),
    "home": ("free", "local", {"intelligence": 3.0, "speed": 2.0}),
    "dull": ("free", "local", {"intelligence": 1.5, "speed": 2.0}),
}
FREE = ["quick", "wise"]
PAID = ["cheap", "dear"]
NEAR = ["home", "dull"]


def stalls(folder: Path) -> Simulator:
    """The pretend providers."""
    names = {name: {"m": {"free": tier == "free"}} for name, (tier, _, _) in MODELS.items()}
    return Simulator(folder, pretend(names))


@contextmanager
def open_shop(home: Path, market: Simulator) -> Iterator[House]:
    """The daemon, ready."""
    house = House(home, {"XSWARM_UPSTREAM__LANE": "direct"})
    house.xswarm("init")
    listed = {}
    for name, (tier, kind, fields) in MODELS.items():
        own = dict(fields)
        price = own.pop("pricing", None)
        if price is not None:
            own["pricing"] = {"input": price[0], "output": price[1]}
        listed[name] = provider(
            f"{market.url}/{name}/v1",
            {"m": model(name, free=tier == "free", **own)},
            kind=kind,
            freeTier={"type": "recurring" if tier == "free" else "none", "confidence": "high",
                      "limits": []},
        )  # fmt: skip
    house.overlay("shops", {"version": "2026.11.20", "providers": listed})
    for name, (tier, _, _) in MODELS.items():
        house.xswarm("account", "add", name, "-", "--tier", tier, stdin=f"key-{name}\n")
    rules = [
        {"name": "redirect", "when": {"model": "gpt-old"}, "then": {"models": ["cheap/*"]}},
        {"name": "night shift", "when": {"header": "x-shift: night"}, "then": {"localOnly": True}},
        {"name": "no agents", "when": {"project": "strict", "hasTools": True},
         "then": {"reject": "No agents in this project."}},
        {"name": "cheaply", "when": {"project": "thrifty"}, "then": {"strategy": "cost-first"}},
    ]  # fmt: skip
    house.xswarm("config", "set", "models.aliases", '{"gpt-old" = "dear/m"}')
    house.xswarm("config", "set", "routing.rules", json.dumps(rules))
    house.xswarm("config", "set", "budget.allocations", '{"broke" = {daily = 0.0000001}}')
    with running(house):
        first = house.call("PATCH", "/v1/accounts/quick/1", {"priority": 1}, role="admin")
        assert first[0] == 200, first
        yield house


def only(*names: str) -> dict[str, Any]:
    """The gate that lets these providers through."""
    return {"qualityGates": {"allowedProviders": list(names)}}


def served(shop: House, **fields: Any) -> str:
    """Who answered."""
    status, headers, body = shop.chat(**fields)
    assert status == 200, body
    return headers["x-freeloader-provider"]


def spend(market: Simulator, *names: str) -> None:
    """Their free quota is used up for the day."""
    for name in names:
        market.fault(name, "day", forever=True)


def question(**fields: Any) -> dict[str, Any]:
    """A whole request body."""
    return {"model": "auto", "messages": [{"role": "user", "content": "hello"}], **fields}


def calls(market: Simulator) -> Counter[str]:
    """How often each provider was asked so far."""
    return Counter(row["provider"] for row in market.requests()["requests"])
