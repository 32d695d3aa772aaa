"""A hundred thousand requests through the direct lane: how much larger is the daemon then?

Default features, 145 deployments, JSON answers and some streams, 32 at a time, from as many
conversations as there are requests: whatever is remembered of each is remembered. Resident
memory before (after a few hundred, so that everything is loaded) and after, and on the way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psutil
from lanes import Way, _farside, _ours

REQUESTS, QUICK_REQUESTS = 100_000, 5_000
ABREAST = 32
#: Before the first look: what is loaded at first use is no growth.
WARM = 500
#: Every so many is a stream.
STREAM_EVERY = 10
IDLE_MB, GROWN_MB = 80.0, 20.0
LOOKS = 10


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench many", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_REQUESTS:,} requests")
    parser.add_argument("--requests", type=int, help=f"how many ({REQUESTS:,})")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    options = parser.parse_args(argv)
    requests = options.requests or (QUICK_REQUESTS if options.quick else REQUESTS)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fl-")))
        far, _ = stack.enter_context(_farside("provider"))
        way = stack.enter_context(_ours(place / "home", far, "direct"))
        found = asyncio.run(_measure(way, requests))
    print(json.dumps(found) if options.json else _text(found))
    return 0 if found["kept"] else 1


async def _measure(way: Way, requests: int) -> dict[str, Any]:
    daemon = psutil.Process(way.pids[0])
    idle = daemon.memory_info().rss / 1e6
    await _ask(way, 0, WARM)
    before, seen = daemon.memory_info().rss / 1e6, []
    began = time.perf_counter()
    for look in range(LOOKS):
        await _ask(way, WARM + look * requests // LOOKS, requests // LOOKS)
        seen.append(round(daemon.memory_info().rss / 1e6, 1))
        print(f"  {(look + 1) * requests // LOOKS:7,d}  {seen[-1]:.1f} MB", file=sys.stderr)
    rate = requests / (time.perf_counter() - began)
    grown = seen[-1] - before
    return {
        "requests": requests, "perSecond": round(rate), "idleMb": round(idle, 1),
        "warmMb": round(before, 1), "seenMb": seen, "grownMb": round(grown, 1),
        "kept": idle <= IDLE_MB and grown <= GROWN_MB,
    }  # fmt: skip


async def _ask(way: Way, first: int, count: int) -> None:
    numbers = iter(range(first, first + count))
    headers = {"Authorization": f"Bearer {way.key}", "Content-Type": "application/json"}
    url = f"{way.url}/chat/completions"

    async def work() -> None:
        for number in numbers:
            message = {"role": "user", "content": f"question {number}: what is the time?"}
            body = {"model": way.model, "messages": [message],
                    "stream": number % STREAM_EVERY == 0}  # fmt: skip
            async with session.post(url, data=orjson.dumps(body), headers=headers) as answer:
                raw = await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"{answer.status} {raw[:300]!r}")

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(work() for _ in range(ABREAST)))


def _text(found: dict[str, Any]) -> str:
    return (
        f"\n## many: {found['requests']:,} requests, {found['perSecond']} a second\n"
        f"idle {found['idleMb']:.1f} MB (goal ≤ {IDLE_MB:g}), warm {found['warmMb']:.1f} MB, "
        f"then {found['seenMb'][-1]:.1f} MB: {found['grownMb']:+.1f} MB (goal ≤ +{GROWN_MB:g}): "
        f"{'kept' if found['kept'] else 'NOT KEPT'}"
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
