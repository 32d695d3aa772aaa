"""Half an hour at fifty requests a second: does anything grow?

Real daemon, its direct lane, one provider that only the LiteLLM child can call, a paid one
under a budget, the simulator as a process; JSON and streams, some of them refused. Every few
seconds: resident memory of the daemon and of its child, file descriptors, asyncio tasks, the
size of the two write-ahead logs. The first third is warming up; what counts is the slope of
the rest (Theil and Sen: the median of the slopes between pairs), as growth over the time
that was looked at. Descriptors and tasks follow the requests that are under way, and so a busy
machine: they are shown, and what counts is how many there are at rest, before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, Simulator, model, pretend, provider, running, until
from rush import Ask, Rush, Seen, launchers

SECONDS, QUICK_SECONDS = 1800.0, 60.0
RATE = 50.0
#: So many looks, whatever the length.
LOOKS = 120
PRICE = {"input": 1.0, "output": 2.0}
#: What a series may grow by over the time looked at, in its own unit, and still be flat: the
#: grain of the allocator, the connections of one burst, one checkpoint's worth of a log.
ALLOWED = {"daemon MB": 8.0, "child MB": 60.0, "WAL MB": 4.0}
#: More of them at rest than before, and still none is left behind: connections to providers
#: that are kept, a job that happens to run.
ALLOWED_AT_REST = {"descriptors": 20.0, "tasks": 3.0}
#: Within so many seconds after the last answer everything of it has ended.
REST_S = 60.0
#: 49 of these, then one for the child.
_MIX = (
    *(Ask("auto"), Ask("alpha/twin"), Ask("twins", stream=True), Ask("gold/ingot")),
    *(Ask("beta/twin-b", stream=True), Ask("auto", text="word " * 400)),
)
MIX = (*itertools.islice(itertools.cycle(_MIX), 49), Ask("foreign/old"))


@dataclass
class Series:
    """Seconds, and what was seen then."""

    at: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def note(self, at: float, value: float) -> None:
        self.at.append(at)
        self.values.append(value)

    def growth(self, after: float) -> float:
        """Over the time from ``after`` seconds on, by the median slope of all pairs."""
        seen = [(t, v) for t, v in zip(self.at, self.values, strict=True) if t >= after]
        slopes = [
            (second[1] - first[1]) / (second[0] - first[0])
            for first, second in itertools.combinations(seen, 2)
        ]
        return median(slopes) * (seen[-1][0] - seen[0][0])


class Watcher:
    """Looks ``LOOKS`` times while requests run."""

    def __init__(self, house: House, seconds: float) -> None:
        assert house.daemon is not None
        self._house, self._seconds = house, seconds
        self._daemon = psutil.Process(house.daemon.pid)
        self.series = {name: Series() for name in (*ALLOWED, *ALLOWED_AT_REST)}

    async def __call__(self, rush: Rush) -> None:
        for look in range(1, LOOKS + 1):
            await asyncio.sleep(max(0.0, look * self._seconds / LOOKS - rush.now()))
            for name, value in (await self._look(rush)).items():
                self.series[name].note(rush.now(), value)
            if look % (LOOKS // 12) == 0:
                print(f"  {rush.now():6.0f} s  {self._last()}", file=sys.stderr, flush=True)

    async def _look(self, rush: Rush) -> dict[str, float]:
        found = {
            "daemon MB": self._daemon.memory_info().rss / 1e6,
            "descriptors": float(self._daemon.num_fds()),
            "tasks": tasks_in(await rush.text("/metrics")),
            "WAL MB": sum(f.stat().st_size for f in self._house.home.glob("*.db-wal")) / 1e6,
        }
        children = launchers(self._daemon)
        if children:
            found["child MB"] = max(child.memory_info().rss for child in children) / 1e6
        return found

    def _last(self) -> str:
        return ", ".join(f"{n} {s.values[-1]:.1f}" for n, s in self.series.items() if s.values)


def tasks_in(metrics: str) -> float:
    """The daemon's asyncio tasks."""
    found = re.search(r"^freeloader_tasks (\S+)", metrics, re.MULTILINE)
    assert found is not None, "no freeloader_tasks in the metrics"
    return float(found[1])


def at_rest(house: House) -> dict[str, float]:
    """With nothing under way but this look."""
    assert house.daemon is not None
    text = str(house.get("/metrics"))
    return {
        "descriptors": float(psutil.Process(house.daemon.pid).num_fds()),
        "tasks": tasks_in(text),
    }


def left_behind(house: House, before: dict[str, float]) -> dict[str, dict[str, float]]:
    """What is more than before once everything has ended, or after ``REST_S`` has not."""
    end = time.monotonic() + REST_S
    while True:
        after = at_rest(house)
        over = any(after[k] - before[k] > most for k, most in ALLOWED_AT_REST.items())
        if not over or time.monotonic() > end:
            return {k: {"before": before[k], "after": after[k]} for k in ALLOWED_AT_REST}
        time.sleep(1.0)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench soak", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SECONDS:g} s")
    parser.add_argument("--seconds", type=float, help=f"how long it runs ({SECONDS:g})")
    parser.add_argument("--rate", type=float, default=RATE, help=f"requests a second ({RATE:g})")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    with tempfile.TemporaryDirectory(prefix="fl-") as folder:
        simulator = _simulator(Path(folder))
        try:
            house = _house(Path(folder) / "home", simulator.url)
            with running(house):
                until(lambda: house.chat(model="foreign/old")[0] == 200, 120, "the child")
                watcher, before = Watcher(house, seconds), at_rest(house)
                seen = asyncio.run(Rush(house, MIX, options.rate).run(watcher))
                rest = left_behind(house, before)
        finally:
            simulator.stop()
    report = _report(watcher, seen, seconds, rest)
    print(json.dumps(report) if options.json else _table(report))
    return 0 if report["flat"] and not report["failed"] else 1


def _simulator(place: Path) -> Simulator:
    names: dict[str, dict[str, Any]] = {
        "alpha": {"twin": {"free": True}},
        "beta": {"twin-b": {"free": True}},
        "foreign": {"old": {"free": True}},
        "gold": {"ingot": {"pricing": PRICE}},
    }
    config = pretend(names)
    for spec in config["providers"].values():
        spec["latency"] = {"firstMs": 30, "tokensPerSecond": 800, "jitter": 0.2}
    return Simulator(place, config)


def _house(home: Path, url: str) -> House:
    house = House(home, {"XSWARM_UPSTREAM__LANE": "auto", "XSWARM_BUDGET__HARD__DAILY": "1000"})
    house.xswarm("init")
    entries = {
        "alpha": provider(f"{url}/alpha/v1", {"twin": model("twins", speed=9.0)}),
        "beta": provider(f"{url}/beta/v1", {"twin-b": model("twins", speed=4.0)}),
        "foreign": provider(f"{url}/foreign/v1", {"old": model("olds")}, wire="other"),
        "gold": provider(
            f"{url}/gold/v1",
            {"ingot": model("ingots", free=False, pricing=PRICE)},
            status="paid_only",
            freeTier={"type": "none", "confidence": "high", "limits": []},
        ),
    }
    house.overlay("soak", {"version": "2026.11.20", "providers": entries})
    for name in entries:
        tier = ("--tier", "paid") if name == "gold" else ()
        house.xswarm("account", "add", name, "-", *tier, stdin=f"key-{name}\n")
    return house


def _report(
    watcher: Watcher, seen: Seen, seconds: float, rest: dict[str, dict[str, float]]
) -> dict[str, Any]:
    rows: dict[str, dict[str, Any]] = {}
    for name, series in watcher.series.items():
        grown = series.growth(seconds / 3) if len(series.at) > LOOKS // 2 else None
        rows[name] = {
            "first": round(series.values[0], 2) if series.values else None,
            "last": round(series.values[-1], 2) if series.values else None,
            "growth": None if grown is None else round(grown, 3),
        }
        if name in ALLOWED:
            flat = grown is not None and grown <= ALLOWED[name]
            rows[name] |= {"allowed": ALLOWED[name], "flat": flat}
    for name, most in ALLOWED_AT_REST.items():
        more = rest[name]["after"] - rest[name]["before"]
        rows[f"{name}, at rest"] = {
            "first": rest[name]["before"],
            "last": rest[name]["after"],
            "growth": more,
            "allowed": most,
            "flat": more <= most,
        }
    return {
        "seconds": seconds,
        "requests": len(seen.told),
        "failed": len(seen.failures),
        "p50": round(seen.took(0.5), 4),
        "p99": round(seen.took(0.99), 4),
        "complaints": seen.complaints() if seen.failures else "",
        "series": rows,
        "flat": all(row.get("flat", True) for row in rows.values()),
    }


def _table(report: dict[str, Any]) -> str:
    lines = [
        f"\n## soak: {report['requests']} requests in {report['seconds']:g} s, "
        f"{report['failed']} failed (must be 0), p50 {report['p50']} s, p99 {report['p99']} s",
        report["complaints"],
        f"{'':20s} {'first':>9s} {'last':>9s} {'growth':>9s} {'allowed':>9s}",
    ]
    for name, row in report["series"].items():
        shown = "".join(
            f" {'-' if row.get(key) is None else format(row[key], '.2f'):>9s}"
            for key in ("first", "last", "growth", "allowed")
        )
        verdict = {True: "flat", False: "NOT FLAT", None: ""}[row.get("flat")]
        lines.append(f"{name:20s}{shown}  {verdict}".rstrip())
    return "\n".join(line for line in lines if line)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
