"""Kinds of budget × action × exhaustion over HTTP that ``acceptance/test_budgets`` leaves out.

Limits of one request and of a key know no action of their own, and are hard whatever the
others' actions are; a project that is not listed has the share named ``default``.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from bank_kit import Town, town
from house_kit import answers, hangs, whole

ACTIONS = ("warn", "downgrade", "local-only", "block")
TINY = 0.0000001
PAID: dict[str, Any] = {"model": "alpha/m", "max_tokens": 50, "maxWait": 0}
FREE = {"model": "gamma/m", "max_tokens": 50}


async def acts(found: Town, action: str) -> None:
    actions = {f"on_{kind}_limit": action for kind in ("soft", "hard", "project")}
    await found.admin("POST", "/v1/config", {"budget": {"actions": actions}})


async def ask(found: Town, key: str | None = None, **body: Any) -> tuple[int, Any]:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    status, _, answer = await found.live.post(body, headers=headers)
    return status, answer


def advised(body: Any, named: str, advice: str) -> None:
    """The whole of a 402: its code, the budget, and what to do next."""
    error = body["error"]
    assert (error["code"], error["type"]) == ("budget_exceeded", "insufficient_quota")
    assert named in error["message"], error["message"]
    assert named in error["details"]["budget"]["budget"]
    assert advice in error["message"], error["message"]
    assert error["message"].endswith("or use a free model.")


async def test_limits_of_one_request_and_of_a_key_are_hard_under_every_action(
    tmp_path: Path,
) -> None:
    async with town(tmp_path, "[budget]", others=("gamma",)) as found:
        keys = {
            span: (await found.admin("POST", "/v1/keys", {"budget": {span: TINY}}))["key"]
            for span in ("daily", "monthly", "perRequest")
        }
        for action in ACTIONS:
            await acts(found, action)
            for more in ({"max_cost": TINY}, {"budget": {"perRequest": TINY}}):
                status, body = await ask(found, **PAID, **more)
                assert status == 402, (action, body)
                advised(body, "request's own", "Raise the request's own limit (max_cost)")
                assert (await ask(found, **FREE, **more))[0] == 200
            for span, key in keys.items():
                status, body = await ask(found, key, **PAID)
                assert status == 402, (action, span, body)
                named = "key's per-request" if span == "perRequest" else f"{span} budget of key"
                advised(body, named, "Use a key with a larger budget")
                assert (await ask(found, key, **FREE))[0] == 200
            await found.admin("POST", "/v1/config", {"budget": {"hard": {"per_request": TINY}}})
            status, body = await ask(found, **PAID)
            assert status == 402, (action, body)
            advised(body, "per-request", "xswarm config set budget.hard.per_request AMOUNT")
            assert (await ask(found, **FREE))[0] == 200
            await found.admin("POST", "/v1/config", {"budget": {"hard": {"per_request": None}}})
            assert (await ask(found, **PAID))[0] == 200, "and it goes on as soon as it is gone"


@pytest.mark.parametrize("span", ["daily", "monthly"])
async def test_a_project_that_is_not_listed_has_the_share_named_default(
    tmp_path: Path, span: str
) -> None:
    """Each a share of its own; who names no project is the project ``default``."""
    async with town(tmp_path, "[budget]", others=("gamma",)) as found:
        _, body = await ask(found, **PAID)
        share = body["usage"]["costUsd"] * 1.95
        for action in ACTIONS:
            await acts(found, action)
            shares = {"default": {span: share}, "rich": {span: 5}}
            await found.admin("POST", "/v1/config", {"budget": {"allocations": shares}})
            stranger = f"stranger-{action}"
            assert (await ask(found, **PAID, project=stranger))[0] == 200
            status, body = await ask(found, **PAID, project=stranger)
            assert status == 402, (action, body)
            setting = f"xswarm config set budget.allocations.{stranger}.{span} AMOUNT"
            advised(body, f"{span} budget of project {stranger}", setting)
            assert (await ask(found, **FREE, project=stranger))[0] == 200
            for other in (f"another-{action}", "rich"):
                assert (await ask(found, **PAID, project=other))[0] == 200, (action, other)
            status, body = await ask(found, **PAID)
            assert status == 402, (action, body)
            setting = f"xswarm config set budget.allocations.default.{span} AMOUNT"
            advised(body, f"{span} budget of project default", setting)


async def test_attempts_that_fall_back_are_bounded_and_so_is_what_they_cost(
    tmp_path: Path,
) -> None:
    """A provider that bills for empty answers is asked a bounded number of times, and the
    request's own limit counts what its earlier attempts have cost."""
    async with town(tmp_path, "[routing.fallback]\nmax_retries = 3") as found:
        _, body = await ask(found, **PAID)
        cost, serve = body["usage"]["costUsd"], found.bank.serve

        async def empty(request: web.Request) -> web.Response:
            answer = await serve(request)
            assert isinstance(answer, web.Response)
            usage = json.loads(answer.text or "")["usage"]
            return web.json_response(whole("", usage=usage))

        found.bank.fake.handler = empty
        (before, _), calls = await found.day(), found.bank.fake.calls
        known = len(calls)
        await ask(found, **PAID)
        assert 1 <= len(calls) - known <= 4, "one and its retries"
        spent, held = await found.day()
        assert (held, spent > before) == (0, True)
        limit = cost * 2.5
        await ask(found, **PAID, max_cost=limit)
        after, _ = await found.day()
        assert spent < after <= spent + limit + 1e-12
        assert found.bank.dollars <= after + 1e-9


async def test_the_loser_of_a_multi_cast_is_charged_and_marked_as_estimated(
    tmp_path: Path,
) -> None:
    """It was cancelled before it said what it used: its hold is what it may have cost."""
    async with town(tmp_path, "[budget]", others=("gamma",)) as found:
        found.bank.fake.handler = hangs

        async def later(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(0.5)  # the other one was asked by now
            return await answers(request)

        found.others[0].handler = later
        asked = {"model": "auto:multi-cast", "targets": 2, "max_tokens": 50}
        status, body = await ask(found, **asked)
        assert status == 200, body
        members = {one["provider"]: one for one in body["routing"]["multiCast"]["members"]}
        spent, held = await found.day()
    assert (members["gamma"]["state"], members["gamma"]["estimated"]) == ("won", False)
    assert members["gamma"]["costUsd"] == 0
    loser = members["alpha"]
    assert (loser["state"], loser["estimated"]) == ("cancelled", True)
    assert loser["costUsd"] > 50 * 2 / 1e6, "all of the output that it was allowed"
    assert (spent, held) == (pytest.approx(loser["costUsd"]), 0)
    assert body["usage"]["costUsd"] == pytest.approx(spent)
