"""Traffic while the owner changes things: accounts come and go, the registry needs a new child.

Real daemon, real LiteLLM child, the simulator as a process. No request may fail,
and there may never be more than two generations of the child. Everything that is
asked for directly after it was added must be answered too.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, Simulator, call, model, pretend, provider, running
from rush import Ask, Rush, Seen, Told

#: A whole answer takes a few tenths of a second; one that waited for a child takes longer.
SLOWEST_S = 10.0
WHOLE_S, QUICK_S = 300.0, 60.0
LATENCY = {"firstMs": 40, "tokensPerSecond": 400, "jitter": 0.2}
_NAMES = ("alpha", "beta", "gamma", "delta")
_MODELS = {
    "alpha": {"twin": "twins", "solo": "solos"},
    "beta": {"twin-b": "twins", "even": "evens"},
    "gamma": {"third": "thirds"},
    "delta": {"fourth": "twins"},
}
MIX = (
    Ask("auto"),
    Ask("alpha/twin"),
    Ask("twins", stream=True),
    Ask("beta/even"),
    Ask("auto", stream=True),
    Ask("solo", stream=True),
    Ask("evens", text="word " * 400),
    Ask("twin-b", stream=True),
)


def simulate(place: Path) -> Simulator:
    """The pretend providers; ``late`` is the model that the registry learns of later."""
    models = {name: {m: {"free": True} for m in _MODELS[name]} for name in _NAMES}
    models["alpha"]["late"] = {"free": True}
    config = pretend(models)
    for spec in config["providers"].values():
        spec["latency"] = LATENCY
    return Simulator(place, config)


def registry(url: str, *, late: bool = False, moved: bool = False) -> dict[str, Any]:
    """The overlay: with ``late`` one model more, with ``moved`` another address for beta."""
    entries = {}
    for name in _NAMES:
        models = {m: model(family, speed=7.0) for m, family in _MODELS[name].items()}
        if name == "alpha" and late:
            models["late"] = model("lates")
        path = "openai/v1" if name == "beta" and moved else "v1"
        entries[name] = provider(f"{url}/{name}/{path}", models)
    return {"version": "2026.11.20", "providers": entries}


def furnish(home: Path, url: str, environ: dict[str, str] | None = None) -> House:
    """A home with two accounts at alpha and one each at beta and delta."""
    house = House(home, environ)
    house.xswarm("init")
    house.overlay("traffic", registry(url))
    for name, key in (("alpha", "a1"), ("alpha", "a2"), ("beta", "b1"), ("delta", "d1")):
        house.xswarm("account", "add", name, "-", stdin=f"key-{key}\n")
    return house


class Owner:
    """What the owner does meanwhile, spread over ``seconds``."""

    def __init__(self, house: House, simulator: Simulator, seconds: float) -> None:
        self._house = house
        self._url = simulator.url
        self._seconds = seconds
        self.firsts: list[Told] = []
        self._asked: list[asyncio.Task[Told]] = []

    async def __call__(self, rush: Rush) -> None:
        steps = [
            *((0.04 + 0.05 * i, self._add(i)) for i in range(10)),
            (0.26, self._reload_by_signal()),
            (0.60, self._reload_by_config()),
            (0.66, self._change("PATCH", "alpha", 2, {"enabled": False})),
            (0.70, self._change("PATCH", "delta", 1, {"enabled": False})),
            (0.74, self._change("PATCH", "alpha", 2, {"enabled": True})),
            (0.78, self._change("DELETE", "alpha", 1)),
            (0.82, self._change("DELETE", "gamma", 1)),
            (0.84, self._change("DELETE", "ollama", 1)),
        ]
        for share, step in sorted(steps, key=lambda step: step[0]):
            await asyncio.sleep(max(0.0, share * self._seconds - rush.now()))
            await step(rush)
        await asyncio.sleep(max(0.0, self._seconds - rush.now()))
        self.firsts = list(await asyncio.gather(*self._asked))

    def _first(self, rush: Rush, ask: Ask) -> None:
        """Asks for something at once after it came; the owner goes on meanwhile."""
        self._asked.append(asyncio.create_task(rush.ask(ask)))

    def _add(self, number: int) -> Any:
        """Keys for known providers, addresses the child has not heard of, local servers."""
        url = self._url
        bodies: list[tuple[dict[str, Any], str | None]] = [
            ({"provider": "gamma", "key": "key-g1"}, "gamma/third"),
            ({"provider": "alpha", "key": "key-a3"}, None),
            ({"provider": "ollama", "endpoint": f"{url}/ollama"}, "ollama/llama3.1:8b"),
            ({"provider": "beta", "key": "key-b2"}, None),
            ({"provider": "gamma", "key": "g2", "endpoint": f"{url}/gamma/openai/v1"},
             "gamma@2/third"),
            ({"provider": "delta", "key": "key-d2"}, "delta/fourth"),
            ({"provider": "lm_studio", "endpoint": f"{url}/lm_studio/v1"},
             "lm_studio/llama-3.1-8b-instruct"),
            ({"provider": "alpha", "key": "key-a4"}, None),
            ({"provider": "groq", "key": "gsk_pretend", "endpoint": f"{url}/groq/openai/v1"}, None),
            ({"provider": "beta", "key": "key-b3"}, None),
        ]  # fmt: skip

        async def step(rush: Rush) -> None:
            body, asked = bodies[number]
            await rush.admin("POST", "/v1/accounts", body)
            if asked is not None:
                self._first(rush, Ask(asked, stream=number % 2 == 0))

        return step

    def _change(self, method: str, name: str, idx: int, body: Any = None) -> Any:
        async def step(rush: Rush) -> None:
            await rush.admin(method, f"/v1/accounts/{name}/{idx}", body)

        return step

    def _reload_by_signal(self) -> Any:
        async def step(rush: Rush) -> None:
            self._house.overlay("traffic", registry(self._url, late=True))
            assert self._house.daemon is not None
            self._house.daemon.send_signal(signal.SIGHUP)
            await self._known(rush, "lates")
            self._first(rush, Ask("alpha/late", stream=True))

        return step

    def _reload_by_config(self) -> Any:
        async def step(rush: Rush) -> None:
            self._house.overlay("traffic", registry(self._url, late=True, moved=True))
            alias = {"models": {"aliases": {"nick": "alpha/late"}}}
            await rush.admin("POST", "/v1/config", alias)
            self._first(rush, Ask("nick"))

        return step

    async def _known(self, rush: Rush, name: str) -> None:
        """A signal has no answer: until the name means something (debugging sends nothing)."""
        body = {"model": name, "messages": [{"role": "user", "content": "."}]}
        for _ in range(200):
            if await rush.try_admin("POST", "/v1/router/debug", body) == 200:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{name} is not known 20 s after the signal")


def settled(house: House, simulator: Simulator, seconds: float = 90.0) -> bool:
    """True once beta is called at its new address, which takes the newest child."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        house.chat(model="beta/even")
        log = call("GET", f"{simulator.url}/_sim/requests")[2]
        rows = log if isinstance(log, list) else log.get("requests", [])
        beta = [row for row in rows if str(row.get("path", "")).startswith("/beta/")]
        if beta and "/openai/" in str(beta[-1]["path"]):
            return True
        time.sleep(0.5)
    return False


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench traffic", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_S:g} s")
    parser.add_argument("--seconds", type=float, help=f"how long it runs ({WHOLE_S:g})")
    options = parser.parse_args(argv)
    return run(options.seconds or (QUICK_S if options.quick else WHOLE_S))


def run(seconds: float, environ: dict[str, str] | None = None) -> int:
    """The whole story; 0 where nothing was violated."""
    with tempfile.TemporaryDirectory(prefix="fl-") as folder:
        place = Path(folder)
        simulator = simulate(place)
        try:
            house = furnish(place / "home", simulator.url, environ)
            with running(house):
                house.child_ready()
                owner = Owner(house, simulator, seconds)
                seen = asyncio.run(Rush(house, MIX).run(owner))
                moved = settled(house, simulator)
                child = house.get("/v1/health")["child"]
        finally:
            simulator.stop()
    return report(seen, owner.firsts, moved, child, seconds)


def report(
    seen: Seen, firsts: list[Told], moved: bool, child: dict[str, Any], seconds: float
) -> int:
    print(f"\n## {seconds:g} s of traffic at 20 requests a second, with changes")
    print(f"requests: {len(seen.told)}, failed: {len(seen.failures)} (must be 0)")
    print(
        f"whole answers: p50 {seen.took(0.5):.3f} s, p99 {seen.took(0.99):.3f} s, "
        f"slowest {seen.took(1.0):.3f} s (must be under {SLOWEST_S:g})"
    )
    print(
        f"generations: {child['generation']} in all, {seen.generations} at once by /v1/health, "
        f"{seen.processes} child processes at once (must be at most 2); "
        f"crashes: {child['restarts']}"
    )
    for first in firsts:
        how = first.problem or "answered"
        print(f"asked for right after it came: {first.ask.model}: {how} after {first.took:.2f} s")
    print(f"the changed address is used at the end: {'yes' if moved else 'NO'}")
    wrong = [
        bool(seen.failures) and seen.complaints(),
        any(one.problem for one in firsts) and "something new was not answered",
        max(seen.generations, seen.processes) > 2 and "more than two generations",
        child["restarts"] and "the child crashed",
        not moved and "the changed registry was not taken over",
        seen.took(1.0) >= SLOWEST_S and "a request waited",
        len(seen.told) < 19 * seconds and "fewer requests than promised",
    ]
    for complaint in filter(None, wrong):
        print(f"VIOLATED: {complaint}")
    return 1 if any(wrong) else 0
