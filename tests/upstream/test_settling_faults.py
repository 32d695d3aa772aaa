"""R5–R7: clients that leave, usage that lies, prices that nobody knows: nothing goes unbooked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from house_kit import piece, street, whole

DONE = b"data: [DONE]\n\n"


async def settled(live: Any) -> None:
    async with asyncio.timeout(5):
        while live.daemon.books.open_holds:
            await asyncio.sleep(0.01)


async def test_r5_a_client_that_leaves_after_any_chunk_is_settled_and_the_provider_told(
    tmp_path: Path,
) -> None:
    """Before the first byte, after each chunk, after the last: held nothing, kept no task."""
    async with street(tmp_path, "alpha") as (live, alpha):
        closed: list[int] = []
        begun: list[int] = []

        async def counts(request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
            begun.append(1)
            try:
                await answer.prepare(request)
                for number in range(6):
                    await answer.write(piece(f"word{number} "))
                    await asyncio.sleep(0.03)
                await asyncio.sleep(0.5)
                await answer.write(piece(None, "stop") + DONE)
            except (asyncio.CancelledError, ConnectionResetError):
                closed.append(len(begun))
                raise
            return answer

        alpha.handler = counts
        headers = {"Authorization": f"Bearer {live._key}"}
        body = {
            "model": "alpha/m", "stream": True, "max_tokens": 20,
            "messages": [{"role": "user", "content": "hi"}],
        }  # fmt: skip
        for chunks in range(6):
            async with (
                aiohttp.ClientSession() as session,
                session.post(
                    f"{live.url}/v1/chat/completions", json=body, headers=headers
                ) as answer,
            ):
                seen = 0
                while chunks and seen < chunks and await answer.content.readline():
                    seen += 1
                answer.close()
            async with asyncio.timeout(1):
                while len(closed) < chunks + 1:
                    await asyncio.sleep(0.01)
            await settled(live)
        async with asyncio.timeout(2):
            while len(live.daemon.tasks):
                await asyncio.sleep(0.01)
    assert closed == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "usage",
    [
        None, {}, {"prompt_tokens": -5, "completion_tokens": 3}, {"prompt_tokens": 10**12},
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        {"prompt_tokens": "many", "completion_tokens": 2}, {"prompt_tokens": 3.5}, [], "12", 7,
    ],
)  # fmt: skip
async def test_r6_usage_that_is_missing_or_absurd_is_estimated_and_said(
    tmp_path: Path, usage: Any
) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        for stream in (False, True):

            async def lies(request: web.Request, stream: bool = stream) -> web.StreamResponse:
                if not stream:
                    return web.json_response(whole("some words", usage=usage))
                answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
                await answer.prepare(request)
                last = {"choices": [], "usage": usage}
                await answer.write(piece("some words") + piece(None, "stop"))
                await answer.write(b"data: " + json.dumps(last).encode() + b"\n\n" + DONE)
                return answer

            alpha.handler = lies
            asked = {"stream": stream, "max_tokens": 50}
            if stream:
                asked["stream_options"] = {"include_usage": True}
            status, _, body = await live.post(asked, model="alpha/m")
            assert status == 200, body
            if stream:
                lines = [line for line in body.splitlines() if '"usage"' in line]
                told = json.loads(lines[-1].removeprefix("data: "))["usage"]
            else:
                told = body["usage"]
            assert told["estimated"] is True
            assert told["tokensOut"] > 0, "never nothing"
        await settled(live)


async def test_r6_usage_that_is_told_twice_counts_once_and_the_last_one(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):

        async def twice(request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await answer.prepare(request)
            await answer.write(piece("some words"))
            for count in (1, 4):
                usage = {"prompt_tokens": 3, "completion_tokens": count}
                chunk = json.dumps({"choices": [], "usage": usage}).encode()
                await answer.write(b"data: " + chunk + b"\n\n")
            await answer.write(piece(None, "stop") + DONE)
            return answer

        alpha.handler = twice
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        _, _, body = await live.post(asked, model="alpha/m")
        told = [line for line in body.splitlines() if '"usage":{' in line]
        usage = json.loads(told[-1].removeprefix("data: "))["usage"]
    assert (usage["tokensIn"], usage["tokensOut"], usage["estimated"]) == (3, 4, False)


async def test_r7_a_paid_model_without_a_price_is_not_asked_under_a_hard_budget(
    tmp_path: Path,
) -> None:
    async with street(tmp_path, "alpha", XSWARM_BUDGET__HARD__DAILY="5") as (live, alpha):
        change = {"tier": "paid"}
        await live.daemon.owner.accounts.change_account("alpha", 1, change, "test")
        status, _, body = await live.post(model="alpha/m")
    assert status == 402, body
    assert body["error"]["code"] == "price_unknown"
    assert alpha.calls == []
