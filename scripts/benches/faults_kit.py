"""What every part of the faults bench uses: a row of its table, and a house on a street.

A street is a simulator with free providers, a daemon with an account at each, and, where
wanted, providers whose wire only the LiteLLM child knows. Nothing goes wrong in here.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, Simulator, call, model, pretend, provider, running

LANE = "XSWARM_UPSTREAM__LANE"


@dataclass
class Row:
    """One line of the table."""

    fault: str
    injected: str
    expected: str
    measured: str
    ok: bool


def table(rows: list[Row]) -> str:
    lines = ["", "## faults", ""]
    for row in rows:
        lines += [
            f"{'ok      ' if row.ok else 'VIOLATED'}  {row.fault}",
            f"          injected: {row.injected}",
            f"          expected: {row.expected}",
            f"          measured: {row.measured}",
        ]
    return "\n".join(lines)


@contextmanager
def market(place: Path, names: tuple[str, ...], first_ms: int = 40) -> Iterator[Simulator]:
    config = pretend({name: {"m": {"free": True}} for name in names})
    for spec in config["providers"].values():
        spec["latency"] = {"firstMs": first_ms, "tokensPerSecond": 400, "jitter": 0.2}
    simulator = Simulator(place, config)
    try:
        yield simulator
    finally:
        simulator.stop()


def furnished(
    place: Path,
    simulator: Simulator,
    names: tuple[str, ...],
    foreign: tuple[str, ...] = (),
    environ: dict[str, str] | None = None,
) -> House:
    """A home with an account at each; ``foreign`` ones speak a wire that only the child knows."""
    house = House(place / "home", environ)
    house.xswarm("init")
    entries = {}
    for number, name in enumerate((*names, *foreign)):
        family = "foreigns" if name in foreign else "twins"
        wire = {"wire": "other"} if name in foreign else {}
        models = {"m": model(family, speed=9.0 - number)}
        entries[name] = provider(f"{simulator.url}/{name}/v1", models, **wire)
    house.overlay("street", {"version": "2026.11.20", "providers": entries})
    for name in entries:
        house.xswarm("account", "add", name, "-", stdin=f"key-{name}\n")
    return house


@contextmanager
def street(
    place: Path,
    names: tuple[str, ...],
    foreign: tuple[str, ...] = (),
    environ: dict[str, str] | None = None,
) -> Iterator[tuple[House, Simulator]]:
    with market(place, (*names, *foreign)) as simulator:
        house = furnished(place, simulator, names, foreign, environ)
        with running(house):
            yield house, simulator


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def timed(house: House, name: str) -> tuple[int, dict[str, str], float]:
    began = time.monotonic()
    status, headers, _ = house.chat(model=name)
    return status, headers, time.monotonic() - began


def stream(house: House, got: list[tuple[int, str]]) -> None:
    try:
        status, _, text = house.chat(model="alpha/m", stream=True, max_tokens=40)
    except (OSError, ValueError) as error:
        status, text = 0, type(error).__name__
    got.append((status, str(text)))


def large_at_once(house: House, bodies: int) -> list[tuple[int, bool]]:
    """As many bodies of 4 MB together; of each the status (0: none came), and if it says when
    to try again."""
    told: list[tuple[int, bool]] = []

    def one() -> None:
        try:
            status, headers, _ = house.chat("y " * 2_000_000, model="alpha/m")
        except OSError:
            status, headers = 0, {}
        told.append((status, "retry-after" in headers))

    threads = [threading.Thread(target=one) for _ in range(bodies)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return told


def holds(house: House) -> int:
    with sqlite3.connect(house.home / "freeloader.db") as conn:
        return int(conn.execute("SELECT count(*) FROM holds WHERE state = 'held'").fetchone()[0])


def first(some: list[Any]) -> str:
    """The most frequent problems, for people."""
    kinds = Counter(f"{one.ask.model} {one.problem[:160]}" for one in some)
    return "".join(f"\n              {n} × {kind}" for kind, n in kinds.most_common(3))


def answers(house: House) -> bool:
    try:
        return call("GET", f"{house.url}/health", timeout=0.5)[0] == 200
    except OSError:
        return False
