"""What runs out: descriptors, memory, room for more requests; and requests sent twice.

Each part injects one thing into real processes and gives the rows of its table.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psutil
from faults_crowd import gather
from faults_kit import LANE, Row, answers, furnished, holds, large_at_once, market, street

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, running, until

#: Bytes between what a process has and its limit: too little for anything large.
_SCARCE = 12 * 2**20
#: As many as are let in; of those who come then, at least so many, 99 in 100 are told so within
#: this time (seconds).
_FULL, _REFUSALS, _SHED_S = 1024, 100, 0.02
#: Requests that are each sent twice, so many at a time.
_PAIRS, _QUICK_PAIRS, _ABREAST = 1000, 100, 16


def descriptors(place: Path, *, quick: bool) -> list[Row]:
    """S7: no file descriptor is left for new connections; then there are again."""
    with street(place, ("alpha",), environ={LANE: "auto"}) as (house, _):
        assert house.daemon is not None
        daemon = psutil.Process(house.daemon.pid)
        assert house.chat(model="alpha/m")[0] == 200
        room = daemon.num_fds() + 12
        daemon.rlimit(psutil.RLIMIT_NOFILE, (room, room))
        crowd = [socket.create_connection(("127.0.0.1", house.port)) for _ in range(40)]
        time.sleep(1.0)
        shed = not answers(house)
        for one in crowd:
            one.close()
        began = time.monotonic()
        until(lambda: answers(house), 20, "it answers again")
        back = time.monotonic() - began
        alive = house.daemon.poll() is None
    held = holds(house)
    return [
        Row("S7: no file descriptors are left", "RLIMIT_NOFILE, forty idle connections",
            "new ones are shed, nothing ends; healthy again < 1 s after release",
            f"shed: {'yes' if shed else 'no need'}, back after {back:.2f} s, {held} holds left",
            alive and back < 1.5 and held == 0)
    ]  # fmt: skip


def memory(place: Path, *, quick: bool) -> list[Row]:
    """S7: no memory is left, for the daemon and for its child; then there is again."""
    (place / "front").mkdir()
    return [_front_memory(place / "front"), *([] if quick else [_child_memory(place)])]


def _front_memory(place: Path) -> Row:
    with street(place, ("alpha",), environ={LANE: "direct"}) as (house, _):
        assert house.daemon is not None
        daemon = psutil.Process(house.daemon.pid)
        assert house.chat(model="alpha/m")[0] == 200
        before = daemon.rlimit(psutil.RLIMIT_AS)
        daemon.rlimit(psutil.RLIMIT_AS, (daemon.memory_info().vms + _SCARCE, before[1]))
        told = large_at_once(house, 24)
        owner = house.call("GET", "/v1/config", role="admin")[0]
        alive = house.daemon.poll() is None
        back = 0.0
        if alive:
            daemon.rlimit(psutil.RLIMIT_AS, before)
            began = time.monotonic()
            until(lambda: house.chat(model="alpha/m")[0] == 200, 20, "it answers again")
            back = time.monotonic() - began
    shed = sum(status == 503 and wait for status, wait in told)
    held = holds(house)
    return Row(
        "S7: no memory is left for the daemon",
        f"RLIMIT_AS {_SCARCE // 2**20} MB above what it has, 24 bodies of 4 MB at once",
        "shed with 503 and Retry-After, the owner gets in, nothing ends; back at once",
        f"{shed} of {len(told)} shed, owner {owner}, {'alive' if alive else 'DEAD'}, "
        f"back after {back:.2f} s, {held} holds left",
        alive and shed == len(told) == 24 and owner == 200 and back < 1.5 and held == 0,
    )


def _child_memory(place: Path) -> Row:
    with street(place, ("alpha",), foreign=("gemma",)) as (house, _):
        house.child_ready()
        pid = house.child_pid()
        assert pid
        child = psutil.Process(pid)
        began = time.monotonic()
        child.rlimit(psutil.RLIMIT_AS, (child.memory_info().vms - 2 * _SCARCE,) * 2)
        direct = house.chat(model="alpha/m")[0]

        def replaced() -> bool:
            """What it has free still serves some: it is asked until it needs more."""
            house.chat(model="gemma/m")
            return house.child_pid() not in (pid, None)

        until(replaced, 90, "another child")
        house.child_ready()
        status = house.chat(model="gemma/m")[0]
        took = time.monotonic() - began
        reason = house.get("/v1/health")["child"]["lastExit"]["reason"]
    return Row(
        "S7: no memory is left for the child", "RLIMIT_AS below what it has",
        "it is replaced; wire-compatible providers are served meanwhile",
        f"direct {direct}; replaced and {status} after {took:.1f} s ({reason})",
        direct == status == 200,
    )  # fmt: skip


def overload(place: Path, *, quick: bool, shed_s: float = _SHED_S) -> list[Row]:
    """H9: more requests at once than are let in; the owner's routes, and who comes then."""
    rows = []
    for size, seconds in ((1200, 8.0 if quick else 20.0), (2600, 20.0)):
        if quick and rows:
            break
        where = place / str(size)
        where.mkdir()
        rows.append(_overload(where, size, seconds, shed_s))
    return rows


def _overload(place: Path, size: int, seconds: float, shed_s: float) -> Row:
    with market(place, ("alpha",), first_ms=3000) as simulator:
        house = furnished(place, simulator, ("alpha",), environ={LANE: "direct"})
        with running(house):
            crowd = gather(house.url, house.key(), size, seconds)
            late, owner = _beside(house, crowd)
            told = Counter(json.loads(crowd.communicate()[0]))
            held = holds(house)
    late.sort()
    times = sorted(took for _, took in owner)
    up = bool(owner) and all(status == 200 for status, _ in owner)
    if not late or not times:
        return Row("H9: overload", "", "it is shed", f"nobody was: {told}", False)
    return Row(
        f"H9: overload, {size / _FULL:.1f} times what is let in",
        f"{size} clients of another process at a provider that takes 3 s, {seconds:g} s long; "
        "who is told to come back does, each at a moment of its own",
        f"answered, or 503 with Retry-After; of at least {_REFUSALS} who come one by one while "
        f"it is full, 99 % are shed within {shed_s * 1000:g} ms; the owner's routes stay up",
        f"{dict(told)} in the crowd; of {len(late)} shed beside it half within {_ms(late, 0.5)}, "
        f"90 % within {_ms(late, 0.9)}, 99 % within {_ms(late, 0.99)}, the slowest in "
        f"{_ms(late, 1)}; owner {'up' if up else 'DOWN'}, half in {_ms(times, 0.5)}, the slowest "
        f"in {_ms(times, 1)}; {held} holds left",
        set(told) == {"200", "503"} and up and told["200"] >= 256 and held == 0
        and len(late) >= _REFUSALS and _at(late, 0.99) < shed_s,
    )  # fmt: skip


def _beside(
    house: House, crowd: subprocess.Popen[str]
) -> tuple[list[float], list[tuple[int, float]]]:
    """While the crowd is there: seconds until each that came was shed, while it was full; status
    and seconds of the owner's requests."""
    body = orjson.dumps(
        {"model": "alpha/m", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
    )
    headers = {"Authorization": f"Bearer {house.key()}", "Content-Type": "application/json"}
    admin = {"Authorization": f"Bearer {house.key('admin')}"}
    shed: list[float] = []
    owner: list[tuple[int, float]] = []
    there = http.client.HTTPConnection("127.0.0.1", house.port, timeout=90)

    def asked(*request: Any) -> tuple[int, bytes, float]:
        began = time.perf_counter()
        there.request(*request)
        answer = there.getresponse()
        raw = answer.read()
        return answer.status, raw, time.perf_counter() - began

    while crowd.poll() is None:
        status, raw, took = asked("GET", "/v1/health", None, admin)
        owner.append((status, took))
        full = orjson.loads(raw).get("load", {}).get("queue", 0) >= _FULL
        for _ in range(10 if full else 0):
            status, _, took = asked("POST", "/v1/chat/completions", body, headers)
            if status != 503:
                break  # it had a place after all, and has its answer now
            shed.append(took)
            time.sleep(0.005)
        time.sleep(0.01)
    there.close()
    return shed, owner


def _ms(ordered: list[float], share: float) -> str:
    return f"{_at(ordered, share) * 1000:.1f} ms"


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def twice(place: Path, *, quick: bool) -> list[Row]:
    """R8: each request is sent again under its key, at once or later."""
    pairs = _QUICK_PAIRS if quick else _PAIRS
    with street(place, ("alpha",), environ={LANE: "direct"}) as (house, simulator):
        told = asyncio.run(_pairs(house, pairs))
        asked = len(simulator.bill()["entries"])
        left = holds(house)
    kinds = Counter(tuple(sorted(pair)) for pair in told)
    clean = set(kinds) <= {(200, 200), (200, 409)}
    return [
        Row("R8: requests sent twice", f"{pairs} pairs, half of them at once, one key each",
            "one call to the provider a pair; the second has the same answer, or 409 meanwhile",
            f"{asked} calls for {pairs} pairs; {kinds[200, 200]} answered twice, "
            f"{kinds[200, 409]} told to wait; {left} holds left",
            clean and asked == pairs and left == 0),
    ]  # fmt: skip


async def _pairs(house: House, pairs: int) -> list[tuple[int, int]]:
    body = {"model": "alpha/m", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
    abreast = asyncio.Semaphore(_ABREAST)
    async with aiohttp.ClientSession(
        house.url, headers={"Authorization": f"Bearer {house.key()}"}
    ) as session:

        async def ask(key: str) -> int:
            named = {"Idempotency-Key": key}
            async with session.post("/v1/chat/completions", json=body, headers=named) as answer:
                await answer.read()
                return answer.status

        async def pair(number: int) -> tuple[int, int]:
            key = f"pair-{number}"
            async with abreast:
                if number % 2:
                    first, second = await asyncio.gather(ask(key), ask(key))
                    return first, second
                return await ask(key), await ask(key)

        return await asyncio.gather(*(pair(number) for number in range(pairs)))
