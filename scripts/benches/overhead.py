"""What the front adds to its own child; the daemon's memory; the time from start to ready.

One simulator without delays, one daemon with its LiteLLM child. The same bodies
go through the front and straight into the child's socket, in turn (A B A B …),
so that drift of the machine falls on both alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import orjson
import psutil
from stats import interval, percentile, shown

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, Simulator, model, pretend, provider

SIZES_KB = (1, 50, 500)
PAIRS = {1: 600, 50: 300, 500: 120}
BLOCKS = 12
BLOCK_S = 2.0


@dataclass
class Door:
    """One way in: a session, an address, headers, and the model's name there."""

    session: aiohttp.ClientSession
    url: str
    headers: dict[str, str]
    model: str
    extra: dict[str, Any]

    async def send(self, text: str) -> float:
        """Seconds for one whole answer; raises on anything but 200."""
        body = {"model": self.model, "messages": [{"role": "user", "content": text}], **self.extra}
        data = orjson.dumps(body)
        began = time.perf_counter()
        async with self.session.post(self.url, data=data, headers=self.headers) as answer:
            raw = await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{self.url}: {answer.status} {raw[:300]!r}")
        return time.perf_counter() - began


def main(argv: list[str], part: str = "overhead") -> int:
    parser = argparse.ArgumentParser(prog=f"scripts/bench {part}", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples")
    asyncio.run(run(0.1 if parser.parse_args(argv).quick else 1.0, [part]))
    return 0


async def run(scale: float, parts: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="fl-") as folder:
        place = Path(folder)
        simulator = Simulator(place, {**pretend({"fast": {"echo": {"free": True}}}), "pace": 0})
        try:
            house = _furnish(place / "home", simulator)
            server = await _serve(house)
            try:
                if "start" in parts:
                    _start(house, server)
                if "overhead" in parts:
                    await _overhead(house, server, scale)
                _memory(server)
            finally:
                await _end(server)
        finally:
            simulator.stop()


def _furnish(home: Path, simulator: Simulator) -> House:
    house = House(home)
    house.xswarm("init")
    document = provider(f"{simulator.url}/fast/v1", {"echo": model("echo", context=10_000_000)})
    house.overlay("fast", {"version": "2026.11.20", "providers": {"fast": document}})
    house.xswarm("account", "add", "fast", "-", stdin="bench-key\n")
    return house


@dataclass
class Server:
    process: asyncio.subprocess.Process
    told: dict[str, Any]
    start_s: float


async def _serve(house: House) -> Server:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).parent / "serve.py"),
        env={**house.env, "PYTHONPATH": ""},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(120):
        line = await process.stdout.readline()
    if not line:
        raise RuntimeError("the daemon ended while starting")
    return Server(process, json.loads(line), time.perf_counter() - began)


async def _end(server: Server) -> None:
    if server.process.returncode is None:
        server.process.terminate()
        await asyncio.wait_for(server.process.wait(), 60)


def _start(house: House, server: Server) -> None:
    alone = server.told["child_start_s"]
    print("\n## Start to ready")
    print(f"daemon, from exec to ready: {server.start_s:.2f} s")
    print(f"its child alone, from spawn to warm: {alone:.2f} s")
    print(f"ratio: {server.start_s / alone:.2f}")


def _memory(server: Server) -> None:
    rss = psutil.Process(server.process.pid).memory_info().rss / 2**20
    child = psutil.Process(server.told["child_pid"]).memory_info().rss / 2**20
    print("\n## Resident memory")
    print(f"daemon without the child: {rss:.1f} MB (goal: at most 80)")
    print(f"the child: {child:.1f} MB")


async def _overhead(house: House, server: Server, scale: float) -> None:
    told = server.told
    timeout = aiohttp.ClientTimeout(total=60)
    front_session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=timeout, auto_decompress=False
    )
    child_session = aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(told["socket"], limit=0),
        timeout=timeout,
        auto_decompress=False,
    )
    json_type = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    async with front_session, child_session:
        front = Door(
            front_session,
            f"{house.url}/v1/chat/completions",
            {"Authorization": f"Bearer {house.key()}", **json_type},
            "fast/echo",
            {},
        )
        child = Door(
            child_session,
            "http://child/v1/chat/completions",
            {"Authorization": f"Bearer {told['master_key']}", **json_type},
            told["entry"],
            {"api_key": "bench-key"},
        )
        print("\n## What the front adds to its own child (interleaved pairs, one run)")
        for size in SIZES_KB:
            await _latency(front, child, size, max(20, int(PAIRS[size] * scale)))
        for size in SIZES_KB:
            await _throughput(front, child, size, max(4, int(BLOCKS * scale)))


async def _latency(front: Door, child: Door, size: int, pairs: int) -> None:
    text = "a" * (size * 1024)
    for door in (front, child) * 5:
        await door.send(text)
    rng = random.Random(size)
    differences, ours, theirs = [], [], []
    for _ in range(pairs):
        order = [front, child]
        rng.shuffle(order)
        took = {id(door): await door.send(text) for door in order}
        ours.append(took[id(front)] * 1000)
        theirs.append(took[id(child)] * 1000)
        differences.append((took[id(front)] - took[id(child)]) * 1000)
    goal = 3.0 if size >= 500 else 1.0
    print(
        f"{size:4d} KB, 1 at a time: p50 {median(ours):.2f} ms through the front, "
        f"{median(theirs):.2f} ms straight; added {shown(interval(differences), 'ms')} "
        f"(goal at most {goal:g} ms); p99 {percentile(ours, 0.99):.1f} / "
        f"{percentile(theirs, 0.99):.1f} ms; {pairs} pairs"
    )


async def _throughput(front: Door, child: Door, size: int, blocks: int) -> None:
    text = "a" * (size * 1024)
    for workers in (1, 32):
        ratios = []
        for block in range(blocks):
            first, second = (front, child) if block % 2 else (child, front)
            rate = {id(door): await _rate(door, text, workers) for door in (first, second)}
            ratios.append(rate[id(front)] / rate[id(child)])
        print(
            f"{size:4d} KB, {workers:2d} at a time: throughput "
            f"{shown(interval(ratios))} of the child's (goal at least 0.95); {blocks} block pairs"
        )


async def _rate(door: Door, text: str, workers: int) -> float:
    done = 0
    end = time.perf_counter() + BLOCK_S

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await door.send(text)
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    return done / (time.perf_counter() - began)


assert os.name == "posix"
