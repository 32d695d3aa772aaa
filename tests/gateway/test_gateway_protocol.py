"""Bytes that are no request: the contract's error, and nothing of them is repeated or logged."""

from __future__ import annotations

import logging

import orjson
import pytest
from front_fakes import CLIENT, House

KEY = b"Authorization: Bearer " + CLIENT.encode() + b"\r\n"
GOOD = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n" + KEY


@pytest.mark.parametrize(
    "raw",
    [
        GOOD.replace(b"\r\n", b"\n") + b"\n",
        GOOD + b"Authorization : Bearer " + CLIENT.encode() + b"\r\n\r\n",
        GOOD + b"X-A: b\r\n folded " + CLIENT.encode() + b"\r\n\r\n",
        GOOD + b"Host: evil.example\r\n\r\n",
        GOOD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET \\" + CLIENT.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\n" + KEY + b"\r\n",
    ],
)
async def test_what_cannot_be_read_is_not_repeated(
    house: House, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    head, _, body = (await house.raw(raw)).partition(b"\r\n\r\n")
    assert b" 400 " in head.split(b"\r\n")[0]
    assert orjson.loads(body)["error"]["code"] == "invalid_request"
    assert CLIENT.encode() not in head + body
    assert CLIENT not in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_head_that_is_too_long_is_called_so(house: House) -> None:
    answer = await house.raw(GOOD + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n")
    assert b" 431 " in answer.split(b"\r\n")[0]
    assert b"aaaa" not in answer
