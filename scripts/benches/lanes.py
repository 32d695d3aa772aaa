"""Five ways to one provider, side by side in one run: what each lane costs.

Straight to the provider, a bare aiohttp relay that parses and rewrites the body, our
``direct`` lane, our ``litellm`` lane, and LiteLLM's own proxy with its stock settings.
Default features are on and 145 deployments are known. What counts are the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, call, free_port, model, provider, until
from lanes_load import Way, measure

HERE = Path(__file__).parent
DEPLOYMENTS = 145
SECONDS = 5.0
#: The issue's goals, as ratios.
P50_OF_RELAY, TIMES_LITELLM = 2.0, 15.0
FIRST_ANSWER_S, IDLE_MB = 1.0, 80.0


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench lanes", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the time")
    parser.add_argument("--seconds", type=float, help=f"of each measurement ({SECONDS:g})")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--no-litellm", action="store_true", help="leave both LiteLLM ways out")
    options = parser.parse_args(argv)
    seconds = options.seconds or (SECONDS / 10 if options.quick else SECONDS)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fl-")))
        ways = list(_ways(stack, place, litellm=not options.no_litellm))
        asyncio.run(measure(ways, seconds))
        memory = {way.name: way.rss_mb() for way in ways if way.pids}
    report = _report(ways, memory)
    print(json.dumps(report) if options.json else _table(report))
    return 0


def _ways(stack: ExitStack, place: Path, *, litellm: bool) -> Iterator[Way]:
    """Starts all of them; one after the other, so that start times are fair."""
    far, pid = stack.enter_context(_farside("provider"))
    yield Way("provider", far, "key", "echo", (pid,))
    relay, pid = stack.enter_context(_farside("relay", f"{far}/chat/completions"))
    yield Way("relay", relay, "key", "echo", (pid,))
    yield stack.enter_context(_ours(place / "direct", far, "auto"))
    if litellm:
        yield stack.enter_context(_ours(place / "litellm", far, "litellm"))
        yield stack.enter_context(_stock(place, far))


@contextmanager
def _farside(*argv: str) -> Iterator[tuple[str, int]]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / "farside.py"), *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.stdin.close()
        process.wait(10)


@contextmanager
def _ours(home: Path, far: str, lane: str) -> Iterator[Way]:
    """Our daemon with this lane, and as many deployments as the issue wants."""
    house = House(home, {"XSWARM_UPSTREAM__LANE": lane})
    house.xswarm("init")
    models = {"echo": model("echo", context=10_000_000, speed=9.9)}
    models |= {f"m{n}": model(f"family-{n}") for n in range(DEPLOYMENTS - 1)}
    house.overlay("far", {"version": "2026.11.20", "providers": {"far": provider(far, models)}})
    house.xswarm("account", "add", "far", "-", stdin="bench-key\n")
    began = time.perf_counter()
    house.start(wait=False)
    first = until(lambda: _answered(house) and time.perf_counter() - began, 60, "a first answer")
    try:
        house.ready()
        child = house.child_pid()
        assert house.daemon is not None
        pids = (house.daemon.pid, *((child,) if child else ()))
        name = "ours, direct" if lane == "auto" else "ours, litellm"
        yield Way(name, f"{house.url}/v1", house.key(), "far/echo", pids, first)
    finally:
        house.stop()


def _answered(house: House) -> bool:
    try:
        return house.chat(model="far/echo")[0] == 200
    except OSError:
        return False


@contextmanager
def _stock(place: Path, far: str) -> Iterator[Way]:
    """LiteLLM's own proxy as its manual starts it; only its look-ups on the network are off."""
    port, key = free_port(), "sk-bench"
    config = place / "stock.yaml"
    params = {"model": "openai/echo", "api_base": far, "api_key": "key"}
    entries = [{"model_name": "echo", "litellm_params": params}]
    entries += [{**entries[0], "model_name": f"m{n}"} for n in range(DEPLOYMENTS - 1)]
    config.write_text(json.dumps({"model_list": entries, "general_settings": {"master_key": key}}))
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1", "LITELLM_MODE":
             "PRODUCTION", "LITELLM_LOG": "ERROR"}  # fmt: skip
    environ = {"PATH": os.environ["PATH"], "HOME": str(place), "LANG": "C.UTF-8", **quiet}
    argv = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    began = time.perf_counter()
    with (place / "stock.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "litellm.proxy.proxy_cli", *argv],
            env=environ,
            cwd=place,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    way = Way("litellm, stock", f"http://127.0.0.1:{port}/v1", key, "echo", (process.pid,))
    try:
        until(lambda: _speaks(way), 120, "LiteLLM answers")
        way.first_s = time.perf_counter() - began
        yield way
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _speaks(way: Way) -> bool:
    body = {"model": way.model, "messages": [{"role": "user", "content": "hi"}]}
    auth = {"Authorization": f"Bearer {way.key}"}
    try:
        return call("POST", f"{way.url}/chat/completions", body, auth, timeout=5)[0] == 200
    except OSError:
        return False


def _report(ways: list[Way], memory: dict[str, float]) -> dict[str, Any]:
    found: dict[str, Any] = {
        way.name: {
            "firstAnswerSeconds": way.first_s,
            "rssMb": memory.get(way.name),
            "rows": [
                {
                    "kb": kb,
                    "concurrency": n,
                    "p50Ms": r.p50,
                    "p99Ms": r.p99,
                    "perSecond": r.rate,
                    "cpuUs": r.cpu_us,
                }
                for (kb, n), r in way.rows.items()
            ],
        }
        for way in ways
    }
    return {"ways": found, "ratios": _ratios({way.name: way for way in ways})}


def _ratios(ways: dict[str, Way]) -> list[dict[str, Any]]:
    out = []
    ours, relay = ways["ours, direct"], ways["relay"]
    stock, through = ways.get("litellm, stock"), ways.get("ours, litellm")
    for key, row in ours.rows.items():
        one: dict[str, Any] = {
            "kb": key[0],
            "concurrency": key[1],
            "directP50OfRelay": row.p50 / relay.rows[key].p50,
            "directRateOfRelay": row.rate / relay.rows[key].rate,
            "directCpuOfRelay": row.cpu_us / max(1.0, relay.rows[key].cpu_us),
        }
        if stock is not None and through is not None:
            one["directTimesStock"] = row.rate / stock.rows[key].rate
            one["relayTimesStock"] = relay.rows[key].rate / stock.rows[key].rate
            one["litellmTimesStock"] = through.rows[key].rate / stock.rows[key].rate
        out.append(one)
    return out


def _table(report: dict[str, Any]) -> str:
    lines = [f"\n## lanes: {DEPLOYMENTS} deployments, default features", ""]
    titles = ("p50 ms", "p99 ms", "a second")
    head = f"{'way':16s} {'KB':>4s} {'at once':>7s}" + "".join(f" {t:>9s}" for t in titles)
    head += f" {'cpu µs':>7s}"
    lines += [head, "-" * len(head)]
    for name, way in report["ways"].items():
        lines += [
            f"{name:16s} {r['kb']:4d} {r['concurrency']:7d} {r['p50Ms']:9.2f} "
            f"{r['p99Ms']:9.2f} {r['perSecond']:9.0f} {r['cpuUs']:7.0f}"
            for r in way["rows"]
        ]
    lines.append("")
    for name, way in report["ways"].items():
        if way["rssMb"] is not None:
            first = way["firstAnswerSeconds"]
            told = "" if first is None else f", start to first answer {first:.2f} s"
            lines.append(f"{name}: {way['rssMb']:.0f} MB resident{told}")
    lines += ["", f"goals: direct p50 at most {P50_OF_RELAY:g} × the relay's, at least "
              f"{TIMES_LITELLM:g} × stock LiteLLM's throughput; litellm lane at least 1 ×; "
              f"first answer within {FIRST_ANSWER_S:g} s; {IDLE_MB:g} MB idle"]  # fmt: skip
    for one in report["ratios"]:
        told = (
            f"{one['kb']:4d} KB, {one['concurrency']:2d} at once: direct p50 "
            f"{one['directP50OfRelay']:.2f} × relay, throughput {one['directRateOfRelay']:.2f} ×, "
            f"processor time {one['directCpuOfRelay']:.1f} ×"
        )
        if "directTimesStock" in one:
            told += (
                f"; {one['directTimesStock']:.1f} × stock LiteLLM "
                f"(the relay itself {one['relayTimesStock']:.1f} ×, "
                f"litellm lane {one['litellmTimesStock']:.2f} ×)"
            )
        lines.append(told)
    return "\n".join(lines)


assert os.name == "posix"
