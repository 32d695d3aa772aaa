"""R4: a thousand requests at once against a budget of one dollar, a thousand times over.

Holds are 3, 10 and 20 times the cost, clients retry until nothing more fits. The books are
real and the money is fake; ``--http N`` adds N rounds through daemon, child and simulator.
Reported: overspending (must be 0), rounds that left more than one hold unused (must be 0).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "tests" / part) for part in ("books", "acceptance")]

RATIOS = (3, 10, 20)


def main(argv: list[str]) -> int:
    """1 where a budget was passed, or something that fitted was refused."""
    parser = argparse.ArgumentParser(prog="scripts/bench races", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="30 rounds of 200 clients")
    parser.add_argument("--rounds", type=int, default=None, help="rounds (1000)")
    parser.add_argument("--clients", type=int, default=None, help="clients per round (1000)")
    parser.add_argument("--http", type=int, default=0, metavar="N", help="rounds over HTTP")
    parser.add_argument("--seed", type=int, default=1, help="the first round's; then one more each")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(argv)
    rounds = asked.rounds if asked.rounds is not None else 30 if asked.quick else 1000
    clients = asked.clients or (200 if asked.quick else 1000)
    out = {"books": _books(rounds, clients, asked.seed)}
    if asked.http:
        out["http"] = _http(asked.http, 100 if asked.quick else 1000)
    if asked.json:
        print(json.dumps(out, indent=2))
    else:
        for name, row in out.items():
            print(f"races {name}: " + ", ".join(f"{k} {v}" for k, v in row.items()))
    return int(any(row["overspentPico"] or row["leftUnused"] for row in out.values()))


def _books(rounds: int, clients: int, seed: int) -> dict[str, float]:
    from racing import race

    began, over, unused, admitted, busy = time.monotonic(), 0, 0, 0, 0
    for number in range(rounds):
        found = asyncio.run(race(seed + number, RATIOS[number % len(RATIOS)], clients))
        over += found.overspent
        unused += found.unused > 0
        admitted += found.admitted
        busy += found.busy
        if sys.stderr.isatty() and number % 10 == 9:
            print(f"\r{number + 1}/{rounds}", end="", file=sys.stderr)
    return {
        "rounds": rounds,
        "clients": clients,
        "admitted": admitted,
        "busy": busy,
        "overspentPico": over,
        "leftUnused": unused,
        "seconds": round(time.monotonic() - began, 1),
    }


def _http(rounds: int, clients: int) -> dict[str, float]:
    import market

    began, over, unused, calls = time.monotonic(), 0.0, 0, 0
    with tempfile.TemporaryDirectory() as folder, market.open_(Path(folder)) as (house, bank):
        for number in range(rounds):
            found = market.race(house, bank, f"race{number}", clients, RATIOS[number % 3])
            over += max(0.0, found.spent - found.limit, found.billed - found.spent)
            unused += found.spent < found.limit - found.hold
            calls += found.calls
    return {
        "rounds": rounds,
        "clients": clients,
        "calls": calls,
        "overspentPico": round(over * 1e12),
        "leftUnused": unused,
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
