"""A thousand slow clients, and what good ones notice of them (H1 of the catalogue).

A third of them sends a request's head byte by byte, a third half a body and then nothing, a
third reads a long stream by a few bytes a second; whoever is thrown out comes again. They are
a process of their own. Good requests run at the same pace before and meanwhile; what counts
is the ratio of their p99, and how much larger the daemon's process became. Real daemon, direct
lane, the simulator as the provider; loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from stats import percentile

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, Simulator, model, pretend, provider, running

CLIENTS, SECONDS = 1000, 60.0
QUICK_CLIENTS, QUICK_SECONDS = 100, 10.0
#: Good requests a second: few enough that they never wait for each other.
PACE = 25.0
#: The issue's limits: p99 as a ratio, and megabytes.
P99_TIMES, RSS_MB = 2.0, 50.0
#: Seconds over which the slow clients come in.
RAMP_S = 3.0
KINDS = ("drip", "half", "sip")
TALKERS = ("beta", "gamma")
_LONG = "a long story sim:tokens=4000"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench slow", description=__doc__)
    parser.add_argument("--quick", action="store_true",
                        help=f"{QUICK_CLIENTS} clients for {QUICK_SECONDS:g} s")  # fmt: skip
    parser.add_argument("--clients", type=int, help=f"how many slow ones ({CLIENTS})")
    parser.add_argument("--seconds", type=float, help=f"how long ({SECONDS:g})")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS,
                        help="which kinds of slow clients, in equal parts (all)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.add_argument("--attack", nargs=2, metavar=("PORT", "KEYFILE"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    clients = options.clients or (QUICK_CLIENTS if options.quick else CLIENTS)
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    _raise_files()
    if options.attack:
        port, key = int(options.attack[0]), Path(options.attack[1]).read_text().strip()
        print(json.dumps(asyncio.run(Slow(port, key).all(clients, seconds, options.kinds))))
        return 0
    with tempfile.TemporaryDirectory(prefix="fl-") as place:
        found = _measure(Path(place), clients, seconds, options.kinds)
    if options.json:
        print(json.dumps(found))
    else:
        _print(found)
    return 0 if found["kept"] else 1


def _raise_files() -> None:
    """As many descriptors as the system allows: a thousand connections have two ends here."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


# ── the measurement ──────────────────────────────────────────────────────────────


def _measure(place: Path, clients: int, seconds: float, kinds: Sequence[str]) -> dict[str, Any]:
    # Far faster than anybody there reads, and slow enough that the pretend provider, which the
    # good requests need too, is not what the run measures.
    spoken = {"firstMs": 20, "tokensPerSecond": 10}
    # The talkers are providers of their own, two of them: the front asks one provider at most
    # 256 times at once, which is its own limit and not what slow clients cost others.
    models = {"alpha": {"quick": {"free": True,
                                  "latency": {"firstMs": 5, "tokensPerSecond": 5000}}},
              **{name: {"talker": {"free": True, "latency": spoken}} for name in TALKERS},
              }  # fmt: skip
    simulator = Simulator(place, pretend(models))
    house = House(place / "home", {"XSWARM_UPSTREAM__LANE": "direct"})
    try:
        house.xswarm("init")
        entries = {
            name: provider(
                f"{simulator.url}/{name}/v1", {m: model(f"{name}s", speed=9.0) for m in own}
            )
            for name, own in models.items()
        }
        house.overlay("slow", {"version": "2026.11.20", "providers": entries})
        for name in models:
            house.xswarm("account", "add", name, "-", "--tier", "free", stdin=f"key-{name}\n")
        with running(house):
            return _both(house, clients, seconds, kinds)
    finally:
        simulator.stop()


def _both(house: House, clients: int, seconds: float, kinds: Sequence[str]) -> dict[str, Any]:
    assert house.daemon is not None
    daemon = psutil.Process(house.daemon.pid)
    quiet = min(seconds, 20.0)
    print(f"{quiet:g} s of good requests alone …", file=sys.stderr, flush=True)
    asyncio.run(_good(house, 3.0))  # warm
    alone = asyncio.run(_good(house, quiet, daemon))
    before = daemon.memory_info().rss
    print(f"{seconds:g} s beside {clients} slow clients …", file=sys.stderr, flush=True)
    attack = subprocess.Popen(
        [sys.executable, __file__, "--clients", str(clients), "--seconds", str(seconds + RAMP_S),
         "--kinds", *kinds,
         "--attack", str(house.port), str(house.home / "client.key")],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        time.sleep(RAMP_S)
        beside = asyncio.run(_good(house, seconds, daemon))
        said, _ = attack.communicate(timeout=60)
    finally:
        if attack.poll() is None:
            attack.kill()
    grown = (beside["rss"] - before) / 1e6
    ratio = beside["p99"] / alone["p99"]
    kept = ratio < P99_TIMES and grown < RSS_MB and not beside["failed"]
    return {
        "clients": clients, "kinds": list(kinds), "seconds": seconds,
        "alone": alone, "beside": beside,
        "p99Ratio": round(ratio, 3), "rssGrownMb": round(grown, 1),
        "slow": json.loads(said), "kept": kept,
    }  # fmt: skip


async def _good(
    house: House, seconds: float, daemon: psutil.Process | None = None
) -> dict[str, Any]:
    """Requests at a fixed pace, each on its own: milliseconds, failures; the daemon's largest
    memory, and its share of a processor (which says more than p99 on a machine that is busy)."""
    spent: list[float] = []
    busy = _cpu(daemon)
    failed: Counter[str] = Counter()
    largest = 0
    body = {"model": "alpha/quick", "messages": [{"role": "user", "content": "hi"}],
            "max_tokens": 8}  # fmt: skip
    headers = {"Authorization": f"Bearer {house.key()}"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def one() -> None:
            began = time.perf_counter()
            try:
                async with session.post(f"{house.url}/v1/chat/completions", json=body) as answer:
                    await answer.read()
                    if answer.status != 200:
                        failed[str(answer.status)] += 1
            except aiohttp.ClientError as error:
                failed[type(error).__name__] += 1
            spent.append((time.perf_counter() - began) * 1000)

        asked: list[asyncio.Task[None]] = []
        start = time.perf_counter()
        for number in range(int(seconds * PACE)):
            await asyncio.sleep(max(0.0, start + number / PACE - time.perf_counter()))
            asked.append(asyncio.create_task(one()))
            if daemon is not None and number % int(PACE) == 0:
                largest = max(largest, daemon.memory_info().rss)
        await asyncio.gather(*asked)
    return {"requests": len(spent), "failed": dict(failed), "p50": percentile(spent, 0.5),
            "p99": percentile(spent, 0.99), "rss": largest,
            "cpu": (_cpu(daemon) - busy) / (time.perf_counter() - start)}  # fmt: skip


def _cpu(process: psutil.Process | None) -> float:
    """Seconds of processor that it has used."""
    if process is None:
        return 0.0
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def _print(found: dict[str, Any]) -> None:
    for name in ("alone", "beside"):
        row = found[name]
        print(f"{name:7s} {row['requests']:6d} requests  p50 {row['p50']:7.2f} ms  "
              f"p99 {row['p99']:7.2f} ms  failed {row['failed'] or 0}  "
              f"daemon {row['cpu']:.0%} of a processor")  # fmt: skip
    own = found["slow"].pop("cpu")
    slow = ", ".join(f"{count} {name}" for name, count in sorted(found["slow"].items()))
    slow += f"; they took {own:.0%} of a processor themselves"
    print(f"{found['clients']} slow clients for {found['seconds']:g} s: {slow}")
    print(f"p99 ratio {found['p99Ratio']:.2f} (goal < {P99_TIMES:g}), memory "
          f"{found['rssGrownMb']:+.1f} MB (goal < +{RSS_MB:g}): "
          f"{'kept' if found['kept'] else 'NOT KEPT'}")  # fmt: skip


# ── the slow ones, in a process of their own ─────────────────────────────────────


class Slow:
    """Clients without haste; ``all`` counts how often each kind came, and was thrown out."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._counts: Counter[str] = Counter()

    async def all(self, clients: int, seconds: float, kinds: Sequence[str]) -> dict[str, float]:
        ways = [getattr(self, f"_{kind}") for kind in kinds]
        loop = asyncio.get_running_loop()
        self._end = loop.time() + seconds
        await asyncio.gather(
            *(self._keep(ways[i % len(ways)], RAMP_S * i / clients) for i in range(clients))
        )
        return {**self._counts, "cpu": time.process_time() / seconds}

    async def _keep(
        self, kind: Callable[[socket.socket], Coroutine[Any, Any, None]], after: float
    ) -> None:
        """One client until the time is up: it comes, is slow, is thrown out, comes again."""
        loop = asyncio.get_running_loop()
        name = kind.__name__.strip("_")
        await asyncio.sleep(after)
        while loop.time() < self._end:
            with socket.socket() as there:
                there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                there.setblocking(False)
                with suppress(OSError, TimeoutError):
                    async with asyncio.timeout(self._end - loop.time()):
                        await loop.sock_connect(there, ("127.0.0.1", self._port))
                        self._counts[f"{name} came"] += 1
                        await kind(there)
            if loop.time() < self._end:
                self._counts[f"{name} thrown out"] += 1
                await asyncio.sleep(0.2)

    def _head(self, length: int) -> bytes:
        return (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
            f"{self._key}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        ).encode()

    async def _drip(self, there: socket.socket) -> None:
        """A head, byte by byte."""
        for byte in self._head(10) * 100:
            await self._send(there, bytes([byte]))
            await asyncio.sleep(0.5)

    async def _half(self, there: socket.socket) -> None:
        """Half a body, and then nothing."""
        await self._send(there, self._head(2000) + b'{"model": "alpha/quick", "a": "' + b"x" * 969)
        await asyncio.get_running_loop().sock_recv(there, 4096)

    async def _sip(self, there: socket.socket) -> None:
        """A long stream, read by a few bytes a second."""
        talker = f"{TALKERS[there.fileno() % len(TALKERS)]}/talker"
        body = {"model": talker, "stream": True, "max_tokens": 4000,
                "messages": [{"role": "user", "content": _LONG}]}  # fmt: skip
        raw = json.dumps(body).encode()
        await self._send(there, self._head(len(raw)) + raw)
        loop = asyncio.get_running_loop()
        while await loop.sock_recv(there, 16):  # noqa: ASYNC110 - slowness is the point
            await asyncio.sleep(1.0)

    async def _send(self, there: socket.socket, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(there, data)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
