"""R9: whatever is asked, and however, the same budget moves by what the provider bills."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import house_kit
import pytest
from farm import PRICE, model, provider
from front_fakes import House
from house_kit import USAGE, street

from freeloader.gateway import keys

#: Path → a body that is answered there.
ANSWERED: Mapping[str, Mapping[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/completions": {"prompt": "hi"},
}
#: Asks nobody, and so costs nothing.
FREE = {"/v1/router/debug", "/v1/feedback"}
WAYS: tuple[Mapping[str, Any], ...] = (
    {},
    {"stream": True},
    {"strategy": "multi-cast", "targets": 2},
)
#: Dollars that the pretend providers bill for one answer.
ONE = sum(
    USAGE[tokens] * PRICE[kind] / 1e6
    for tokens, kind in (("prompt_tokens", "input"), ("completion_tokens", "output"))
)


def priced(fakes: Mapping[str, str]) -> dict[str, Any]:
    entries = {
        name: provider(url, {"m": model("twins", free=False, pricing=PRICE)}, status="paid_only")
        for name, url in fakes.items()
    }
    return {"version": "2026.11.20", "providers": entries}


async def test_r9_every_route_in_every_way_moves_the_same_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house_kit, "registry", priced)
    async with street(tmp_path, "alpha", "beta", XSWARM_BUDGET__HARD__DAILY="5") as found:
        live, alpha, beta = found
        for name in ("alpha", "beta"):
            change = {"tier": "paid"}
            await live.daemon.owner.accounts.change_account(name, 1, change, "test")

        async def spent() -> float:
            async with asyncio.timeout(5):
                while live.daemon.books.open_holds:
                    await asyncio.sleep(0.01)
            view = live.daemon.books.budget_view(None, live.daemon.clock.now())
            return float(view["daily"]["spent"])

        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {live._key}"}) as web:
            for path, way in ((path, way) for path in inference() for way in WAYS):
                before, bills = await spent(), len(alpha.calls) + len(beta.calls)
                body = {"model": "twins", "max_tokens": 20, **ANSWERED.get(path, {}), **way}
                async with web.post(live.url + path, json=body) as answer:
                    text = await answer.text()
                    assert (answer.status == 200) == (path in ANSWERED), (path, way, text)
                asked = len(alpha.calls) + len(beta.calls) - bills
                assert (asked > 0) == (path in ANSWERED), (path, way)
                assert await spent() - before == pytest.approx(asked * ONE), (path, way)


def inference() -> list[str]:
    """Every route with which a client can ask anything, from the front's own table."""

    from freeloader.gateway import routes

    table = routes.build(House().services())
    found = [row.path for row in table if row.method == "POST" and row.access == keys.INFERENCE]
    assert {*ANSWERED} <= {*found}
    return [path for path in found if path not in FREE]
