"""A daemon that is killed under load, again and again; what providers billed against its ledger.

Nothing that was billed may be missing in the ledger, and nothing may be in it twice.
What the provider reported is compared charge by charge; what a crash left open is
charged at its hold, and that is never less than the bill.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
from farm import House, Simulator, model, pretend, provider

from freeloader.app.failpoints import EXIT

CLIENTS = 12
#: Dearer output than input, and odd numbers: no two charges look alike by chance.
PRICES = {"ingot": {"input": 1.37, "output": 2.91}, "nugget": {"input": 0.53, "output": 7.19}}


@dataclass
class Toll:
    """What became of all rounds. Amounts in picodollars."""

    kills: int = 0
    answered: int = 0
    billed: int = 0
    billed_calls: int = 0
    charged: int = 0
    expired: int = 0
    #: Of these, shown as estimates by ``/v1/usage``.
    shown: int = 0
    died_at_place: int = 0
    #: Where the provider reported what it billed: calls, and picodollars on both sides.
    exact_calls: int = 0
    exact: int = 0
    #: The rest: calls that were billed, their bill, and what was charged instead.
    apart_calls: int = 0
    apart_billed: int = 0
    apart_charged: int = 0
    #: Billed, and not charged: calls, and picodollars. Both must be 0.
    missing: list[str] = field(default_factory=list)
    #: Charged more often than billed, where the provider reported what it billed.
    doubled: list[str] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)
    analytics: dict[str, Any] = field(default_factory=dict)

    def sound(self) -> bool:
        return not self.missing and not self.doubled and self.charged >= self.billed


def simulated(directory: Path) -> Simulator:
    """Two paid models that take between 20 and 300 ms."""
    speed = {"firstMs": 20, "tokensPerSecond": 250}
    models = {name: {"pricing": price, "latency": speed} for name, price in PRICES.items()}
    return Simulator(directory, pretend({"gold": models}))


def house(home: Path, simulator: Simulator, **environ: str) -> House:
    """A home with one paid account and no LiteLLM child."""
    built = House(home, {
        "XSWARM_UPSTREAM__LANE": "direct", "XSWARM_BUDGET__HARD__MONTHLY": "1000",
        "XSWARM_ROUTING__FALLBACK": "fail", **environ,
    })  # fmt: skip
    built.xswarm("init")
    models = {
        name: model(name, free=False, pricing=price, intelligence=9.0, maxOutput=64)
        for name, price in PRICES.items()
    }
    document = provider(f"{simulator.url}/gold/v1", models, status="paid_only",
                        freeTier={"type": "none", "confidence": "high", "limits": []})  # fmt: skip
    built.overlay("gold", {"version": "2026.11.20", "providers": {"gold": document}})
    built.xswarm("account", "add", "gold", "-", "--tier", "paid", stdin="key-gold\n")
    return built


async def load(house: House, random: Random, seconds: float, told: list[dict[str, Any]]) -> None:
    """Streams and whole answers from many clients, for so long; what each was told."""
    timeout = aiohttp.ClientTimeout(total=10)
    headers = {"Authorization": f"Bearer {house.key()}"}
    async with aiohttp.ClientSession(house.url, headers=headers, timeout=timeout) as session:
        until = time.monotonic() + seconds

        async def client(seed: float) -> None:
            own = Random(seed)
            while time.monotonic() < until:
                try:
                    told.append(await one(session, own))
                except (aiohttp.ClientError, TimeoutError, ConnectionError, ValueError):
                    await asyncio.sleep(0.01)

        await asyncio.gather(*(client(random.random()) for _ in range(CLIENTS)))


async def one(session: aiohttp.ClientSession, random: Random) -> dict[str, Any]:
    name = random.choice(tuple(PRICES))
    body = {
        "model": f"gold/{name}",
        "messages": [{"role": "user", "content": "word " * random.randint(1, 60)}],
        "max_tokens": random.randint(1, 64),
        "stream": random.random() < 0.5,
    }
    async with session.post("/v1/chat/completions", json=body) as answer:
        text = await answer.text()
        decision = answer.headers.get("X-Freeloader-Decision-Id", "")
        if answer.status != 200 or (body["stream"] and "[DONE]" not in text):
            raise ValueError(text[:200])
    return {"decision": decision}


def rounds(
    house: House,
    simulator: Simulator,
    count: int,
    seed: int,
    *,
    places: Sequence[str] = (),
    say: Any = lambda _: None,
) -> Toll:
    """Kills the daemon ``count`` times at random moments under load, and accounts for it.

    In the first rounds it is to die at one of ``places`` each (see ``app.failpoints``).
    """
    random, toll = Random(seed), Toll()
    told: list[dict[str, Any]] = []
    for number in range(count):
        if number < len(places):
            house.env["XSWARM_FAILPOINT"] = f"{places[number]}:{random.randint(1, 9)}"
        restart(house, toll)
        house.env.pop("XSWARM_FAILPOINT", None)
        moment = random.uniform(0.05, 0.8)

        async def under_load(moment: float = moment) -> None:
            task = asyncio.create_task(load(house, random, moment + 0.05, told))
            await asyncio.sleep(moment)
            assert house.daemon is not None
            house.daemon.kill()
            await task

        asyncio.run(under_load())
        assert house.daemon is not None
        toll.died_at_place += house.daemon.wait(10) == EXIT
        toll.kills += 1
        if number % 10 == 9:
            say(f"{number + 1} kills, {len(told)} answers")
    restart(house, toll)
    for row in house.get("/v1/usage?group=outcome")["rows"]:
        if row["outcome"] == "lost" and row["estimated"] == row["attempts"]:
            toll.shown = row["attempts"]
    house.stop()
    toll.answered = len(told)
    account(house, simulator, toll, told)
    return toll


def restart(house: House, toll: Toll) -> None:
    """Starts it, and notes how long it and its ledger took to be ready."""
    begun = time.monotonic()
    house.start()
    toll.restarts.append(time.monotonic() - begun)


def account(house: House, simulator: Simulator, toll: Toll, told: list[dict[str, Any]]) -> None:
    """The simulator's bill against the ledger's rows. The daemon is stopped."""
    deadline = time.monotonic() + 15
    while simulator.state().get("running", 0) and time.monotonic() < deadline:
        time.sleep(0.1)
    bill = [e for e in simulator.bill()["entries"] if e["picodollars"]]
    conn = sqlite3.connect(house.home / "freeloader.db")
    conn.row_factory = sqlite3.Row
    usage = conn.execute("SELECT * FROM usage").fetchall()
    sums = conn.execute("SELECT sum(cost_pico) FROM budget_tracking").fetchone()[0] or 0
    adjusted = conn.execute("SELECT coalesce(sum(amount_pico), 0) FROM adjustments").fetchone()[0]
    held = conn.execute("SELECT count(*) FROM holds WHERE state = 'held'").fetchone()[0]
    conn.close()
    toll.billed_calls, toll.billed = len(bill), sum(e["picodollars"] for e in bill)
    toll.charged = sum(row["cost_pico"] for row in usage) + adjusted
    toll.expired = sum(row["outcome"] == "lost" for row in usage)
    if sums != toll.charged:
        toll.doubled.append(f"the running sums say {sums}, the rows {toll.charged}")
    if held:
        toll.doubled.append(f"{held} holds are still open")
    exact = Counter(_seen(row) for row in usage if row["basis"] == "reported")
    owed = Counter((e["input"], e["output"], e["picodollars"]) for e in bill)
    for cost, count in (exact - owed).items():
        toll.doubled.append(f"{cost} was charged {count} times more than billed")
    same = exact & owed
    toll.exact_calls, toll.exact = same.total(), sum(k[2] * n for k, n in same.items())
    # What was billed and is no reported charge must each be covered by one that was counted
    # or held: the dearest first.
    rest = sorted((cost for _, _, cost in (owed - exact).elements()), reverse=True)
    cover = sorted((r["cost_pico"] for r in usage if r["basis"] != "reported"), reverse=True)
    toll.apart_calls, toll.apart_billed, toll.apart_charged = len(rest), sum(rest), sum(cover)
    for number, cost in enumerate(rest):
        if number >= len(cover) or cover[number] < cost:
            toll.missing.append(f"{cost} picodollars were billed and are not charged")
    known = Counter(row["request_id"] for row in usage)
    for answer in told:
        if known[answer["decision"]] != 1:
            toll.missing.append(f"{answer['decision']}: {known[answer['decision']]} charges")


def _seen(row: sqlite3.Row) -> tuple[int, int, int]:
    return (row["input"] + row["cache_read"], row["output"], row["cost_pico"])
