"""When everybody is broken, falling back does not multiply what the providers have to bear."""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path

import pytest
from aiohttp import web
from house_kit import Handler, refuses, resets, street, whole

from freeloader.gateway.retries import AT_LEAST, SHARE, WINDOW_S

ROUNDS, SIDE = 3, 20


async def empty(request: web.Request) -> web.StreamResponse:
    """An answer without a word: no fault, so nobody is left alone for it."""
    return web.json_response(whole(""))


async def test_retries_are_no_more_than_a_fifth_of_the_requests(tmp_path: Path) -> None:
    """Over HTTP, with three providers of which none is ever answering well or left alone."""
    async with street(tmp_path, "alpha", "beta", "gamma") as (live, *all_of_them):
        for one in all_of_them:
            one.handler = empty
        began, told = time.monotonic(), []
        for _ in range(ROUNDS):
            told += await asyncio.gather(*(live.post(model="twins") for _ in range(SIDE)))
        windows = 1 + math.ceil((time.monotonic() - began) / WINDOW_S)
        requests, calls = ROUNDS * SIDE, sum(len(one.calls) for one in all_of_them)
        tried = sum(int(headers["x-freeloader-attempts"]) for _, headers, _ in told)
        assert tried == calls
        assert requests < calls <= requests + SHARE * requests + AT_LEAST * windows


@pytest.mark.parametrize("fault", [refuses(500), resets], ids=["500", "reset"])
async def test_when_all_are_down_those_under_way_move_on_once_and_nobody_follows(
    tmp_path: Path, fault: Handler
) -> None:
    async with street(tmp_path, "alpha", "beta", "gamma") as (live, *all_of_them):
        for one in all_of_them:
            one.handler = fault
        told = []
        for _ in range(ROUNDS):
            told += await asyncio.gather(*(live.post(model="twins") for _ in range(SIDE)))
        assert {status for status, _, _ in told} == {502}
        calls = [len(one.calls) for one in all_of_them]
        assert max(calls) <= SIDE + 5, "all of the first round at most, then probes"


async def test_a_retry_that_is_answered_costs_nothing_of_the_budget(tmp_path: Path) -> None:
    """One of two is broken, and forgiven before each request: every request is answered."""
    async with street(tmp_path, "alpha", "beta") as (live, alpha, beta):
        alpha.handler = refuses(500)
        told = []
        for _ in range(30):
            live.calm()
            told.append(await live.post(model="twins"))
        assert {status for status, _, _ in told} == {200}
        assert len(beta.calls) == 30
        assert sum(int(headers["x-freeloader-attempts"]) for _, headers, _ in told) == len(
            alpha.calls
        ) + len(beta.calls)
