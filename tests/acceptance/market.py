"""A house with a paid, a free and a local model at the simulator, and races for its budget."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from farm import House, Simulator, model, pretend, provider, running

PRICE = {"input": 1.0, "output": 2.0}
PAID = "gold/ingot"


@contextmanager
def open_(folder: Path) -> Iterator[tuple[House, Simulator]]:
    """Daemon and simulator, ready. ``gold`` is paid, ``gift`` free, ``near`` local."""
    config = pretend(
        {
            "gold": {
                "ingot": {"pricing": PRICE},
                "slate": {"pricing": PRICE, "latency": {"firstMs": 1500, "tokensPerSecond": 40}},
                "dust": {},
            },
            "gift": {"ribbon": {"free": True}},
            "near": {"pebble": {"free": True}},
        }
    )
    config["providers"]["near"]["keyless"] = True
    bank = Simulator(folder, config)
    try:
        house = House(folder / "home")
        furnish(house, bank.url)
        with running(house):
            yield house, bank
    finally:
        bank.stop()


def furnish(house: House, at: str) -> None:
    house.xswarm("init")
    local = {"kind": "local", "auth": {"env": [], "format": None, "keyless": True, "fields": []}}
    ingot = model("ingots", intelligence=9.0, free=False, pricing=PRICE)
    slate = model("slates", intelligence=2.0, free=False, pricing=PRICE)
    providers = {
        "gold": provider(
            f"{at}/gold/v1",
            {"ingot": ingot, "slate": slate, "dust": model("dust", intelligence=8.0, free=False)},
            status="paid_only",
            freeTier={"type": "none", "confidence": "high", "limits": []},
        ),
        "gift": provider(f"{at}/gift/v1", {"ribbon": model("ribbons", intelligence=4.0)}),
        "near": provider(f"{at}/near/v1", {"pebble": model("pebbles", intelligence=3.0)}, **local),
    }
    house.overlay("pretend", {"version": "2026.11.20", "providers": providers})
    house.xswarm("account", "add", "gold", "-", "--tier", "paid", stdin="key-gold\n")
    house.xswarm("account", "add", "gift", "-", "--tier", "free", stdin="key-gift\n")
    house.xswarm("account", "add", "near")


def rules(house: House, **budget: Any) -> None:
    """These limits and actions and no others, from the next request on; shares stay."""
    nothing = {"daily": None, "monthly": None}
    whole: dict[str, Any] = {
        "hard": {**nothing, "per_request": None},
        "soft": nothing,
        "actions": {"on_soft_limit": None, "on_hard_limit": None, "on_project_limit": None},
    }
    changes = {name: {**part, **budget.get(name, {})} for name, part in whole.items()}
    status, _, answer = house.call(
        "POST", "/v1/config", {"budget": {**budget, **changes}}, role="admin"
    )
    assert status == 200, answer


@dataclass(frozen=True)
class Race:
    """What a race came to, in dollars; ``billed`` is the simulator's own count."""

    limit: float
    hold: float
    spent: float
    held: float
    billed: float
    calls: int


def race(house: House, bank: Simulator, project: str, clients: int, ratio: int) -> Race:
    """``clients`` at once want the project's budget, which is enough for half of them; each
    retries until it is told 402. A hold is about ``ratio`` times the cost."""
    ask = {"model": PAID, "max_tokens": 100, "project": f"{project}-first"}
    status, _, body = house.chat("go", **ask)
    assert status == 200, body
    cost = body["usage"]["costUsd"]
    need = house.call("POST", "/v1/router/debug", {**_body(100, project)})[2]["winner"]["holdUsd"]
    tokens = max(1, round(100 + (ratio * cost - need) / PRICE["output"] * 1e6))
    limit = round(cost * clients / 2, 9)
    rules(house, allocations={project: {"daily": limit}})
    before = bank.bill()["totals"]["picodollars"]
    hold, calls = asyncio.run(_rush(house, _body(tokens, project), clients))
    day = house.get(f"/v1/budget?project={project}")["daily"]
    billed = (bank.bill()["totals"]["picodollars"] - before) / 1e12
    return Race(limit, hold, day["spent"], day["held"], billed, calls)


def _body(tokens: int, project: str) -> dict[str, Any]:
    said = [{"role": "user", "content": "go"}]
    return {"model": PAID, "max_tokens": tokens, "project": project, "messages": said}


async def _rush(house: House, body: dict[str, Any], clients: int) -> tuple[float, int]:
    """The hold that one request needs, and how many answers came."""
    headers = {"Authorization": f"Bearer {house.key()}"}
    done = 0
    patience = aiohttp.ClientTimeout(total=120)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        headers=headers, connector=connector, timeout=patience
    ) as session:

        async def client() -> None:
            nonlocal done
            while True:
                async with session.post(f"{house.url}/v1/chat/completions", json=body) as got:
                    answer = await got.json()
                if got.status == 402:
                    assert answer["error"]["code"] == "budget_exceeded", answer
                    return
                if got.status == 200:
                    done += 1
                else:
                    assert answer["error"]["code"] in ("budget_busy", "overloaded"), answer
                    await asyncio.sleep(0.1)

        async with session.post(f"{house.url}/v1/router/debug", json=body) as got:
            debug = await got.json()
        await asyncio.gather(*(client() for _ in range(clients)))
    return float(debug["winner"]["holdUsd"]), done
