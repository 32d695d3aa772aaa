"""A crowd of clients in a process of its own: more at a time than a daemon lets in.

Whoever is told to come back does so after the time that was named and up to as much again,
each at a moment of its own, until the crowd's time is over. It prints how often which answer
came, as JSON; it measures no time, because so many in one process wait for each other.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter

import aiohttp

#: Nobody's answer takes so long.
_PATIENCE_S = 90.0


def gather(url: str, key: str, size: int, seconds: float) -> subprocess.Popen[str]:
    """Starts the crowd; its standard output is what it was told."""
    command = [sys.executable, __file__, url, str(size), str(seconds)]
    crowd = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert crowd.stdin is not None
    crowd.stdin.write(key)
    crowd.stdin.close()
    crowd.stdin = None
    return crowd


async def _crowd(url: str, key: str, size: int, seconds: float) -> Counter[str]:
    body = {"model": "alpha/m", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
    told: Counter[str] = Counter()
    end = time.monotonic() + seconds
    async with aiohttp.ClientSession(
        url,
        headers={"Authorization": f"Bearer {key}"},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(_PATIENCE_S),
    ) as session:

        async def one(number: int) -> None:
            while True:
                async with session.post("/v1/chat/completions", json=body) as answer:
                    await answer.read()
                    wait = answer.headers.get("Retry-After", "")
                clean = answer.status != 503 or wait.isdigit()
                told[str(answer.status) if clean else f"{answer.status} without Retry-After"] += 1
                if answer.status == 200 or not clean:
                    return
                pause = int(wait) * (1 + number / size)
                if time.monotonic() + pause > end:
                    return
                await asyncio.sleep(pause)

        await asyncio.gather(*(one(number) for number in range(size)))
    return told


if __name__ == "__main__":
    print(json.dumps(asyncio.run(
        _crowd(sys.argv[1], sys.stdin.read(), int(sys.argv[2]), float(sys.argv[3]))
    )))  # fmt: skip
