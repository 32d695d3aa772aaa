"""U1–U7 against a whole daemon: what a provider's fault costs the client, and what is booked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from house_kit import (
    Handler,
    answers,
    hangs,
    piece,
    raw,
    refuses,
    resets,
    streams,
    street,
)

from freeloader.clock import Instant, SystemClock

DONE = b"data: [DONE]\n\n"


async def settled(live: Any) -> None:
    """Nothing is held any more."""
    async with asyncio.timeout(5):
        while live.daemon.books.open_holds:
            await asyncio.sleep(0.01)


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[tuple[Any, ...]]:
    async with street(tmp_path, "alpha", "beta", "gamma") as here:
        yield here


@pytest.mark.parametrize("fault", [resets, hangs, refuses(500), refuses(429), raw(b"\x16\x03")])
async def test_u1_one_of_three_providers_is_broken_all_the_time(
    three: tuple[Any, ...], fault: Handler
) -> None:
    """Nobody notices but the first ones: the others answer, and retries are few."""
    live, alpha, beta, gamma = three
    alpha.handler = fault
    told = []
    for _ in range(6):
        told += await asyncio.gather(*(live.post(model="twins") for _ in range(10)))
    assert {status for status, _, _ in told} == {200}
    assert len(beta.calls) + len(gamma.calls) == 60
    assert len(alpha.calls) <= 10 + 5, "the first ten at once, then it is left alone"
    await settled(live)


async def test_u1_a_provider_that_is_not_there(three: tuple[Any, ...]) -> None:
    live, alpha, _beta, _gamma = three
    await alpha.stop()
    began = time.monotonic()
    told = [await live.post(model="twins") for _ in range(20)]
    assert {status for status, _, _ in told} == {200}
    attempts = [int(headers["x-freeloader-attempts"]) for _, headers, _ in told]
    assert sum(attempts) - 20 <= 6, "five in a row, then nobody is sent there"
    assert attempts[-1] == 1
    assert time.monotonic() - began < 15
    await settled(live)


@pytest.mark.parametrize("stream", [False, True])
async def test_u2_a_hang_ends_at_the_first_byte_limit_and_is_settled(
    tmp_path: Path, stream: bool
) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        alpha.handler = hangs
        status, _, body = await live.post({"stream": stream, "max_tokens": 5}, model="alpha/m")
        assert status == 504, body
        assert body["error"]["code"] == "upstream_timeout"
        assert body["error"]["details"]["attempts"][0]["latencyMs"] < 1_500 + 500
        await settled(live)


async def test_u3_waits_that_a_provider_states_are_kept_within_reason(tmp_path: Path) -> None:
    for stated in ("30", "-5", "99999999999", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"):
        async with street(tmp_path / str(abs(hash(stated))), "alpha") as (live, alpha):
            alpha.handler = refuses(429, None, **{"retry-after": stated})
            first = await live.post(model="alpha/m")
            asked = len(alpha.calls)
            more = await asyncio.gather(*(live.post(model="alpha/m", maxWait=0) for _ in range(10)))
            assert first[0] == 429, stated
            assert {status for status, _, _ in more} == {429}
            if (
                stated[0] not in "-W"
            ):  # a wait that is over is no wait: there the retries' bound holds
                assert len(alpha.calls) == asked, f"nothing goes to a key that rests ({stated})"
            assert len(alpha.calls) <= asked + 10
            await settled(live)


async def test_u3_an_error_in_a_success_is_an_error(three: tuple[Any, ...]) -> None:
    live, alpha, *_ = three

    async def lies(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "overloaded", "code": 529}})

    alpha.handler = lies
    status, headers, _ = await live.post(model="twins")
    assert status == 200
    assert headers["x-freeloader-provider"] != "alpha"
    await settled(live)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        DONE,
        b": only comments\n\n" * 10,
        b"data: {broken\n\n" + DONE,
        b"data: " + b"x" * (10 * 1024 * 1024) + b"\n\n",
        b'data: {"choices": 5}\n\n' + DONE,
    ],
)
async def test_u5_a_stream_of_nothing_is_answered_by_another_provider(
    three: tuple[Any, ...], body: bytes
) -> None:
    live, alpha, *_ = three
    alpha.handler = raw(body)
    status, headers, text = await live.post({"stream": True}, model="twins")
    assert status == 200
    assert headers["x-freeloader-provider"] != "alpha"
    assert text.endswith("data: [DONE]\n\n")
    await settled(live)


async def test_u5_a_stream_cut_anywhere_is_the_same_text(tmp_path: Path) -> None:
    whole = piece("h\u00e9llo \u6f22") + b": c\r\n\r\n" + piece(" w\u00f6rld", "stop") + DONE + DONE
    async with street(tmp_path, "alpha") as (live, alpha):
        for parts in ([whole], [whole[n : n + 1] for n in range(len(whole))]):
            alpha.handler = raw(*parts)
            status, _, text = await live.post({"stream": True}, model="alpha/m")
            assert status == 200
            chunks = [json.loads(line[6:]) for line in text.splitlines() if line[:7] == "data: {"]
            said = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks)
            assert said == "h\u00e9llo \u6f22 w\u00f6rld"
            assert text.count("[DONE]") == 1
        await settled(live)


@pytest.mark.parametrize(
    "end",
    [b"", b'data: {"error": {"message": "boom"}}\n\n', b"data: " + b"y" * (9 * 1024 * 1024)],
)
async def test_u6_after_the_first_token_nobody_else_goes_on(
    three: tuple[Any, ...], end: bytes
) -> None:
    live, alpha, beta, gamma = three
    alpha.handler = streams(b"once ", b"upon", end=end)
    status, headers, text = await live.post({"stream": True}, model="twins")
    assert status == 200
    assert headers["x-freeloader-provider"] == "alpha"
    last = [line for line in text.splitlines() if line.startswith("data: ")][-1]
    assert json.loads(last[6:])["error"]["code"] == "upstream_failed"
    assert "[DONE]" not in text
    assert beta.calls == gamma.calls == []
    await settled(live)


async def test_u6_a_gap_in_the_middle_ends_at_the_gaps_limit(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        alpha.handler = streams(b"once ", b"upon", pause=3.0)
        began = time.monotonic()
        _, _, text = await live.post({"stream": True}, model="alpha/m")
        assert "upstream_timeout" in text
        assert time.monotonic() - began < 2.5
        await settled(live)


async def test_u7_redirects_are_not_followed_and_no_key_goes_elsewhere(
    three: tuple[Any, ...],
) -> None:
    live, alpha, beta, gamma = three

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(f"{gamma.url}/chat/completions")

    alpha.handler = elsewhere
    for _ in range(5):
        assert (await live.post(model="twins"))[0] == 200
    for fake in (alpha, beta, gamma):
        own = {headers.get("Authorization") for headers in fake.headers}
        assert own <= {f"Bearer key-{fake.name}"}


async def test_u7_nothing_in_a_body_steers_the_call(three: tuple[Any, ...]) -> None:
    live, alpha, beta, gamma = three
    steering: list[dict[str, Any]] = [
        {"api_base": gamma.url}, {"base_url": gamma.url}, {"api_key": "sk-mine"},
        {"user_config": {"api_base": gamma.url}}, {"extra_headers": {"Authorization": "x"}},
        {"custom_llm_provider": "openai"}, {"extra_body": {"base_url": gamma.url}},
        {"metadata": {"api_base": gamma.url}}, {"proxy": gamma.url}, {"timeout": 1},
    ]  # fmt: skip
    for more in steering:
        status, _, body = await live.post(more, model="alpha/m")
        assert status in (200, 400), body
    assert gamma.calls == beta.calls == []
    for sent in alpha.calls:
        assert sent.keys() <= {"model", "messages", "stream", "stream_options"}
    assert {h["Authorization"] for h in alpha.headers} == {"Bearer key-alpha"}


class Slept:
    """The machine's clocks; ``away`` seconds were slept through."""

    def __init__(self) -> None:
        self.away = 0.0

    def now(self) -> Instant:
        now = SystemClock().now()
        return Instant(now.wall + self.away, now.mono)


async def test_a_sleep_opens_no_breaker(tmp_path: Path) -> None:
    """Faults of calls that the machine slept through say nothing of the provider."""
    clock = Slept()
    async with street(tmp_path, "alpha", clock=clock) as (live, alpha):

        async def sleeps(request: web.Request) -> web.StreamResponse:
            clock.away += 3600.0
            return await resets(request)

        alpha.handler = sleeps
        for _ in range(8):
            await live.post(model="alpha/m")
        alpha.handler = answers
        assert (await live.post(model="alpha/m"))[0] == 200
        alpha.handler = resets
        for _ in range(8):
            await live.post(model="alpha/m")
        asked = len(alpha.calls)
        assert (await live.post(model="alpha/m", maxWait=0))[0] == 502
        assert len(alpha.calls) == asked, "awake, the same faults do open it"
