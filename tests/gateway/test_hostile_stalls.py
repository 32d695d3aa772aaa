"""H2: how long a hostile body keeps the loop from everybody else, against an honest one.

The longest time between two turns of the loop while a body is sent, read and refused; as a
multiple of what an honest body of the same size costs in the same run, so that a busy machine
is busy for both. (Milliseconds are `scripts/bench faults`' business.)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

import aiohttp
import orjson
import pytest
from front_fakes import CLIENT, HELLO, House, ServerPart

SIZE = 4_000_000
#: So many times as long as the honest one's at most. The least of a few rounds of each counts.
TIMES, ROUNDS = 4.0, 3


def sized(piece: bytes, before: bytes, after: bytes) -> bytes:
    """A body of about ``SIZE`` bytes."""
    return before + piece * ((SIZE - len(before) - len(after)) // len(piece)) + after


HONEST = orjson.dumps({**HELLO, "messages": [{"role": "user", "content": "word " * (SIZE // 5)}]})
HOSTILE = {
    "many keys": sized(b'"k":0,', b"{", b'"k":0}'),
    "other keys": b"{" + b",".join(b'"k%d":0' % n for n in range(SIZE // 12)) + b"}",
    "many objects": sized(b"{},", b'{"a":[', b"{}]}"),
    "many numbers": sized(b"1e5,", b'{"a":[', b"1]}"),
    "deep lists": b'{"a":' + b"[" * (SIZE // 2) + b"]" * (SIZE // 2) + b"}",
    "deep objects": b'{"b":' * (SIZE // 6) + b"1" + b"}" * (SIZE // 6),
    "escapes": sized(b"\\u0041", b'{"model":"', b'"}'),
    "quotes": sized(b'\\"', b'{"model":"', b'"}'),
    "colons": sized(b":", b'{"model":"', b'"}'),
    "commas": sized(b",", b'{"model":"', b'"}'),
    "spaces": sized(b" ", b'{"model":"a"', b"}"),
    "a number": sized(b"9", b'{"a":', b"}"),
    "a string without end": sized(b"x", b'{"model":"', b""),
    "no text": sized(b"\xff", b'{"model":"', b'"}'),
    "the same key at the end": HONEST[:-1] + b',"model":"b"}',
}


@pytest.fixture
async def house():
    one = House()
    one.server = ServerPart(body_bytes_max=2 * SIZE)
    await one.start()
    yield one
    await one.stop()


async def stall(work: Awaitable[object]) -> float:
    """The longest time in which nobody else had a turn, in seconds."""
    longest, last, over = 0.0, time.perf_counter(), False

    async def ticks() -> None:
        nonlocal longest, last
        while not over:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    ticking = asyncio.create_task(ticks())
    await work
    over = True
    await ticking
    return longest


async def sent(house: House, raw: bytes) -> int:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {CLIENT}"}
    assert house.running is not None
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{house.running.url}/v1/chat/completions", data=raw) as answer,
    ):
        await answer.read()
        return answer.status


async def test_h2_a_hostile_body_keeps_the_loop_no_longer_than_an_honest_one(house: House) -> None:
    async def least(raw: bytes, statuses: set[int]) -> float:
        found = []
        for _ in range(ROUNDS):
            asked = asyncio.ensure_future(sent(house, raw))
            found.append(await stall(asked))
            assert asked.result() in statuses
        return min(found)

    honest = await least(HONEST, {200})
    assert honest > 0
    stalls = {name: await least(raw, {400}) for name, raw in HOSTILE.items()}
    assert {name: s / honest for name, s in stalls.items() if s > TIMES * honest} == {}
