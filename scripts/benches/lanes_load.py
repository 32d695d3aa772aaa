"""The load of the lanes bench: one way to a provider, asked so many at a time for so long.

What an answer cost its server in processor time is measured beside its time on the clock:
that hardly depends on what else the machine does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
import orjson
import psutil
from stats import percentile

SIZES_KB = (1, 50, 500)
WORKERS = (1, 32)


@dataclass
class Row:
    """Milliseconds, answers a second, and processor microseconds of all its processes for each."""

    p50: float
    p99: float
    rate: float
    cpu_us: float


@dataclass
class Way:
    """One way to the provider: where, with which key and name; what it cost."""

    name: str
    url: str
    key: str
    model: str
    pids: tuple[int, ...] = ()
    first_s: float | None = None
    rows: dict[tuple[int, int], Row] = field(default_factory=dict)

    def rss_mb(self) -> float:
        sizes = [psutil.Process(pid).memory_info().rss for pid in self.pids]
        return sum(sizes) / 1e6

    def cpu_s(self) -> float:
        """What its processes have worked so far; one whose workers come and go counts less."""
        times = [psutil.Process(pid).cpu_times() for pid in self.pids]
        return sum(one.user + one.system for one in times)


async def measure(ways: Sequence[Way], seconds: float) -> None:
    """All ways in turn for each size and concurrency: drift falls on all of them alike."""
    for size in SIZES_KB:
        for workers in WORKERS:
            for way in ways:
                await _run(way, size, workers, min(0.3, seconds))
            for way in ways:
                way.rows[size, workers] = await _run(way, size, workers, seconds)


async def _run(way: Way, size_kb: int, workers: int, seconds: float) -> Row:
    """With connections of its own: a server may have closed those that waited for their turn."""
    text = "word " * (size_kb * 1024 // 5)
    data = orjson.dumps({"model": way.model, "messages": [{"role": "user", "content": text}]})
    headers = {"Authorization": f"Bearer {way.key}", "Content-Type": "application/json"}
    took: list[float] = []
    worked = way.cpu_s()
    began = time.perf_counter()

    async def work() -> None:
        while time.perf_counter() - began < seconds or not took:
            start = time.perf_counter()
            url = f"{way.url}/chat/completions"
            async with session.post(url, data=data, headers=headers) as answer:
                raw = await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"{way.name}: {answer.status} {raw[:300]!r}")
            took.append(time.perf_counter() - start)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(work() for _ in range(workers)))
    spent = time.perf_counter() - began
    cpu_us = (way.cpu_s() - worked) / len(took) * 1e6
    p50, p99 = (percentile(took, share) * 1e3 for share in (0.5, 0.99))
    return Row(p50, p99, len(took) / spent, cpu_us)
