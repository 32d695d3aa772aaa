"""200 kills under load, 500 power cuts, 300 damaged files, 50 backups: nothing lost or twice."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "store"))

import killing
import mending_kit
import power
from stats import percentile

from freeloader.app.failpoints import NAMES
from freeloader.store import opening
from freeloader.store.schema import JOURNAL, LEDGER


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench crash", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds")
    parser.add_argument("--kills", type=int, help="kills of a daemon under load (200)")
    parser.add_argument("--cuts", type=int, help="power cuts (500)")
    parser.add_argument("--damages", type=int, help="damaged ledgers (300)")
    parser.add_argument("--backups", type=int, help="backups and restores under writes (50)")
    parser.add_argument("--seed", type=int, default=1, help="of all randomness (1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    scale = 10 if options.quick else 1

    def count(given: int | None, whole: int) -> int:
        return whole // scale if given is None else given

    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "kills": lambda home: kills(home, count(options.kills, 200), options.seed),
        "power cuts": lambda home: cuts(home, count(options.cuts, 500), options.seed),
        "damages": lambda home: damages(home, count(options.damages, 300), options.seed),
        "backups": lambda home: backups(home, count(options.backups, 50), options.seed),
    }
    found: dict[str, Any] = {}
    for name, part in parts.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = part(Path(folder))
        if not options.json:
            shown = ", ".join(f"{k} {v}" for k, v in found[name].items() if k != "wrong")
            print(f"{name}: {shown}")
            for line in found[name]["wrong"][:10]:
                print(f"  WRONG: {line}")
    if options.json:
        print(json.dumps(found, default=str))
    return 1 if any(part["wrong"] for part in found.values()) else 0


def kills(folder: Path, count: int, seed: int) -> dict[str, Any]:
    if not count:
        return {"rounds": 0, "wrong": []}
    gold = killing.simulated(folder)
    try:
        house = killing.house(folder / "home", gold)
        toll = killing.rounds(house, gold, count, seed, places=NAMES * 2, say=_say)
    finally:
        gold.stop()
    wrong = [*toll.missing, *toll.doubled]
    if toll.charged < toll.billed:
        wrong.append(f"charged {toll.charged}, billed {toll.billed}")
    shown = asdict(toll)
    for name in ("missing", "doubled", "restarts", "analytics"):
        del shown[name]
    middle, late = (percentile(toll.restarts, share) for share in (0.5, 0.99))
    ready = f"p50 {middle:.2f} s p99 {late:.2f} s"
    return {**shown, "restart to ready": ready, "wrong": wrong}


def cuts(folder: Path, count: int, seed: int) -> dict[str, Any]:
    if not count:
        return {"images": 0, "wrong": []}
    home = _empty(folder / "home")
    run = power.recorded(home, 400, folder / "log")
    if run is None:
        return {"images": 0, "note": "SQLite is no shared library here", "wrong": []}
    done = asyncio.run(power.cut(*run, count, seed))
    opened = f"p50 {percentile(done.openings, 0.5) * 1e3:.0f} ms p99 "
    return {
        "images": done.images,
        "acknowledged writes looked for": done.acknowledged,
        "ledger open and recovered": opened + f"{percentile(done.openings, 0.99) * 1e3:.0f} ms",
        "wrong": done.lost,
    }


def damages(folder: Path, count: int, seed: int) -> dict[str, Any]:
    if not count:
        return {"files": 0, "wrong": []}
    random, wrong = Random(seed), []
    outcomes: dict[str, int] = {}
    sound = _empty(folder / "sound")
    asyncio.run(mending_kit.filled(sound, 150))
    for number in range(count):
        home = folder / "home"
        shutil.copytree(sound, home)
        try:
            outcome = asyncio.run(mending_kit.damaged(home, random, 150 * mending_kit.CHARGE))
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        except AssertionError as problem:
            wrong.append(f"damage {number}: {problem}")
        shutil.rmtree(home)
        if number % 50 == 49:
            _say(f"{number + 1} damaged files")
    return {"files": count, **outcomes, "wrong": wrong}


def backups(folder: Path, count: int, seed: int) -> dict[str, Any]:
    if not count:
        return {"cycles": 0, "wrong": []}
    home = _empty(folder / "home")
    rows, wrong = asyncio.run(mending_kit.cycles(home, folder, count))
    return {"cycles": count, "rows compared": rows, "wrong": wrong}


def _empty(home: Path) -> Path:
    home.mkdir()
    opening.prepare(home / "freeloader.db", LEDGER)
    opening.prepare(home / "journal.db", JOURNAL)
    return home


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr)
