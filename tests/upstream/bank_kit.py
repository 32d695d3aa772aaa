"""A bank that bills for real: a paid provider in a town whose daemon has a daily limit.

The fake provider is as dear as it can be: it produces every token that the request it got
lets it produce, for each of the answers asked for, and bills them at list price. What it
tells of that is another matter. ``Hands``: a clock that is set as a test likes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from house_kit import Fake, Live, piece, street, whole

from freeloader.clock import Instant, SystemClock
from freeloader.settings import Home

IN, OUT = 1.0, 2.0
#: Dollars a day; and what a model that nobody bounds may produce.
LIMIT, UNBOUNDED = 0.01, 8192


class Bank:
    """Bills what it was asked for; ``tell`` makes of the true usage what it says of it."""

    def __init__(self, fake: Fake) -> None:
        self.fake, self.dollars = fake, 0.0
        self.tell: Any = lambda usage: usage
        fake.handler = self.serve

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        asked = [body[name] for name in ("max_tokens", "max_completion_tokens") if name in body]
        most = max(asked, default=UNBOUNDED)
        counted = len(json.dumps([body["messages"], body.get("tools")])) // 4
        out, factor = most * body.get("n", 1), 3 if body.get("service_tier") == "priority" else 1
        self.dollars += factor * (counted * IN + out * OUT) / 1e6
        usage = {"prompt_tokens": counted, "completion_tokens": out, "total_tokens": counted + out}
        told = self.tell(usage)
        if not body.get("stream"):
            return web.json_response(whole("word " * min(out, 9000), usage=told))
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        for _ in range(out // 100):
            await answer.write(piece("word " * 100))
        await answer.write(piece(None, "stop"))
        last = b"data: " + json.dumps({"choices": [], "usage": told}).encode() + b"\n\n"
        await answer.write(last + b"data: [DONE]\n\n")
        return answer


class Town:
    def __init__(self, live: Live, place: Path, bank: Bank, others: list[Fake]) -> None:
        self.live, self.bank, self.others, self._place = live, bank, others, place

    async def admin(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {Home(self._place).admin_key.read_text().strip()}"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.live.url + path, json=body, headers=headers) as answer,
        ):
            return await answer.json()

    async def day(self) -> tuple[float, float]:
        async with asyncio.timeout(10):
            while self.live.daemon.books.open_holds:
                await asyncio.sleep(0.01)
        day = (await self.admin("GET", "/v1/budget"))["daily"]
        return day["spent"], day["held"]

    async def attack(self, body: dict[str, Any], times: int = 12, side: int = 4) -> list[int]:
        """The same request again and again, ``side`` at once."""
        found: list[int] = []
        for _ in range(times // side):
            asked = {"model": "alpha/m", "maxWait": 0, **body}
            some = await asyncio.gather(*(self.live.post(asked) for _ in range(side)))
            found += [status for status, _, _ in some]
        return found


@asynccontextmanager
async def town(
    place: Path,
    budget: str = f"[budget.hard]\ndaily = {LIMIT}",
    clock: Any = None,
    others: tuple[str, ...] = (),
) -> AsyncIterator[Town]:
    """``budget``: what the settings' file says; ``others`` cost nothing."""
    home = Home(place).create()
    prices = {"pricing": {"input": IN, "output": OUT}, "maxOutput": UNBOUNDED}
    overlay = {"version": "2026.11.20", "providers": {"alpha": {"models": {"m": prices}}}}
    (home.registry / "prices.json").write_text(json.dumps(overlay))
    if not home.config.exists():
        home.config.write_text(budget + "\n")
    async with street(place, "alpha", *others, clock=clock) as (live, alpha, *free):
        await live.daemon.owner.accounts.change_account("alpha", 1, {"tier": "paid"}, "test")
        yield Town(live, place, Bank(alpha), free)


class Hands:
    """Both clocks go on from the moment that they are set to (ISO 8601, with its offset)."""

    def __init__(self, moment: str) -> None:
        self._shift = self._ahead = 0.0
        self.set(moment)

    def now(self) -> Instant:
        now = SystemClock().now()
        return Instant(now.wall + self._shift, now.mono + self._ahead)

    def set(self, moment: str) -> None:
        """The wall clock alone jumps."""
        self._shift = datetime.fromisoformat(moment).timestamp() - SystemClock().now().wall

    def go(self, seconds: float) -> None:
        """Time passes."""
        self._shift += seconds
        self._ahead += seconds
