"""`scripts/bench [PART …]`: decide, memory, overhead, start. All of them without a name."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "tests")]

PARTS = ("decide", "start", "overhead")


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"one of: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples")
    options = parser.parse_args()
    unknown = [part for part in options.part if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)} (there are {', '.join(PARTS)})")
    parts = options.part or list(PARTS)
    scale = 0.1 if options.quick else 1.0
    if "decide" in parts:
        import decide

        decide.run(scale)
    if "start" in parts or "overhead" in parts:
        import overhead

        asyncio.run(overhead.run(scale, [part for part in parts if part != "decide"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
