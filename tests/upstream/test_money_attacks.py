"""As an attacker on money: whatever a client writes and a provider tells, the limit holds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from bank_kit import IN, LIMIT, town

from freeloader.settings import Home

TRICKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "many answers": {"n": 100, "max_tokens": 40},
    "best of": {"n": 1, "best_of": 100, "max_tokens": 40},
    "huge bound": {"max_tokens": 30_000},
    "absurd bound": {"max_tokens": 10**9},
    "the larger of two bounds": {"max_tokens": 1, "max_completion_tokens": 8000},
    "the smaller of two bounds": {"max_tokens": 8000, "max_completion_tokens": 1},
    "a dearer tier": {"service_tier": "priority", "max_tokens": 500},
    "flex": {"service_tier": "flex", "max_tokens": 500},
    "tools": {"max_tokens": 500, "tools": [{"type": "function", "function": {
        "name": f"f{n}", "description": "word " * 200, "parameters": {"type": "object"}}}
        for n in range(8)]},
    "a stream without usage": {"stream": True, "max_tokens": 500},
    "a stream with usage off": {"stream": True, "max_tokens": 500,
                                "stream_options": {"include_usage": False}},
    "a limit of its own far above": {"max_cost": 1000, "budget": {"perRequest": 1000}},
    "small ones at the edge": {"max_tokens": 1},
}  # fmt: skip


#: No request at all, whatever the limit is.
REFUSED = ("absurd bound", "the larger of two bounds", "the smaller of two bounds")


@pytest.mark.parametrize("trick", TRICKS)
async def test_no_request_gets_more_than_the_limit(tmp_path: Path, trick: str) -> None:
    async with town(tmp_path) as found:
        statuses = await found.attack(TRICKS[trick])
        spent, held = await found.day()
    assert held == 0
    if trick in REFUSED:
        assert set(statuses) == {400}
    else:
        assert 200 in statuses
        assert set(statuses) <= {200, 402, 429}, statuses
    assert found.bank.dollars <= spent + 1e-9, "everything billed is in the ledger"
    assert spent <= LIMIT


LIES: dict[str, Any] = {
    "negative": lambda u: {**u, "prompt_tokens": -(10**6), "completion_tokens": -(10**6)},
    "fractions": lambda u: {"prompt_tokens": 0.5, "completion_tokens": 0.5, "total_tokens": 1.0},
    "nothing": lambda u: None,
    "zeros": lambda u: {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    "words": lambda u: {"prompt_tokens": "1", "completion_tokens": "1"},
    "all of it cached": lambda u: {**u, "prompt_tokens_details": {"cached_tokens": 10**9}},
    "negative cached": lambda u: {**u, "prompt_tokens_details": {"cached_tokens": -(10**9)}},
}


@pytest.mark.parametrize("lie", LIES)
async def test_no_lie_of_a_provider_makes_a_call_free(tmp_path: Path, lie: str) -> None:
    async with town(tmp_path) as found:
        found.bank.tell = LIES[lie]
        last = 0.0
        for stream in (False, True):
            await found.attack({"max_tokens": 500, "stream": stream}, times=4)
            spent, held = await found.day()
            assert held == 0
            assert last < spent <= LIMIT
            assert found.bank.dollars <= spent + 1e-9
            last = spent
        await found.attack({"max_tokens": 500}, times=12)
        assert (await found.day())[0] <= LIMIT


async def test_no_number_of_its_own_opens_a_request_to_more(tmp_path: Path) -> None:
    """A limit that is none is refused; none of them is read as no limit."""
    numbers = ("-1", "-0.0", "0", "1e-30", "NaN", "Infinity", "1e400", "true", '"much"', "[]")
    async with town(tmp_path) as found:
        key = Home(tmp_path).client_key.read_text().strip()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        address = f"{found.live.url}/v1/chat/completions"
        hi = '{"model":"alpha/m","messages":[{"role":"user","content":"hi"}]'
        async with aiohttp.ClientSession(headers=headers) as session:
            for number in numbers:
                for more, header in (
                    (f',"max_cost":{number}', None),
                    (f',"budget":{{"perRequest":{number}}}', None),
                    (f',"freeloader":{{"maxCost":{number}}}', None),
                    ("", {"X-Freeloader-Max-Cost": number}),
                ):
                    said = hi + more + "}"
                    async with session.post(address, data=said, headers=header) as answer:
                        assert answer.status in (400, 402), (said, await answer.text())
    assert found.bank.fake.calls == []


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens", "n"])
async def test_no_bound_that_is_none_is_sent(tmp_path: Path, field: str) -> None:
    async with town(tmp_path) as found:
        for value in (0, -5, 1.5, "100", True, [], -(10**30)):
            status, _, body = await found.live.post({"model": "alpha/m", field: value})
            assert status == 400, (value, body)
        assert found.bank.fake.calls == []
        await found.live.post({"model": "alpha/m", field: 10**30})
        spent, _ = await found.day()
    assert found.bank.dollars <= spent <= LIMIT


async def test_a_key_of_its_own_does_not_make_a_second_answer_or_a_free_one(
    tmp_path: Path,
) -> None:
    async with town(tmp_path) as found:
        headers = {"Idempotency-Key": "again"}
        asked = {"model": "alpha/m", "max_tokens": 300}
        some = await asyncio.gather(*(found.live.post(asked, headers=headers) for _ in range(6)))
        some += [await found.live.post(asked, headers=headers) for _ in range(3)]
        spent, _ = await found.day()
    assert {status for status, _, _ in some} <= {200, 409}
    assert len(found.bank.fake.calls) == 1
    assert found.bank.dollars == pytest.approx(spent)


async def test_leaving_in_the_middle_costs_what_was_used(tmp_path: Path) -> None:
    async with town(tmp_path) as found:
        key = Home(tmp_path).client_key.read_text().strip()
        body = {"model": "alpha/m", "stream": True, "max_tokens": 400,
                "messages": [{"role": "user", "content": "hi"}]}  # fmt: skip

        async def leaves() -> None:
            headers = {"Authorization": f"Bearer {key}"}
            async with (
                aiohttp.ClientSession() as session,
                session.post(
                    f"{found.live.url}/v1/chat/completions", json=body, headers=headers
                ) as answer,
            ):
                await answer.content.readline()
                answer.close()

        for _ in range(8):
            await asyncio.gather(*(leaves() for _ in range(4)))
        spent, held = await found.day()
    assert held == 0
    assert found.bank.dollars <= spent + 1e-9
    assert spent <= LIMIT


async def test_limits_that_change_under_a_rush_hold_from_the_next_request_on(
    tmp_path: Path,
) -> None:
    async with town(tmp_path) as found:

        async def change() -> None:
            for number in range(8):
                daily = (0.002, LIMIT)[number % 2]
                await found.admin("POST", "/v1/config", {"budget": {"hard": {"daily": daily}}})

        rush = [found.attack({"max_tokens": 100}, times=20) for _ in range(3)]
        await asyncio.gather(change(), *rush)
        spent, held = await found.day()
        assert (held, spent <= LIMIT) == (0, True)
        assert found.bank.dollars <= spent + 1e-9
        await found.admin("POST", "/v1/config", {"budget": {"hard": {"daily": spent / 2}}})
        assert set(await found.attack({"max_tokens": 1})) == {402}


async def test_whatever_text_reaches_the_provider_is_in_the_hold(tmp_path: Path) -> None:
    """Text hidden in any field is either held for or not sent."""
    words = "word " * 5000
    call = {"name": "f", "arguments": words}
    turn = {"role": "assistant", "content": "a"}
    hi = {"role": "user", "content": "hi"}
    carriers: list[dict[str, Any]] = [
        {"functions": [{"name": "f", "description": words, "parameters": {}}]},
        {"tools": [{"type": "function", "function": {"name": "f", "description": words}}]},
        {"response_format": {"type": "json_schema", "json_schema": {
            "name": "x", "schema": {"type": "object", "description": words}}}},
        {"prediction": {"type": "content", "content": words}},
        {"messages": [hi, {**turn, "refusal": words}, hi]},
        {"messages": [hi, {**turn, "function_call": call}, hi]},
        {"messages": [hi, {**turn, "reasoning_content": words}, hi]},
        {"messages": [hi, {**turn, "somethingElse": words}, hi]},
        {"messages": [hi, {**turn, "tool_calls": [
            {"id": "1", "type": "function", "function": call}]},
            {"role": "tool", "tool_call_id": "1", "content": words}]},
    ]  # fmt: skip
    async with town(tmp_path, "[budget]") as found:
        for more in carriers:
            body = {"model": "alpha/m", "max_tokens": 1, "messages": [hi], **more}
            plan = await found.admin("POST", "/v1/router/debug", body)
            known = len(found.bank.fake.calls)
            await found.live.post(body)
            sent = sum(str(one).count("word") for one in found.bank.fake.calls[known:][:1])
            assert plan["winner"]["holdUsd"] >= sent * IN / 1e6, list(more)
        assert len(found.bank.fake.calls) >= len(carriers)
