"""H2: hostile bodies as large as they may be: what others notice of them, and what they hold.

Somebody else asks ``/health`` over and over, on a connection of its own; its slowest answer is
the longest that the daemon was busy with nothing else, and a little more.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
from pathlib import Path

import psutil
from faults_kit import LANE, Row, holds, street

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House

#: The goals: seconds of stall, and memory as a multiple of the largest body.
_STALL_S, _TIMES = 0.05, 3.0
_MB = 2**20
_LIMIT, _QUICK = 30 * _MB, 8 * _MB
_ROUNDS = 3


def stalls(place: Path, *, quick: bool) -> list[Row]:
    """The row of the table."""
    size = _QUICK if quick else _LIMIT
    with street(place, ("alpha",), environ={LANE: "direct"}) as (house, _):
        assert house.daemon is not None
        daemon = psutil.Process(house.daemon.pid)
        assert house.chat(model="alpha/m")[0] == 200
        quiet, _, _ = _beside(house, daemon, lambda: time.sleep(1.0))
        before = daemon.memory_info().rss
        worst: tuple[float, str] = (0.0, "nothing")
        most, statuses = before, set()
        for name, raw in _bodies(size).items():
            found = []
            for _ in range(_ROUNDS):
                longest, rss, status = _beside(house, daemon, lambda raw=raw: _post(house, raw))
                found.append(longest)
                most = max(most, rss)
                statuses.add(status)
            worst = max(worst, (min(found), name))
        left = holds(house)
    grown = (most - before) / size
    return [
        Row("H2: hostile bodies", f"{len(_bodies(100))} kinds, each of {size // _MB} MB",
            f"refused; the daemon is busy with nothing else for {_STALL_S * 1000:g} ms at most, "
            f"memory grows by less than {_TIMES:g} bodies",
            f"{sorted(map(str, statuses))}, {worst[0] * 1000:.0f} ms ({worst[1]}; "
            f"{quiet * 1000:.0f} ms without any), memory by {grown:.1f} bodies, {left} holds",
            worst[0] - quiet < _STALL_S and grown < _TIMES and statuses == {400} and left == 0)
    ]  # fmt: skip


def _bodies(size: int) -> dict[str, bytes]:
    def sized(piece: bytes, before: bytes, after: bytes) -> bytes:
        return before + piece * ((size - len(before) - len(after)) // len(piece)) + after

    return {
        "keys": sized(b'"k":0,', b"{", b'"k":0}'),
        "lists": sized(b"[],", b'{"a":[', b"0]}"),
        "depth": b"[" * (size // 2) + b"]" * (size // 2),
        "escapes": sized(b"\\u0041", b'{"model":"', b'"}'),
        "quotes": sized(b'\\"', b'{"model":"', b'"}'),
        "commas": sized(b",", b'{"model":"', b'"}'),
        "spaces": sized(b" ", b'{"model":"a"', b"}"),
    }


def _beside(house: House, daemon: psutil.Process, work: object) -> tuple[float, int, object]:
    """The slowest answer to somebody else while ``work`` runs, the daemon's memory, its result."""
    result: list[object] = []
    thread = threading.Thread(target=lambda: result.append(work()))  # type: ignore[operator]
    other = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
    longest, most = 0.0, 0
    other.request("GET", "/health")
    other.getresponse().read()
    thread.start()
    while thread.is_alive():
        began = time.perf_counter()
        other.request("GET", "/health")
        other.getresponse().read()
        longest = max(longest, time.perf_counter() - began)
        most = max(most, daemon.memory_info().rss)
        time.sleep(0.002)
    thread.join()
    other.close()
    return longest, most, result[0] if result else None


def _post(house: House, raw: bytes) -> object:
    there = http.client.HTTPConnection("127.0.0.1", house.port, timeout=60)
    headers = {"Authorization": f"Bearer {house.key()}", "Content-Type": "application/json"}
    try:
        there.request("POST", "/v1/chat/completions", raw, headers)
        answer = there.getresponse()
        answer.read()
        return answer.status
    except OSError as error:
        return type(error).__name__
    finally:
        there.close()
