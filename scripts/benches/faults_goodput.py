"""H9: ten times as many clients as a provider has places for: how much is still answered?

First as many as there are places, for the peak; then ten times as many, who come back when
they are told to (never sooner than after a second). What counts is answers a second.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import aiohttp
from faults_kit import LANE, Row, furnished, holds, market

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, running

#: Calls at one provider at a time, which is what runs out first; seconds that one takes.
_PLACES, _TAKES_S = 256, 3.0
_SECONDS, _QUICK_SECONDS = 15.0, 5.0
_TIMES = 10
_SHARE = 0.9


def goodput(place: Path, *, quick: bool) -> list[Row]:
    """The row of the table."""
    seconds = _QUICK_SECONDS if quick else _SECONDS
    with market(place, ("alpha",), first_ms=int(_TAKES_S * 1000)) as simulator:
        house = furnished(place, simulator, ("alpha",), environ={LANE: "direct"})
        with running(house):
            peak, _, _ = asyncio.run(_rush(house, _PLACES, seconds))
            rate, shed, strange = asyncio.run(_rush(house, _TIMES * _PLACES, seconds))
            left = holds(house)
    share = rate / peak
    return [
        Row("H9: goodput under overload", f"{_TIMES * _PLACES} clients for {seconds:g} s where "
            f"{_PLACES} have a place",
            f"at least {_SHARE:.0%} of the peak is still answered, all others told to come back",
            f"{rate:.0f} answers a second of {peak:.0f}: {share:.0%}; {shed} told to come back, "
            f"{strange} anything else; {left} holds left",
            share >= _SHARE and not strange and left == 0)
    ]  # fmt: skip


async def _rush(house: House, clients: int, seconds: float) -> tuple[float, int, int]:
    """Answers a second once all are there; how many were told to come back, or something else."""
    body = {"model": "alpha/m", "max_tokens": 4, "messages": [{"role": "user", "content": "hi"}]}
    good: list[float] = []
    told = strange = 0
    begin = time.perf_counter()
    counted = begin + 2 * _TAKES_S  # who came first has been answered by then
    end = counted + seconds

    async def client() -> None:
        nonlocal told, strange
        while time.perf_counter() < end:
            async with session.post("/v1/chat/completions", json=body) as answer:
                await answer.read()
                wait = answer.headers.get("Retry-After")
                if answer.status == 200:
                    good.append(time.perf_counter())
                    continue
            if answer.status not in (429, 503) or wait is None:
                strange += 1
            told += 1
            await asyncio.sleep(max(1.0, float(wait or 0)))

    async with aiohttp.ClientSession(
        house.url, connector=aiohttp.TCPConnector(limit=0),
        headers={"Authorization": f"Bearer {house.key()}"}, timeout=aiohttp.ClientTimeout(90),
    ) as session:  # fmt: skip
        await asyncio.gather(*(client() for _ in range(clients)))
    return sum(counted <= at <= end for at in good) / seconds, told, strange
