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
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import catalogue
import faults_limits as limits
import psutil
from faults_flapping import flapping
from faults_goodput import goodput
from faults_group import group
from faults_kit import (
    LANE,
    Row,
    alive,
    first,
    furnished,
    holds,
    market,
    stream,
    street,
    table,
    timed,
)
from faults_stalls import stalls
from faults_upgrade import upgrading

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, Simulator, until
from rush import Ask, Rush, Seen, launchers

RATE = 20.0
KILL_EVERY_S = 10.0
CONNECT_S = 1.0
#: A crash loop: how soon a request is refused (seconds; the median of so many), and the
#: daemon's own share of a processor meanwhile.
ASKED, REFUSED_S, IDLE_SHARE = 21, 0.02, 0.05


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
            rows += _rows(name, part, quick=options.quick)
    print(json.dumps([asdict(row) for row in rows], indent=1) if options.json else table(rows))
    if options.only is None and not options.json:
        print(catalogue.table())
    return 0 if all(row.ok for row in rows) else 1


def _rows(name: str, part: Callable[..., list[Row]], *, quick: bool) -> list[Row]:
    """What a part shows; where it breaks that is a row too, and the others are not lost."""
    with tempfile.TemporaryDirectory(prefix="fl-") as folder:
        try:
            return part(Path(folder), quick=quick)
        except (AssertionError, OSError, psutil.Error) as problem:
            traceback.print_exc()
            found = f"it broke: {problem}"
            return [Row(name, "as the catalogue has it", "a measurement", found, False)]


# ── the child ────────────────────────────────────────────────────────────────


def killed(place: Path, *, quick: bool, seconds: float = 180.0) -> list[Row]:
    """S1: the serving child is killed every ten seconds under traffic."""
    seconds = min(seconds, 25.0) if quick else seconds
    with street(place, ("alpha", "beta"), foreign=("gemma",)) as (house, _):
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
            f"{len(bad)} of {len(plain)} failed" + first(bad), not bad and bool(kills)),
        Row("S1: the child dies, providers that need it", how,
            "only those in flight fail, each with a clean error",
            f"{len(cut)} of {len(alone)} failed, {len(late)} of them not in flight, "
            f"{len(unclean)} unclean" + first(late or unclean or cut), not late and not unclean),
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
    with street(place, ("alpha",)) as (house, _):
        pid = house.child_pid()
        assert pid
        began = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        gone = until(lambda: not alive(pid) and time.monotonic() - began, 20, "it is killed")
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
    with street(place, ("alpha",), foreign=("gemma",)) as (house, _):
        assert house.daemon is not None
        daemon = psutil.Process(house.daemon.pid)
        seen: set[int] = set()
        busy, began = sum(daemon.cpu_times()[:2]), time.monotonic()
        while time.monotonic() < began + seconds:
            for child in launchers(daemon):
                seen.add(child.pid)
                child.kill()
            time.sleep(0.02)
        share = (sum(daemon.cpu_times()[:2]) - busy) / (time.monotonic() - began)
        said = [timed(house, "gemma/m") for _ in range(ASKED)]
        direct = house.chat(model="alpha/m")[0]
        health = house.get("/v1/health")
    clean = all(status == 503 and "retry-after" in headers for status, headers, _ in said)
    took = sorted(spent for _, _, spent in said)[ASKED // 2]
    kept = clean and took < REFUSED_S and share < IDLE_SHARE
    return [
        Row("S2: crash loop", f"every child is killed at once, {seconds:g} s",
            f"at most 5 starts a minute (and the one that ran); 503 with Retry-After in "
            f"{REFUSED_S * 1000:g} ms; the daemon below {IDLE_SHARE:.0%} of a processor; "
            "wire-compatible providers served",
            f"{len(seen)} processes, {said[0][0]} in {took * 1000:.1f} ms (median of {ASKED}), "
            f"{share:.1%} of a processor, direct {direct}, {health['status']}",
            len(seen) <= 6 and kept and direct == 200),
    ]  # fmt: skip


def orphans(place: Path, *, quick: bool) -> list[Row]:
    """S4: the daemon is killed; nothing of it is left."""
    rounds, left = (5 if quick else 100), 0
    with market(place, ("alpha",)) as simulator:
        house = furnished(place, simulator, ("alpha",))
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
    with market(place, ("alpha",)) as simulator, socket.socket() as other:
        house = furnished(place, simulator, ("alpha",))
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
        with market(where, ("alpha",)) as simulator:
            # Its child is not needed here, and would only make the start longer.
            house = furnished(where, simulator, ("alpha",), environ={LANE: "auto"})
            house.start()
            simulator.fault("alpha", "slow", seconds=3, forever=True)
            got: list[tuple[int, str]] = []
            threads = [threading.Thread(target=stream, args=(house, got)) for _ in range(20)]
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
        held = holds(house)
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
            LANE: "auto",
            "XSWARM_UPSTREAM__CONNECT_SECONDS": f"{CONNECT_S:g}",
            "XSWARM_UPSTREAM__FIRST_BYTE_SECONDS": f"{CONNECT_S:g}",
        }
        with street(where, ("alpha", "beta", "gamma"), environ=limits) as (house, simulator):
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
                f"retries {share:.1%}" + first(seen.failures), ok)
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


PARTS: dict[str, Callable[..., list[Row]]] = {
    "killed": killed, "stopped": stopped, "looping": looping, "orphans": orphans,
    "taken": taken, "draining": draining, "descriptors": limits.descriptors,
    "memory": limits.memory, "group": group,
    "upgrading": upgrading, "stalls": stalls,
    "overload": limits.overload, "goodput": goodput, "twice": limits.twice, "broken": broken,
    "flapping": flapping,
}  # fmt: skip
