"""R5: whoever leaves a paid stream, and however, the ledger has no less than the provider's bill.

The bank bills each word that it has written, whether anybody reads it or not, and tells no
usage but at the end. A client leaves after the k-th word, for every k, by closing or by a
reset; or the provider itself resets. Words are as long as the estimate takes a token to be,
so that what is counted can be compared with the bill token by token.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from bank_kit import IN, OUT, Town, town
from house_kit import piece

from freeloader.core.tokens import upper_tokens

#: One estimated token.
WORD = "a "
WORDS = 6
PLENTY = "[budget.hard]\ndaily = 5"


class Teller:
    """Speaks ``words`` words, ``pause`` s apart (0: as fast as they can be written)."""

    def __init__(self, found: Town) -> None:
        self.found, self.words, self.pause = found, WORDS, 0.03
        self.written = self.told_off = 0
        self.resets_after: int | None = None
        found.bank.fake.handler = self.serve

    async def serve(self, request: web.Request) -> web.StreamResponse:
        messages = json.loads(await request.read())["messages"]
        self.written, prompt = 0, len(json.dumps(messages)) // 4
        self.found.bank.dollars += prompt * IN / 1e6
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        try:
            await answer.prepare(request)
            for _ in range(self.words):
                if self.written == self.resets_after:
                    self.reset(request)
                await answer.write(piece(WORD))
                self.written += 1
                self.found.bank.dollars += OUT / 1e6
                await asyncio.sleep(self.pause)
            usage = {"prompt_tokens": prompt, "completion_tokens": self.written}
            last = json.dumps({"choices": [], "usage": usage}).encode()
            await answer.write(piece(None, "stop") + b"data: " + last + b"\n\ndata: [DONE]\n\n")
        except (asyncio.CancelledError, ConnectionResetError):
            self.told_off += 1
            raise
        return answer

    @staticmethod
    def reset(request: web.Request) -> None:
        assert request.transport is not None
        _reset(request.transport)
        raise ConnectionResetError


def _reset(transport: asyncio.BaseTransport) -> None:
    """Ends a connection by RST, whatever is still to be sent."""
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()  # type: ignore[attr-defined]


async def leave(found: Town, after: int | None, *, reset: bool) -> bytes:
    """Reads as many words of a stream (None: all of it), and leaves; what was read."""
    asked: dict[str, Any] = {"model": "alpha/m", "stream": True, "max_tokens": 3000}
    raw = json.dumps({**asked, "messages": [{"role": "user", "content": "hi"}]}).encode()
    port = int(found.live.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {found.live._key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    calls, got = len(found.bank.fake.calls), b""
    writer.write(head.encode() + raw)
    while b"data: [DONE]" not in got and b'"error"' not in got:
        if after is not None and got.count(b'"content":') >= after:
            break
        got += await reader.readline()
    async with asyncio.timeout(10):
        while not after and len(found.bank.fake.calls) == calls and not got:
            await asyncio.sleep(0.005)  # it has been asked, and nothing has been read of it
    if reset:
        _reset(writer.transport)
    else:
        writer.close()
    return got


async def booked(found: Town) -> float:
    """What the ledger has of the day, once nothing is held and no task is left."""
    spent, held = await found.day()
    assert held == 0
    async with asyncio.timeout(10):
        while len(found.live.daemon.tasks):
            await asyncio.sleep(0.01)
    return spent


async def left(found: Town, after: int | None, *, reset: bool = False) -> tuple[float, float]:
    """What was booked and what was billed of a stream that was left so (``leave``)."""
    before = await booked(found), found.bank.dollars
    await leave(found, after, reset=reset)
    return await booked(found) - before[0], found.bank.dollars - before[1]


def covered(spent: float, billed: float) -> bool:
    """Something was billed, and no less was booked."""
    return 0 < billed <= spent + 1e-12


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
async def test_r5_leaving_after_any_word_is_booked_as_it_is_billed(
    tmp_path: Path, reset: bool
) -> None:
    async with town(tmp_path, PLENTY) as found:
        teller = Teller(found)
        inputs = None
        for after in range(1, WORDS):
            spent, billed = await left(found, after, reset=reset)
            assert covered(spent, billed)
            assert teller.told_off == after, "the provider is told at once"
            if inputs is None:  # the prompt's estimate is the same each time
                inputs = spent - upper_tokens(teller.written * len(WORD)) * OUT / 1e6
            counted = spent - inputs
            exact = upper_tokens(teller.written * len(WORD)) * OUT / 1e6
            assert abs(counted - exact) <= 1.01 * OUT / 1e6, "within one estimated token"
        for after in (0, None):
            spent, billed = await left(found, after, reset=reset)
            assert covered(spent, billed)
            assert after == 0 or spent == pytest.approx(billed), "its own count, to the token"


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
async def test_r5_what_was_written_and_not_yet_read_is_booked_too(
    tmp_path: Path, reset: bool
) -> None:
    """A provider that has said everything before the client took its first word."""
    async with town(tmp_path, PLENTY) as found:
        teller = Teller(found)
        teller.pause, teller.words = 0, 1500
        for after in (1, 5):
            spent, billed = await left(found, after, reset=reset)
            assert covered(spent, billed)


@pytest.mark.parametrize("after", [1, 3, WORDS - 1])
async def test_r5_a_provider_that_resets_in_the_middle_is_paid_what_it_billed(
    tmp_path: Path, after: int
) -> None:
    async with town(tmp_path, PLENTY) as found:
        teller = Teller(found)
        teller.resets_after = after
        before = await booked(found), found.bank.dollars
        got = await leave(found, None, reset=False)
        assert got.count(b'"content":') == after
        assert b'"error"' in got
        assert covered(await booked(found) - before[0], found.bank.dollars - before[1])
