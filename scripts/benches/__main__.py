"""`scripts/bench [PART …] [OPTIONS]`: one part with its own options, or several with `--quick`.

Each part is a module of this folder with ``main(argv) -> int``; it has its own
`--help`. Without a name the short ones run. The exit code is the worst of all.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "tests")]

#: Part → its module, and what it shows.
PARTS = {
    "decide": ("decide", "time of a decision and of an explanation, by strategy and size"),
    "quality": ("quality", "task detection and complexity on labelled prompts and graded pairs"),
    "start": ("start", "start to ready, and memory, against the child alone"),
    "overhead": ("overhead", "what the front adds over its child"),
    "races": ("races", "a thousand requests at once against one dollar, a thousand times"),
    "faults": ("faults", "what goes wrong with the child and with providers, and what comes of it"),
    "slow": ("slow", "a thousand slow clients: what good ones notice, and memory"),
    "soak": ("soak", "half an hour at fifty requests a second: memory, descriptors, tasks, WAL"),
    "many": ("many", "a hundred thousand requests: how much larger the daemon is then"),
    "lanes": ("lanes", "five ways to one provider: direct, relay, both of ours, stock LiteLLM"),
    "yield": ("yield_week", "free quotas used in a simulated week, of what was possible"),
    "store": ("store", "a million rows: analytics, start, budgets, holds, retention"),
    "crash": ("crash", "200 kills, 500 power cuts, 300 damaged files, 50 backups"),
    "bill": ("bill", "5,000 mixed requests: the ledger against the provider's bill"),
    "traffic": ("traffic", "five minutes of requests while the configuration changes"),
}
#: What runs when nothing is named: what takes seconds, not minutes.
SHORT = ("decide", "start", "overhead")


def main(argv: list[str]) -> int:
    """The worst exit code of the parts that were named."""
    names = []
    while argv and argv[0] in PARTS:
        names.append(argv.pop(0))
    if not names and argv and not argv[0].startswith("-"):
        _parser().error(f"no such part: {argv[0]} (there are {', '.join(PARTS)})")
    if not names and {"-h", "--help"} & set(argv):
        _parser().parse_args(argv)
    worst = 0
    for name in names or SHORT:
        module = importlib.import_module(PARTS[name][0])
        worst = max(worst, int(module.main(list(argv))))
    return worst


def _parser() -> argparse.ArgumentParser:
    rows = "\n".join(f"  {name:10s} {what}" for name, (_, what) in PARTS.items())
    return argparse.ArgumentParser(
        prog="scripts/bench",
        usage="scripts/bench [PART …] [OPTIONS OF THE PART]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"Measurements, as ratios and intervals from one run.\n\nparts:\n{rows}\n\n"
        f"Without a part: {', '.join(SHORT)}. `scripts/bench PART --help` for its options;\n"
        "every part takes --quick.",
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
