"""`scripts/bench [PART …]`: decide, start, overhead, traffic.

Without a name: all but traffic, which is five minutes of requests while the
configuration changes, and ends with 1 where one of them failed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "tests")]

PARTS = ("decide", "start", "overhead", "traffic")
TRAFFIC_S, TRAFFIC_QUICK_S = 300.0, 60.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"one of: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples")
    parser.add_argument("--seconds", type=float, help="how long traffic runs (300)")
    options = parser.parse_args()
    unknown = [part for part in options.part if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)} (there are {', '.join(PARTS)})")
    parts = options.part or [part for part in PARTS if part != "traffic"]
    scale = 0.1 if options.quick else 1.0
    if "decide" in parts:
        import decide

        decide.run(scale)
    if "start" in parts or "overhead" in parts:
        import overhead

        asyncio.run(overhead.run(scale, parts))
    if "traffic" in parts:
        import traffic

        return traffic.run(options.seconds or (TRAFFIC_QUICK_S if options.quick else TRAFFIC_S))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
