"""How much of the free quotas is used: a simulated week against the best possible one.

The real core and the real books under a virtual clock, the bundled registry's free
providers whose limits are known, five traces of demand at 0.7, 1.0 and 1.3 times what
the windows give back in the long run; beside them priority with fallback, round-robin
and least-used, all against the same providers with exact windows of their own. The
optimum knows all demand beforehand (a linear programme) and is an upper bound. Scaling
is said by ``week.farm``: rates without a day's limit are stretched, so that one machine
gets through a week. ``--live``: two minutes in real time, daemon, child and simulator.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context

from week import demand, optimum, players
from week.farm import UNKNOWN, Farm, build
from week.play import MAX_WAIT, play
from week.players import Outside, Player, Tally
from week.truth import Providers

LOADS = (0.7, 1.0, 1.3)
OURS = {"ours": "on", "ours strict": "strict", "ours unpaced": "off"}
USUAL = {
    "priority": players.by_priority,
    "round-robin": players.round_robin,
    "least-used": players.least_used,
}
#: Goals: share of the optimum, refusals per 1,000, strong answers of the optimum.
SERVED, REFUSED, STRONG = 0.99, 1.0, 0.98
EVEN = ("steady", "day-night")
DAYS, QUICK_DAYS = 7.0, 1.0


@dataclass(frozen=True)
class Row:
    """One player's week. Shares are of the optimum; refusals are per 1,000 requests."""

    trace: str
    load: float
    player: str
    requests: int
    optimum: float
    served: float
    strong: float
    refusals: float
    learning: int


def main(argv: Sequence[str]) -> int:
    """0; 1 where ``ours`` misses a goal."""
    parser = argparse.ArgumentParser(prog="scripts/bench yield", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one day, loads 0.7 and 1.0, no strict"
    )
    parser.add_argument("--json", action="store_true", help="rows as JSON, one a line")
    parser.add_argument("--trace", choices=demand.TRACES, action="append", help="only this trace")
    parser.add_argument("--load", type=float, action="append", help="only this load")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="weeks side by side (1)")
    parser.add_argument("--live", action="store_true", help="two minutes, real processes")
    options = parser.parse_args(argv)
    if options.live:
        import yield_live

        return yield_live.main(["--quick"] if options.quick else [])
    days = QUICK_DAYS if options.quick else DAYS
    loads = options.load or (LOADS[:2] if options.quick else LOADS)
    work = [(trace, load) for trace in options.trace or demand.TRACES for load in loads]
    one = partial(_week, days=days, seed=options.seed, quick=options.quick)
    began, rows = time.perf_counter(), list[Row]()
    if not options.json:
        _head(build(), days)
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        for found in pool.map(one, work) if options.jobs > 1 else map(one, work):
            rows.extend(found)
            for row in found:
                print(json.dumps(asdict(row)) if options.json else _line(row), flush=True)
    missed = _missed(rows)
    if not options.json:
        print(f"\n{time.perf_counter() - began:.0f} s. " + ("; ".join(missed) or "All goals met."))
    return 1 if missed else 0


def _week(work: tuple[str, float], days: float, seed: int, quick: bool) -> list[Row]:
    """All players through one trace at one load."""
    trace, load = work
    farm = build()
    groups = optimum.groups(farm.deployments, farm.hidden)
    count = int(load * optimum.capacity(groups, demand.USUAL) * days)
    requests = demand.week(trace, count, days, seed)
    best, strong = optimum.bounds(groups, requests, days, MAX_WAIT)
    out = []
    for name, make in _players(farm, quick).items():
        tally = Tally()
        outside = Outside(Providers(farm.deployments, farm.hidden), UNKNOWN, tally)
        asyncio.run(play(make(outside), requests, tally))
        refused = 1000 * tally.refusals / count
        row = Row(trace, load, name, count, round(best, 1), tally.served / best,
                  tally.strong / strong, refused, tally.learning)  # fmt: skip
        out.append(row)
    return out


def _players(farm: Farm, quick: bool) -> dict[str, Callable[[Outside], Player]]:
    found: dict[str, Callable[[Outside], Player]] = {
        name: partial(_ours, farm, pacing)
        for name, pacing in OURS.items()
        if not (quick and pacing == "strict")
    }
    return found | {name: partial(_usual, farm, order) for name, order in USUAL.items()}


def _ours(farm: Farm, pacing: str, outside: Outside) -> Player:
    return players.Ours(farm.deployments, outside, pacing)


def _usual(farm: Farm, order: players.Order, outside: Outside) -> Player:
    return players.Usual(farm.deployments, outside, order)


def _missed(rows: Sequence[Row]) -> list[str]:
    """Goals that ``ours`` misses, in words."""
    out = []
    for row in (row for row in rows if row.player == "ours"):
        where = f"{row.trace} at {row.load:g}"
        if row.trace in EVEN and row.served < SERVED:
            out.append(f"{where}: served {row.served:.2%} of the optimum, goal {SERVED:.0%}")
        if row.strong < STRONG:
            out.append(f"{where}: strong {row.strong:.2%} of the optimum, goal {STRONG:.0%}")
        if row.refusals > REFUSED:
            out.append(f"{where}: {row.refusals:.2f} refusals per 1,000, goal {REFUSED:g}")
        others = (r for r in rows if (r.trace, r.load) == (row.trace, row.load))
        better = [r.player for r in others if r.player in USUAL and r.served > row.served]
        if better:
            out.append(f"{where}: served less than {', '.join(better)}")
    return out


def _head(farm: Farm, days: float) -> None:
    groups = optimum.groups(farm.deployments, farm.hidden)
    capacity = optimum.capacity(groups, demand.USUAL)
    providers = sorted({d.provider.id for d in farm.deployments})
    print(
        f"## {days:g} simulated days: {len(farm.deployments)} free models of {len(providers)} "
        f"providers ({', '.join(providers)});\ncapacity {capacity:,.0f} requests a day. Rates "
        f"stretched to hours: {', '.join(farm.stretched)}; left out, they would\ncarry it alone: "
        f"{', '.join(farm.left_out)}. Nobody publishes the limits of {UNKNOWN}.\n"
    )
    print(f"{'trace':10s} {'load':>4s}  {'router':12s} {'served':>8s} {'regret':>8s} "
          f"{'strong':>8s} {'refusals/1000':>14s} {'learning':>9s}")  # fmt: skip


def _line(row: Row) -> str:
    regret = row.optimum * (1 - row.served)
    return (
        f"{row.trace:10s} {row.load:4.1f}  {row.player:12s} {row.served:8.2%} {regret:8,.0f} "
        f"{row.strong:8.2%} {row.refusals:14.2f} {row.learning:9d}"
    )
