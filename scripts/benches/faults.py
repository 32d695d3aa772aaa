"""Faults of the child and of providers, injected into real processes: expected, and measured.

One row per fault. ``--quick`` shortens each; the long form kills the child every ten
seconds for three minutes, and lets one of three providers fail for a minute per kind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
import catalogue
import psutil

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, Simulator, call, model, pretend, provider, running, until
from rush import Ask, Rush, Seen, launchers

RATE = 20.0
KILL_EVERY_S = 10.0
CONNECT_S = 1.0
#: Bytes between what a process has and its limit: too little for anything large.
_SCARCE = 12 * 2**20
#: As many as are let in; half of those who come then are told so within this time (seconds),
#: on a machine that does other things too.
_FULL, _SHED_S = 1024, 0.1
_LANE = "XSWARM_UPSTREAM__LANE"


@dataclass
class Row:
    """One line of the table."""

    fault: str
    injected: str
    expected: str
    measured: str
    ok: bool


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds per fault")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    parser.add_argument("--only", help=f"one of: {', '.join(PARTS)}")
    options = parser.parse_args(argv)
    if options.only is not None and options.only not in PARTS:
        parser.error(f"no such fault: {options.only} (there are {', '.join(PARTS)})")
    rows: list[Row] = []
    for name, part in PARTS.items():
        if options.only in (None, name):
            print(f"{name} …", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(prefix="fl-") as folder:
                rows += part(Path(folder), quick=options.quick)
    print(json.dumps([asdict(row) for row in rows], indent=1) if options.json else table(rows))
    if options.only is None and not options.json:
        print(catalogue.table())
    return 0 if all(row.ok for row in rows) else 1


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


# ── the child ────────────────────────────────────────────────────────────────


def killed(place: Path, *, quick: bool, seconds: float = 180.0) -> list[Row]:
    """S1: the serving child is killed every ten seconds under traffic."""
    seconds = min(seconds, 25.0) if quick else seconds
    with _street(place, ("alpha", "beta"), foreign=("gemma",)) as (house, _):
        mix = (Ask("twins"), Ask("alpha/m"), Ask("twins", stream=True), Ask("gemma/m"))
        seen, kills = asyncio.run(_kill_often(house, mix, seconds))
    plain = [one for one in seen.told if one.ask.model != "gemma/m" and not one.ask.stream]
    alone = [one for one in seen.told if one.ask.model == "gemma/m"]
    bad, cut = [one for one in plain if one.problem], [one for one in alone if one.problem]
    unclean = [one for one in cut if not one.problem.startswith(("502", "503", "504"))]
    # Sent within a second before a kill: those can have been in flight.
    late = [one for one in cut if not any(0 <= kill - one.at <= one.took + 0.5 for kill in kills)]
    how = f"SIGKILL to the serving child {len(kills)} times in {seconds:g} s, {RATE:g} requests/s"
    return [
        Row("S1: the child dies, wire-compatible providers", how, "0 failed non-stream requests",
            f"{len(bad)} of {len(plain)} failed" + _first(bad), not bad and bool(kills)),
        Row("S1: the child dies, providers that need it", how,
            "only those in flight fail, each with a clean error",
            f"{len(cut)} of {len(alone)} failed, {len(late)} of them not in flight, "
            f"{len(unclean)} unclean" + _first(late or unclean or cut), not late and not unclean),
    ]  # fmt: skip


async def _kill_often(
    house: House, mix: tuple[Ask, ...], seconds: float
) -> tuple[Seen, list[float]]:
    kills: list[float] = []

    async def during(rush: Rush) -> None:
        while rush.now() < seconds:
            await asyncio.sleep(KILL_EVERY_S)
            child = (await rush.admin("GET", "/v1/health"))["child"]
            if child["state"] == "ready" and child["pid"]:
                kills.append(rush.now())
                os.kill(child["pid"], signal.SIGKILL)

    return await Rush(house, mix, RATE).run(during), kills


def stopped(place: Path, *, quick: bool) -> list[Row]:
    """S3: the child is stopped; meanwhile requests are answered."""
    with _street(place, ("alpha",)) as (house, _):
        pid = house.child_pid()
        assert pid
        began = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        gone = until(lambda: not _alive(pid) and time.monotonic() - began, 20, "it is killed")
        status = house.chat(model="twins")[0]
        until(lambda: house.get("/v1/health")["child"]["state"] == "ready", 60, "another child")
        back = time.monotonic() - began
        reason = house.get("/v1/health")["child"]["lastExit"]["reason"]
    return [
        Row("S3: the child hangs", "SIGSTOP", "found in < 10 s, killed, replaced",
            f"killed after {gone:.1f} s, replaced after {back:.1f} s ({reason}); "
            f"a request meanwhile: {status}", gone < 10 and status == 200),
    ]  # fmt: skip


def looping(place: Path, *, quick: bool) -> list[Row]:
    """S2: every child is killed as soon as it is there."""
    seconds = 20.0 if quick else 60.0
    with _street(place, ("alpha",), foreign=("gemma",)) as (house, _):
        assert house.daemon is not None
        daemon = psutil.Process(house.daemon.pid)
        seen: set[int] = set()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for child in launchers(daemon):
                seen.add(child.pid)
                child.kill()
            time.sleep(0.02)
        status, headers, took = _timed(house, "gemma/m")
        direct = house.chat(model="alpha/m")[0]
        health = house.get("/v1/health")
    clean = status == 503 and "retry-after" in headers
    return [
        Row("S2: crash loop", f"every child is killed at once, {seconds:g} s",
            "at most 5 starts a minute (and the one that ran); 503 with Retry-After at once; "
            "wire-compatible providers served",
            f"{len(seen)} processes, {status} in {took * 1000:.0f} ms, direct {direct}, "
            f"{health['status']}", len(seen) <= 6 and clean and direct == 200 and took < 1),
    ]  # fmt: skip


def orphans(place: Path, *, quick: bool) -> list[Row]:
    """S4: the daemon is killed; nothing of it is left."""
    rounds, left = (5 if quick else 100), 0
    with _market(place, ("alpha",)) as simulator:
        house = _furnished(place, simulator, ("alpha",))
        for _ in range(rounds):
            house.start(wait=False)
            assert house.daemon is not None
            mine = psutil.Process(house.daemon.pid)
            family = until(lambda mine=mine: launchers(mine), 30, "a child")
            time.sleep(0.05)
            house.kill()
            gone, alive = psutil.wait_procs(family, 5)
            left += len(alive)
            for process in alive:
                process.kill()
            del gone
    return [
        Row("S4: the daemon dies", f"SIGKILL, {rounds} times", "0 orphans", f"{left} orphans",
            left == 0)
    ]  # fmt: skip


# ── the front ────────────────────────────────────────────────────────────────


def taken(place: Path, *, quick: bool) -> list[Row]:
    """S5: somebody else has the port."""
    with _market(place, ("alpha",)) as simulator, socket.socket() as other:
        house = _furnished(place, simulator, ("alpha",))
        other.bind(("127.0.0.1", house.port))
        other.listen()
        house.start(wait=False)
        assert house.daemon is not None
        code = house.daemon.wait(30)
        said = house.said().strip().splitlines()[-1]
    ok = code != 0 and str(house.port) in said
    return [
        Row("S5: the port is taken", "another process listens", "a clear error, exit code not 0",
            f"exit {code}: {said[:120]}", ok)
    ]  # fmt: skip


def draining(place: Path, *, quick: bool) -> list[Row]:
    """S6: SIGTERM while twenty streams run; and a second one."""
    rows = []
    for twice in (False, True):
        where = place / str(twice)
        where.mkdir()
        with _market(where, ("alpha",)) as simulator:
            # Its child is not needed here, and would only make the start longer.
            house = _furnished(where, simulator, ("alpha",), environ={_LANE: "auto"})
            house.start()
            simulator.fault("alpha", "slow", seconds=3, forever=True)
            got: list[tuple[int, str]] = []
            threads = [threading.Thread(target=_stream, args=(house, got)) for _ in range(20)]
            for thread in threads:
                thread.start()
            until(lambda s=simulator: s.state()["running"] >= 20, 30, "all streams run")
            assert house.daemon is not None
            began = time.monotonic()
            house.daemon.send_signal(signal.SIGTERM)
            if twice:
                time.sleep(0.3)
                house.daemon.send_signal(signal.SIGTERM)
            code = house.daemon.wait(60)
            took = time.monotonic() - began
            for thread in threads:
                thread.join(30)
        whole = sum(status == 200 and "[DONE]" in text for status, text in got)
        held = _holds(house)
        if twice:
            ok = took < 3
            expected = "at once"
        else:
            ok = whole == 20 and code == 0 and held == 0 and took < 10
            expected = "all twenty are finished and settled, exit 0 in < 10 s"
        rows.append(
            Row(f"S6: SIGTERM{' twice' if twice else ''} under load", "twenty streams run",
                expected, f"{whole} of 20 whole, exit {code} after {took:.1f} s, "
                f"{held} holds left", ok)
        )  # fmt: skip
    return rows


def descriptors(place: Path, *, quick: bool) -> list[Row]:
    """S7: no file descriptor is left for new connections; then there are again."""
    with _street(place, ("alpha",), environ={_LANE: "auto"}) as (house, _):
        assert house.daemon is not None
        daemon = psutil.Process(house.daemon.pid)
        assert house.chat(model="alpha/m")[0] == 200
        room = daemon.num_fds() + 12
        daemon.rlimit(psutil.RLIMIT_NOFILE, (room, room))
        crowd = [socket.create_connection(("127.0.0.1", house.port)) for _ in range(40)]
        time.sleep(1.0)
        shed = not _quick(house)
        for one in crowd:
            one.close()
        began = time.monotonic()
        until(lambda: _quick(house), 20, "it answers again")
        back = time.monotonic() - began
        alive = house.daemon.poll() is None
    held = _holds(house)
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
    with _street(place, ("alpha",), environ={_LANE: "direct"}) as (house, _):
        assert house.daemon is not None
        daemon = psutil.Process(house.daemon.pid)
        assert house.chat(model="alpha/m")[0] == 200
        before = daemon.rlimit(psutil.RLIMIT_AS)
        daemon.rlimit(psutil.RLIMIT_AS, (daemon.memory_info().vms + _SCARCE, before[1]))
        told: list[tuple[int, bool]] = []
        threads = [threading.Thread(target=_large, args=(house, told)) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        owner = house.call("GET", "/v1/config", role="admin")[0]
        alive = house.daemon.poll() is None
        back = 0.0
        if alive:
            daemon.rlimit(psutil.RLIMIT_AS, before)
            began = time.monotonic()
            until(lambda: house.chat(model="alpha/m")[0] == 200, 20, "it answers again")
            back = time.monotonic() - began
    shed = sum(status == 503 and wait for status, wait in told)
    held = _holds(house)
    return Row(
        "S7: no memory is left for the daemon",
        f"RLIMIT_AS {_SCARCE // 2**20} MB above what it has, 24 bodies of 4 MB at once",
        "shed with 503 and Retry-After, the owner gets in, nothing ends; back at once",
        f"{shed} of {len(told)} shed, owner {owner}, {'alive' if alive else 'DEAD'}, "
        f"back after {back:.2f} s, {held} holds left",
        alive and shed == len(told) == 24 and owner == 200 and back < 1.5 and held == 0,
    )


def _child_memory(place: Path) -> Row:
    with _street(place, ("alpha",), foreign=("gemma",)) as (house, _):
        house.child_ready()
        pid = house.child_pid()
        assert pid
        child = psutil.Process(pid)
        began = time.monotonic()
        child.rlimit(psutil.RLIMIT_AS, (child.memory_info().vms - 2 * _SCARCE,) * 2)
        direct = house.chat(model="alpha/m")[0]
        until(lambda: house.child_pid() not in (pid, None), 90, "another child")
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


def _large(house: House, told: list[tuple[int, bool]]) -> None:
    try:
        status, headers, _ = house.chat("y " * 2_000_000, model="alpha/m")
    except OSError:
        status, headers = 0, {}
    told.append((status, "retry-after" in headers))


def overload(place: Path, *, quick: bool) -> list[Row]:
    """H9: more requests at once than are let in; the owner's routes, and who comes then."""
    crowd = 1200 if quick else 2600
    with _market(place, ("alpha",), first_ms=3000) as simulator:
        house = _furnished(place, simulator, ("alpha",), environ={_LANE: "direct"})
        with running(house):
            told, shed, owner = asyncio.run(_crowd(house, crowd))
            held = _holds(house)
    good = sum(status == 200 for status, _ in told)
    clean = all(status == 200 or (status == 503 and wait) for status, wait in told)
    late = sorted(took for status, took in shed if status == 503)
    times = sorted(took for _, took in owner)
    up = bool(owner) and all(status == 200 for status, _ in owner)
    if not late or not times:
        return [Row("H9: overload", "", "it is shed", f"nobody was: {Counter(told)}", False)]
    return [
        Row("H9: overload", f"{crowd} requests at once at a provider that takes 3 s",
            "answered, or 503 with Retry-After; whoever comes then is shed in < 20 ms; "
            "the owner's routes stay up",
            f"{good} answered, {len(told) - good} shed in the crowd; then {len(late)} of "
            f"{len(shed)} shed, half in {_ms(late, 0.5)}, the slowest in {_ms(late, 1)}; owner "
            f"{'up' if up else 'DOWN'}, half in {_ms(times, 0.5)}, the slowest in "
            f"{_ms(times, 1)}; {held} holds left",
            clean and up and good >= 256 and held == 0 and late[len(late) // 2] < _SHED_S),
    ]  # fmt: skip


async def _crowd(
    house: House, crowd: int
) -> tuple[list[tuple[int, bool]], list[tuple[int, float]], list[tuple[int, float]]]:
    """Status and Retry-After of each of the crowd; status and seconds of those who came when
    it was full, and of the owner's requests."""
    body = {"model": "alpha/m", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
    client, admin = ({"Authorization": f"Bearer {house.key(role)}"} for role in ("client", "admin"))
    shed: list[tuple[int, float]] = []
    owner: list[tuple[int, float]] = []
    async with aiohttp.ClientSession(
        house.url, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(90)
    ) as session:

        async def ask() -> tuple[int, bool]:
            async with session.post("/v1/chat/completions", json=body, headers=client) as answer:
                await answer.read()
                return answer.status, "Retry-After" in answer.headers

        async def own() -> tuple[int, int]:
            async with session.get("/v1/health", headers=admin) as answer:
                found = await answer.json()
                return answer.status, found.get("load", {}).get("queue", 0)

        tasks = [asyncio.create_task(ask()) for _ in range(crowd)]
        while not all(task.done() for task in tasks):
            began = time.perf_counter()
            status, queue = await own()
            owner.append((status, time.perf_counter() - began))
            if queue >= _FULL:
                began = time.perf_counter()
                status, _ = await ask()
                shed.append((status, time.perf_counter() - began))
            await asyncio.sleep(0.02)
        return [task.result() for task in tasks], shed, owner


def _ms(ordered: list[float], share: float) -> str:
    return f"{ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000:.0f} ms"


def _quick(house: House) -> bool:
    try:
        return call("GET", f"{house.url}/health", timeout=0.5)[0] == 200
    except OSError:
        return False


# ── providers ────────────────────────────────────────────────────────────────


def broken(place: Path, *, quick: bool) -> list[Row]:
    """U1: one of three providers fails all the time."""
    seconds = 10.0 if quick else 60.0
    rows = []
    base: float | None = None
    for kind in ("none", "dead", "silent", "refusing"):
        where = place / kind
        where.mkdir()
        limits = {
            _LANE: "auto",
            "XSWARM_UPSTREAM__CONNECT_SECONDS": f"{CONNECT_S:g}",
            "XSWARM_UPSTREAM__FIRST_BYTE_SECONDS": f"{CONNECT_S:g}",
        }
        with _street(where, ("alpha", "beta", "gamma"), environ=limits) as (house, simulator):
            _break(simulator, kind)
            seen, retries = asyncio.run(_steady(house, seconds))
        p99, good = seen.took(0.99), 1 - len(seen.failures) / len(seen.told)
        if base is None:
            base = p99
            continue
        share = retries / len(seen.told)
        # Who waited for the limit then waits for another one's answer, like everybody.
        ok = good >= 0.999 and p99 - base <= CONNECT_S + base + 0.1 and share <= 0.2
        rows.append(
            Row(f"U1: one of three providers is {kind}", f"all the time, {RATE:g} requests/s",
                f"success at least 99.9 %, p99 grows by no more than the connect limit "
                f"({CONNECT_S:g} s), retries at most 20 %",
                f"{good:.2%} of {len(seen.told)}, p99 {base:.2f} s becomes {p99:.2f} s, "
                f"retries {share:.1%}" + _first(seen.failures), ok)
        )  # fmt: skip
    return rows


def _break(simulator: Simulator, kind: str) -> None:
    if kind == "dead":
        simulator.fault("alpha", "reset", forever=True)
    elif kind == "silent":
        simulator.fault("alpha", "hang", seconds=120, forever=True)
    elif kind == "refusing":
        simulator.fault("alpha", "429", forever=True)


async def _steady(house: House, seconds: float) -> tuple[Seen, int]:
    async def during(rush: Rush) -> None:
        await asyncio.sleep(seconds)

    seen = await Rush(house, (Ask("twins"),), RATE).run(during)
    retries, before = 0, ""
    while True:
        rows = house.get(f"/v1/decisions?limit=100{before}")["decisions"]
        retries += sum(max(0, int(row["attempts"]) - 1) for row in rows)
        if len(rows) < 100:
            return seen, retries
        before = f"&before={rows[-1]['id']}"


# ── houses ───────────────────────────────────────────────────────────────────


@contextmanager
def _market(place: Path, names: tuple[str, ...], first_ms: int = 40) -> Iterator[Simulator]:
    config = pretend({name: {"m": {"free": True}} for name in names})
    for spec in config["providers"].values():
        spec["latency"] = {"firstMs": first_ms, "tokensPerSecond": 400, "jitter": 0.2}
    simulator = Simulator(place, config)
    try:
        yield simulator
    finally:
        simulator.stop()


def _furnished(
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
def _street(
    place: Path,
    names: tuple[str, ...],
    foreign: tuple[str, ...] = (),
    environ: dict[str, str] | None = None,
) -> Iterator[tuple[House, Simulator]]:
    with _market(place, (*names, *foreign)) as simulator:
        house = _furnished(place, simulator, names, foreign, environ)
        with running(house):
            yield house, simulator


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _timed(house: House, name: str) -> tuple[int, dict[str, str], float]:
    began = time.monotonic()
    status, headers, _ = house.chat(model=name)
    return status, headers, time.monotonic() - began


def _stream(house: House, got: list[tuple[int, str]]) -> None:
    try:
        status, _, text = house.chat(model="alpha/m", stream=True, max_tokens=40)
    except (OSError, ValueError) as error:
        status, text = 0, type(error).__name__
    got.append((status, str(text)))


def _holds(house: House) -> int:
    import sqlite3

    with sqlite3.connect(house.home / "freeloader.db") as conn:
        return int(conn.execute("SELECT count(*) FROM holds WHERE state = 'held'").fetchone()[0])


def _first(some: list[Any]) -> str:
    """The most frequent problems, for people."""
    kinds = Counter(f"{one.ask.model} {one.problem[:160]}" for one in some)
    return "".join(f"\n              {n} × {kind}" for kind, n in kinds.most_common(3))


PARTS: dict[str, Callable[..., list[Row]]] = {
    "killed": killed, "stopped": stopped, "looping": looping, "orphans": orphans,
    "taken": taken, "draining": draining, "descriptors": descriptors, "memory": memory,
    "overload": overload, "broken": broken,
}  # fmt: skip
