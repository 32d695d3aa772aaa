"""Mixed requests through a running daemon, and both sides' books afterwards.

Streams and whole answers, several choices, repeated beginnings (cached input), clients
that leave, answers without usage, broken off or refused. Nobody is killed here.
"""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

import aiohttp
import killing
from farm import House, Simulator

#: Share of the requests that each of these befalls.
FAULTS = {"missing_usage": 0.04, "cut": 0.02, "server_error": 0.005}
LEAVES = 0.03
AT_ONCE = 12
LONG = "This is the beginning that all of these requests share. " * 30


def run(house: House, simulator: Simulator, count: int, seed: int, say: Any) -> killing.Toll:
    """``count`` requests, and what came of them. Starts and stops the daemon."""
    toll = killing.Toll()
    for kind, share in FAULTS.items():
        more = {"afterChunks": 3} if kind == "cut" else {}
        simulator.fault("gold", kind, forever=True, probability=share, **more)
    killing.restart(house, toll)
    try:
        toll.answered = asyncio.run(_all(house, count, seed, say))
        toll.analytics = house.get("/v1/analytics?period=today")
    finally:
        simulator.calm()
        house.stop()
    killing.account(house, simulator, toll, [])
    return toll


async def _all(house: House, count: int, seed: int, say: Any) -> int:
    random, left, answered = Random(seed), count, 0
    begun = time.monotonic()
    headers = {"Authorization": f"Bearer {house.key()}"}
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(house.url, headers=headers, timeout=timeout) as session:

        async def client(seed: float) -> None:
            nonlocal left, answered
            own = Random(seed)
            while left > 0:
                left -= 1
                if left % 500 == 0:
                    say(f"{count - left} requests in {time.monotonic() - begun:.0f} s")
                done = await _one(session, own)
                answered += done

        await asyncio.gather(*(client(random.random()) for _ in range(AT_ONCE)))
    return answered


async def _one(session: aiohttp.ClientSession, random: Random) -> bool:
    opening = LONG if random.random() < 0.3 else ""
    body: dict[str, Any] = {
        "model": f"gold/{random.choice(tuple(killing.PRICES))}",
        "messages": [{"role": "user", "content": opening + "word " * random.randint(1, 80)}],
        "max_tokens": random.randint(1, 64),
        "stream": random.random() < 0.5,
    }
    if random.random() < 0.1:
        body["n"] = random.randint(2, 3)
    patience = random.uniform(0.01, 0.3) if random.random() < LEAVES else 60.0
    try:
        async with asyncio.timeout(patience):
            async with session.post("/v1/chat/completions", json=body) as answer:
                await answer.read()
                return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, ConnectionError):
        return False
