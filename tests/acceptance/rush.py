"""Steady traffic through a real daemon while its owner changes things; what it saw, counted.

Open loop: a request is sent every 1/rate seconds whether or not the earlier ones
are answered, so that a stall shows as many slow answers and not as silence.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import psutil
from farm import House

LAUNCHER = "freeloader.child.launcher"
#: No answer of the pretend providers takes a fifth of this, on a busy machine either.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Ask:
    """One kind of request in the mix."""

    model: str
    stream: bool = False
    text: str = "Say something."


@dataclass(frozen=True)
class Told:
    """How one request went; ``problem`` is empty where it was answered in full."""

    ask: Ask
    at: float
    took: float
    problem: str = ""
    decision: str = ""


@dataclass
class Seen:
    """What a run of traffic came to."""

    told: list[Told] = field(default_factory=list)
    generations: int = 0
    processes: int = 0
    numbers: set[int] = field(default_factory=set)
    restarts: int = 0

    @property
    def failures(self) -> list[Told]:
        return [one for one in self.told if one.problem]

    def took(self, share: float) -> float:
        """Seconds within which ``share`` of the requests were answered."""
        ordered = sorted(one.took for one in self.told)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def complaints(self, most: int = 8) -> str:
        lines = [f"{t.at:6.1f} s {t.ask} {t.problem} {t.decision}" for t in self.failures[:most]]
        return "\n".join([f"{len(self.failures)} of {len(self.told)} failed", *lines])


class Rush:
    """``rate`` requests a second of ``mix`` in turn, for as long as ``during`` runs."""

    def __init__(self, house: House, mix: Sequence[Ask], rate: float = 20.0) -> None:
        assert house.daemon is not None
        self._house = house
        self._mix = itertools.cycle(mix)
        self._rate = rate
        self._daemon = psutil.Process(house.daemon.pid)
        self._headers = {"Authorization": f"Bearer {house.key()}"}
        self._admin = {"Authorization": f"Bearer {house.key('admin')}"}
        self.seen = Seen()
        self._began = time.monotonic()

    async def run(self, during: Callable[[Rush], Awaitable[None]]) -> Seen:
        """The traffic, and beside it ``during``; waits for every answer."""
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with aiohttp.ClientSession(
            self._house.url, connector=connector, timeout=timeout
        ) as self._session:
            self._began = time.monotonic()
            over = asyncio.Event()
            watchers = [asyncio.create_task(w) for w in (self._poll(over), self._count(over))]
            sending = asyncio.create_task(self._send(over))
            try:
                await during(self)
            finally:
                over.set()
                await asyncio.gather(sending, *watchers)
        return self.seen

    def now(self) -> float:
        return time.monotonic() - self._began

    async def try_admin(self, method: str, path: str, body: Any = None) -> int:
        """One call of the owner; its status."""
        headers = {**self._admin, "Content-Type": "application/json"}
        async with self._session.request(
            method, path, data=orjson.dumps(body), headers=headers
        ) as answer:
            await answer.read()
            return answer.status

    async def admin(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the owner; raises on anything but success."""
        data = None if body is None else orjson.dumps(body)
        headers = {**self._admin, "Content-Type": "application/json"}
        async with self._session.request(method, path, data=data, headers=headers) as answer:
            raw = await answer.read()
            if answer.status >= 300:
                raise AssertionError(f"{method} {path}: {answer.status} {raw[:500]!r}")
        return orjson.loads(raw)

    async def text(self, path: str) -> str:
        """What the owner reads there."""
        async with self._session.get(path, headers=self._admin) as answer:
            answer.raise_for_status()
            return await answer.text()

    async def ask(self, ask: Ask) -> Told:
        """One request, beside the mix."""
        began = time.monotonic()
        problem, decision = "", ""
        try:
            problem, decision = await self._answered(ask)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            problem = f"{type(error).__name__}: {error}"
        return Told(ask, began - self._began, time.monotonic() - began, problem, decision)

    async def _send(self, over: asyncio.Event) -> None:
        tasks: set[asyncio.Task[None]] = set()
        for number in itertools.count():
            wait = self._began + number / self._rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            if over.is_set():
                break
            task = asyncio.create_task(self._one(next(self._mix)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def _one(self, ask: Ask) -> None:
        self.seen.told.append(await self.ask(ask))

    async def _answered(self, ask: Ask) -> tuple[str, str]:
        body = {
            "model": ask.model,
            "stream": ask.stream,
            "max_tokens": 40,
            "messages": [{"role": "user", "content": ask.text}],
        }
        headers = {**self._headers, "Content-Type": "application/json"}
        async with self._session.post(
            "/v1/chat/completions", data=orjson.dumps(body), headers=headers
        ) as answer:
            raw = await answer.read()
            decision = answer.headers.get("X-Freeloader-Decision-Id", "")
            if answer.status != 200:
                return f"{answer.status} {raw[:400]!r}", decision
        if not ask.stream:
            whole = orjson.loads(raw)["choices"][0]["message"]["content"]
            return ("" if whole else "an empty answer"), decision
        if b'"error"' in raw or not raw.rstrip().endswith(b"data: [DONE]"):
            return f"a broken stream: {raw[-300:]!r}", decision
        return "", decision

    async def _poll(self, over: asyncio.Event) -> None:
        while not over.is_set():
            child = (await self.admin("GET", "/v1/health"))["child"]
            self.seen.generations = max(self.seen.generations, child["generations"])
            self.seen.numbers.add(child["generation"])
            self.seen.restarts = child["restarts"]
            await asyncio.sleep(0.5)

    async def _count(self, over: asyncio.Event) -> None:
        while not over.is_set():
            self.seen.processes = max(self.seen.processes, len(launchers(self._daemon)))
            await asyncio.sleep(0.3)


def launchers(daemon: psutil.Process) -> list[psutil.Process]:
    """The child processes of ``daemon`` that are LiteLLM workers, dead ones left out."""
    found = []
    for process in daemon.children():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and LAUNCHER in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found
