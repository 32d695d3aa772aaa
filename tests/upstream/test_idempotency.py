"""R8: a request that is sent again under one key is done once, whatever happens in between."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from house_kit import Fake, answers, living, refuses, resets, streams, street, whole

from freeloader.clock import Instant, SystemClock
from freeloader.gateway.once.recorder import ANSWER_BYTES_MAX

TEXT = "the-planted-answer-nobody-may-read"


class Later:
    """The machine's clocks, some hours on."""

    def __init__(self, hours: float) -> None:
        self._hours = hours

    def now(self) -> Instant:
        now = SystemClock().now()
        return Instant(now.wall + self._hours * 3600, now.mono)


def keyed(key: str) -> dict[str, Any]:
    return {"headers": {"Idempotency-Key": key}}


async def test_r8_the_first_answer_is_given_again(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        first = await live.post(**keyed("k1"))
        again = await live.post(**keyed("k1"))
        other = await live.post(**keyed("k2"))
    assert first[0] == again[0] == other[0] == 200
    assert again[2] == first[2]
    assert again[1]["idempotent-replayed"] == "true"
    assert again[1]["x-freeloader-decision-id"] == first[1]["x-freeloader-decision-id"]
    assert "idempotent-replayed" not in first[1]
    assert len(alpha.calls) == 2


async def test_r8_many_pairs_are_as_many_bills(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        for number in range(0, 60, 20):
            some = [str(n) for n in range(number, number + 20)]
            await asyncio.gather(*(live.post(**keyed(n)) for n in some))
            told = await asyncio.gather(*(live.post(**keyed(n)) for n in some))
            assert {status for status, _, _ in told} == {200}
    assert len(alpha.calls) == 60


async def test_r8_another_body_is_a_conflict_and_no_retry_helps(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        await live.post(**keyed("k"))
        status, headers, body = await live.post({"temperature": 0.5}, **keyed("k"))
        directed = {"headers": {"Idempotency-Key": "k", "X-Freeloader-Strategy": "speed-first"}}
        assert (await live.post(**directed))[0] == 409
    assert (status, body["error"]["code"]) == (409, "idempotency_conflict")
    assert headers["x-should-retry"] == "false"
    assert len(alpha.calls) == 1


async def test_r8_while_the_first_is_under_way_it_is_a_conflict_that_passes(
    tmp_path: Path,
) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        gate = asyncio.Event()

        async def waits(request: Any) -> Any:
            await gate.wait()
            return await answers(request)

        alpha.handler = waits
        first = asyncio.create_task(live.post(**keyed("k")))
        while not alpha.calls:
            await asyncio.sleep(0.01)
        status, headers, body = await live.post(**keyed("k"))
        assert (status, body["error"]["code"]) == (409, "idempotency_conflict")
        assert headers["retry-after"] == "1"
        assert "x-should-retry" not in headers
        gate.set()
        assert (await live.post(**keyed("k")))[0] in (200, 409)
        assert (await first)[0] == 200
        assert (await live.post(**keyed("k")))[2] == (await first)[2]
    assert len(alpha.calls) == 1


async def test_r8_a_stream_comes_again_as_one_burst(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        alpha.handler = streams(b"one ", b"two ", pause=0.05)
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        first = await live.post(asked, **keyed("k"))
        again = await live.post(asked, **keyed("k"))
    assert first[2].endswith("data: [DONE]\n\n")
    assert again[2] == first[2]
    assert again[1]["content-type"] == first[1]["content-type"]
    assert len(alpha.calls) == 1


async def test_r8_a_client_that_left_finds_the_answer_when_it_comes_back(tmp_path: Path) -> None:
    for stream in (False, True):
        async with street(tmp_path / str(stream), "alpha") as (live, alpha):
            gate = asyncio.Event()

            async def waits(request: Any, gate: asyncio.Event = gate) -> Any:
                await gate.wait()
                return await answers(request)

            alpha.handler = waits
            left = asyncio.create_task(live.post({"stream": stream}, **keyed("k")))
            while not alpha.calls:
                await asyncio.sleep(0.01)
            left.cancel()
            await asyncio.gather(left, return_exceptions=True)
            await asyncio.sleep(0.1)
            gate.set()
            status = 409
            for _ in range(100):
                status, _, body = await live.post({"stream": stream}, **keyed("k"))
                if status != 409:
                    break
                await asyncio.sleep(0.05)
            assert status == 200
            assert "hel" in str(body)
        assert len(alpha.calls) == 1


async def test_r8_across_a_restart_and_what_is_kept_cannot_be_read(tmp_path: Path) -> None:
    alpha = Fake("alpha")
    await alpha.start()
    home, fakes = tmp_path / "home", {"alpha": alpha.url}

    async def says(request: Any) -> Any:
        return aiohttp.web.json_response(whole(TEXT))

    alpha.handler = says
    async with living(home, fakes) as live:
        first = await live.post(**keyed("k-secret"))
    async with living(home, fakes) as live:
        again = await live.post(**keyed("k-secret"))
        assert again[0] == 200
        assert again[2] == first[2]
    kept = b"".join(path.read_bytes() for path in home.glob("journal.db*"))
    assert TEXT.encode() not in kept
    assert b"k-secret" not in kept
    assert (home / "idempotency.key").stat().st_mode & 0o077 == 0
    assert len(alpha.calls) == 1
    await alpha.stop()


async def test_r8_what_a_crash_cut_off_is_not_done_again(tmp_path: Path) -> None:
    alpha = Fake("alpha")
    await alpha.start()
    home, fakes = tmp_path / "home", {"alpha": alpha.url}
    async with living(home, fakes) as live:
        assert (await live.post(**keyed("k")))[0] == 200
    with sqlite3.connect(home / "journal.db") as conn:  # as the crash would have left it
        conn.execute("UPDATE replays SET state = 'running', answer = NULL")
    async with living(home, fakes) as live:
        status, headers, body = await live.post(**keyed("k"))
    assert (status, body["error"]["code"]) == (409, "idempotency_conflict")
    assert headers["x-should-retry"] == "false"
    assert "cut off" in body["error"]["message"]
    assert len(alpha.calls) == 1
    await alpha.stop()


async def test_r8_after_a_day_the_key_is_free(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        repeats = live.daemon.front.repeats
        await live.post(**keyed("k"))
        repeats._clock = Later(23.9)
        assert (await live.post(**keyed("k")))[1].get("idempotent-replayed") == "true"
        repeats._clock = Later(24.1)
        status, headers, _ = await live.post({"temperature": 0.1}, **keyed("k"))
        assert status == 200
        assert "idempotent-replayed" not in headers
    assert len(alpha.calls) == 2


async def test_r8_a_clock_that_jumps_makes_no_second_call_of_one_under_way(tmp_path: Path) -> None:
    """A laptop that slept for a day comes back with its clients' retries."""
    async with street(tmp_path, "alpha") as (live, alpha):
        begun, goes_on = asyncio.Event(), asyncio.Event()

        async def slow(request: Any) -> Any:
            begun.set()
            await goes_on.wait()
            return await answers(request)

        alpha.handler = slow
        first = asyncio.create_task(live.post(**keyed("k")))
        await begun.wait()
        live.daemon.front.repeats._clock = Later(25)
        alpha.handler = answers
        status, _, body = await live.post(**keyed("k"))
        other = await live.post({"temperature": 0.5}, **keyed("k"))
        goes_on.set()
        assert (await first)[0] == 200
    assert (status, body["error"]["code"]) == (409, "idempotency_conflict")
    assert "under way" in body["error"]["message"]
    assert "another request" in other[2]["error"]["message"]
    assert len(alpha.calls) == 1


async def test_r8_a_clock_that_was_years_ahead_keeps_no_key_for_years(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        repeats = live.daemon.front.repeats
        repeats._clock = Later(5 * 365 * 24)
        await live.post(**keyed("k"))
        repeats._clock = Later(0)
        assert (await live.post(**keyed("k")))[1].get("idempotent-replayed") == "true"
        repeats._clock = Later(24.1)
        status, _, _ = await live.post({"temperature": 0.1}, **keyed("k"))
    assert status == 200
    assert len(alpha.calls) == 2


async def test_r8_a_client_that_left_while_its_key_was_taken_finds_the_answer(
    tmp_path: Path,
) -> None:
    """The key was taken, and nobody did what it stood for: 409 for a day, for nothing."""
    async with street(tmp_path, "alpha") as (live, alpha):
        shelf = live.daemon.front.repeats._shelf
        taking, goes_on, take = asyncio.Event(), asyncio.Event(), shelf.take

        async def slowly(*given: Any) -> Any:
            found = await take(*given)
            taking.set()
            await goes_on.wait()
            return found

        shelf.take = slowly
        first = asyncio.create_task(live.post(**keyed("k")))
        await taking.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await asyncio.sleep(0.05)  # until the daemon has heard of it
        goes_on.set()
        shelf.take = take
        await live.daemon.tasks.drain(5)
        status, headers, _ = await live.post(**keyed("k"))
    assert (status, headers.get("idempotent-replayed")) == (200, "true")
    assert len(alpha.calls) == 1


async def test_r8_an_error_that_consumed_nothing_may_be_tried_again(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        alpha.handler = refuses(503)
        assert (await live.post(**keyed("k")))[0] == 502
        asked = len(alpha.calls)
        live.calm()
        alpha.handler = answers
        assert (await live.post(**keyed("k")))[0] == 200
    assert len(alpha.calls) == asked + 1


async def test_r8_an_error_that_may_have_been_billed_is_kept(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        alpha.handler = resets  # after the request was read: nobody knows
        first = await live.post(**keyed("k"))
        asked = len(alpha.calls)
        live.calm()
        alpha.handler = answers
        again = await live.post(**keyed("k"))
    assert first[0] == again[0] == 502
    assert again[1]["x-should-retry"] == "false"
    assert len(alpha.calls) == asked


async def test_r8_too_large_to_keep_is_given_once(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):

        async def large(request: Any) -> Any:
            return aiohttp.web.json_response(whole("x" * (ANSWER_BYTES_MAX + 1)))

        alpha.handler = large
        assert (await live.post(**keyed("k")))[0] == 200
        asked = len(alpha.calls)
        status, _, body = await live.post(**keyed("k"))
    assert status == 409
    assert "too large" in body["error"]["message"]
    assert len(alpha.calls) == asked


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
async def test_keys_that_are_none_are_refused(tmp_path: Path, key: str) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        status, _, body = await live.post(**keyed(key))
        assert (status, body["error"]["param"]) == (400, "Idempotency-Key")
    assert alpha.calls == []


async def test_r8_two_clients_may_choose_the_same_key(tmp_path: Path) -> None:
    """A key is its caller's own: nobody is given another one's answer, or told of it."""
    async with street(tmp_path, "alpha") as (live, alpha):
        made = await live.daemon.owner.keys.create_key({"role": "client"}, "test")
        theirs = {"Idempotency-Key": "k", "Authorization": f"Bearer {made['key']}"}
        first = await live.post(**keyed("k"))
        status, headers, body = await live.post({"temperature": 0.5}, headers=theirs)
        assert (await live.post(**keyed("k")))[2] == first[2]
    assert status == 200
    assert "idempotent-replayed" not in headers
    assert body["id"] or body["routing"]
    assert len(alpha.calls) == 2


@pytest.mark.parametrize("key", ["a", "x" * 255, 'odd "key", with; marks: {}'])
async def test_r8_any_printable_key_is_taken(tmp_path: Path, key: str) -> None:
    async with street(tmp_path, "alpha") as (live, alpha):
        assert (await live.post(**keyed(key)))[0] == 200
        assert (await live.post(**keyed(key)))[1]["idempotent-replayed"] == "true"
    assert len(alpha.calls) == 1
