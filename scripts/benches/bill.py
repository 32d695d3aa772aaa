"""5,000 mixed requests: the ledger against the provider's own bill, to the picodollar."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))

import billing
import killing


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench bill", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="500 requests")
    parser.add_argument("--requests", type=int, help="how many (5000)")
    parser.add_argument("--seed", type=int, default=1, help="of the requests (1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    count = options.requests or (500 if options.quick else 5000)
    with tempfile.TemporaryDirectory() as folder:
        gold = killing.simulated(Path(folder))
        try:
            house = killing.house(Path(folder) / "home", gold)
            toll = billing.run(house, gold, count, options.seed, _say)
        finally:
            gold.stop()
    if options.json:
        print(json.dumps({**asdict(toll), "sound": toll.sound()}, default=str))
        return 0 if toll.sound() else 1
    print(f"{count} requests, {toll.answered} answered, {toll.billed_calls} billed\n")
    print(f"usage reported: {toll.exact_calls} calls, ledger = bill = {toll.exact} picodollars")
    more = toll.apart_charged - toll.apart_billed
    print(f"usage not reported: {toll.apart_calls} calls billed, bill {toll.apart_billed}, "
          f"ledger {toll.apart_charged} ({more} more)")  # fmt: skip
    for line in (*toll.missing[:10], *toll.doubled[:10]):
        print(f"WRONG: {line}")
    return 0 if toll.sound() else 1


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr)
