"""Hostile requests (H2, H3, H6, H8, H9): framing, paths, sizes, names; no key is gone round.

Each case is raw bytes over a bare socket; all that the front says to them is read.
"""

from __future__ import annotations

import asyncio
import logging
import re
import tracemalloc
from typing import Any

import orjson
import pytest
from aiohttp import hdrs
from front_fakes import ADMIN, CLIENT, HELLO, House, well_formed

from freeloader.errors import InvalidRequest, Unavailable
from freeloader.gateway import routes as nouns
from freeloader.gateway.guards.body import BodyLimits, parse_object

TABLE = nouns.build(House().services())
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


@pytest.fixture
async def house():
    """The front, with little patience for bodies."""
    one = House()
    one.body_limits = BodyLimits(idle_seconds=0.1, total_seconds=5)
    await one.start()
    yield one
    await one.stop()


async def statuses(house: House, raw: bytes) -> tuple[list[int], bytes]:
    """All answers to ``raw``, which is all that ever comes; and the bytes of them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    answer = b""
    try:
        writer.write(raw)
        while piece := await asyncio.wait_for(reader.read(65_536), 20 if not answer else 0.1):
            answer += piece
    except TimeoutError:
        assert answer, raw  # it keeps the connection for more requests: that is all it says
    finally:
        writer.close()
    return [int(found) for found in _STATUS.findall(answer)], answer


# ── H3: the path that is authorised is the path that is routed ───────────────────

GUARDED = (b"/v1/config", b"/v1/accounts", b"/v1/keys", b"/v1/models", b"/v1/decisions")
DISGUISES = (
    b"%s", b"/%s", b"//health/..%s", b"/.%s", b"/health/..%s", b"/health/%%2e%%2e%s",
    b"/health%%2f..%s", b"/health;%s", b"/health?/..%s", b"/health/%%2E%%2e%%2f%s",
    b"/ready/../health/..%s", b"/%%2e%s", b"/%%2e/%%2e%s",
    b"%s/", b"%s/.", b"%s/..", b"%s/%%2e%%2e",
    b"%s%%00", b"%s%%20", b"%s;x=/health", b"%s?/health", b"%s?x=%%2fhealth", b"%s#/health",
    b"%s%%23/health", b"%s%%3f/health", b"%s%%0d%%0aX-A:%%20b", b"%s/health", b"%s//health",
    b"http://localhost%s", b"http://localhost/health/..%s", b"http://localhost@evil.example%s",
    b"https://evil.example%s", b"localhost:80%s", b"*%s", b"\\%s", b"%s\\..\\health",
    b"/health\xc0\xae\xc0\xae%s", b"/%%ef%%bc%%8f%s", b"%s%%c0%%af", b"%s\xef\xbc\x8fhealth",
)  # fmt: skip
PATHS = [shape % path for path in GUARDED for shape in DISGUISES]


async def test_h3_no_disguise_of_a_path_goes_round_the_key(house: House) -> None:
    assert len(PATHS) == 200
    for path in PATHS:
        raw = b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        found, answer = await statuses(house, raw)
        assert len(found) == 1, (path, answer)
        public = path.startswith((b"/health?", b"/health#")) and answer.endswith(b'"ok"}')
        assert public or found[0] in (400, 401, 403, 404), (path, answer)
    assert house.owner.calls == []


BODY = orjson.dumps(HELLO)
#: What a front that believes the other length would take for a request of its own.
HIDDEN = b"GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nx-api-key: " + ADMIN.encode() + b"\r\n\r\n"
FRAMINGS = [
    *(b"Content-Length: " + value for value in (
        b"+%d", b"-%d", b"0x%x", b"%d,%d", b"%d, %d", b"%d %d", b"%d_0", b"%d;", b"%d.0", b"%de0",
        b"", b" ", b"\xd9\xa4", b"\xef\xbc\x94", b"%d\x00", b"\x0b%d", b"1" * 400, b"%d%%",
        b"0%%d", b"NaN",
    )),
    *(b"Content-Length: %d\r\nTransfer-Encoding:" + value for value in (
        b" chunked", b"chunked", b" Chunked", b" chunked, chunked", b" identity", b" xchunked",
        b" chunked;q=1", b" gzip, chunked", b"\tchunked", b" \x0bchunked", b" chu\x00nked",
    )),
    *(b"Transfer-Encoding: " + value for value in (
        b"xchunked", b"chunked, identity", b"gzip", b"\xff", b"chunked\x0b", b"chunked chunked",
    )),
    b"Content-Length: %d\r\nContent-Length: 0", b"Content-Length: 0\r\nContent-Length: %d",
    b"Content-Length : %d", b" Content-Length: %d", b"Content-Length\t: %d",
    b"Content\x00-Length: %d", b"X: y\r\n Content-Length: %d", b"X: y\nTransfer-Encoding: chunked",
    b"X\r: y\r\nContent-Length: %d", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
]  # fmt: skip


def framed(framing: bytes) -> bytes:
    """A good request in every other way, with the hidden one behind it."""
    said = framing.replace(b"%d", b"%d" % len(BODY)).replace(b"%x", b"%x" % len(BODY))
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
    head += CLIENT.encode() + b"\r\nContent-Type: application/json\r\n" + said + b"\r\n\r\n"
    return head + BODY + HIDDEN


async def test_h3_two_readings_of_a_length_are_no_reading(house: House) -> None:
    for framing in FRAMINGS:
        found, answer = await statuses(house, framed(framing))
        assert found, framing
        assert all(400 <= status < 500 for status in found), (framing, answer)
        assert ADMIN.encode() not in answer
    assert house.owner.calls == []
    assert house.pipeline.profiles == []


# ── H2: sizes that lie ───────────────────────────────────────────────────────────

CHUNKS = [
    b"FFFFFFFFFFFFFFFF\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"-1\r\nx\r\n", b"+1\r\nx\r\n",
    b"0x1\r\nx\r\n", b"1_0\r\nx\r\n", b"\xd9\xa1\r\nx\r\n", b"1;" + b"a" * 20_000 + b"\r\nx\r\n",
    b" 1\r\nx\r\n", b"1\nx\n0\n\n", b"\r\n", b"1\r\nxx\r\n0\r\n\r\n", b"g\r\n",
]  # fmt: skip


@pytest.mark.parametrize("chunk", CHUNKS)
async def test_h2_a_chunk_that_lies_is_no_request(house: House, chunk: bytes) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
    head += CLIENT.encode() + b"\r\nContent-Type: application/json\r\n"
    found, _ = await statuses(house, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
    assert all(400 <= status < 500 for status in found)
    assert house.pipeline.profiles == []


async def test_h2_a_length_that_lies_harms_only_its_sender(house: House) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
    head += CLIENT.encode() + b"\r\nContent-Type: application/json\r\nContent-Length: "
    too_short, _ = await statuses(house, head + b"5\r\n\r\n" + BODY)
    assert 200 not in too_short
    too_long, _ = await statuses(house, head + b"%d\r\n\r\n" % (len(BODY) + 9) + BODY)
    assert 200 not in too_long
    assert house.pipeline.profiles == []
    assert (await house.ask(HELLO))[0] == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"{" + b",".join(b'"k%d":0' % n for n in range(1_000_000)) + b"}",
        b'{"a":[' + b"{}," * 1_000_000 + b"{}]}",
        b'{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}",
        b'{"a":' + b'{"b":' * 10**5 + b"1" + b"}" * 10**5 + b"}",
    ],
    ids=["10^6 keys", "10^6 objects", "10^5 lists deep", "10^5 objects deep"],
)
def test_h2_what_would_be_large_is_refused_while_it_is_small(raw: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest):
            parse_object(raw)
        assert tracemalloc.get_traced_memory()[1] < max(3 * len(raw), 16 << 20)
    finally:
        tracemalloc.stop()


async def test_h2_a_long_string_is_only_long(house: House) -> None:
    body = {**HELLO, "messages": [{"role": "user", "content": "e" * 150_000}]}
    assert (await house.ask(body))[0] == 200
    assert (await house.ask({**HELLO, "model": "m" * 50_000}))[0] == 400


# ── H6: what the table does not list ─────────────────────────────────────────────


async def test_h6_the_application_holds_no_route_beside_the_table(house: House) -> None:
    assert house.running is not None
    table = {(row.method, re.sub(r":[^}]*", "", row.path)) for row in TABLE}
    for route in house.running.routes():
        path = route.resource.canonical if route.resource is not None else ""
        method = hdrs.METH_GET if route.method == hdrs.METH_HEAD else route.method
        assert (method, path) in table


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "QUERY"])
async def test_h6_another_method_is_no_way_round_the_key(house: House, method: str) -> None:
    for path in (b"/v1/config", b"/v1/keys", b"/v1/accounts/groq/1", b"/metrics", b"/openapi.json"):
        raw = method.encode() + b" " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        found, _ = await statuses(house, raw)
        assert found[0] in (400, 401), (method, path)
    assert house.owner.calls == []


# ── H8: names that want to be something else ─────────────────────────────────────

EVIL = [
    "x' OR '1'='1", "x'; DROP TABLE decisions; --", "%", "_%", "a\x00b", "a\r\nX-Evil: 1",
    "\x1b[31mred\x1b[0m", "\u2028INFO root all well", "\u202egnp.exe", "..\\..\\etc",
    "\ud83d\ude00",
]  # fmt: skip


@pytest.mark.parametrize("evil", EVIL)
async def test_h8_a_name_stays_a_name(
    house: House, evil: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for body in (
        {**HELLO, "model": evil},
        {**HELLO, "user": evil},
        {**HELLO, "project": evil},
        {**HELLO, "session": evil},
        {**HELLO, "metadata": {"taskType": evil, evil: evil}},
    ):
        status, _, headers = await house.ask(body)
        assert status in (200, 400, 404), body
        assert "X-Evil" not in headers
        assert all("\x1b" not in value and "\x00" not in value for value in headers.values())


@pytest.mark.parametrize("name", ["X-Request-Id", "X-Freeloader-Session", "X-Freeloader-Project",
                                  "Idempotency-Key", "User-Agent"])  # fmt: skip
async def test_h8_a_header_forges_no_line_of_the_log(
    house: House, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += b"Authorization: Bearer " + CLIENT.encode() + b"\r\nContent-Type: application/json\r\n"
    evil = b"a\x1b[2K%0d%0aERROR root broken \xff\xe2\x80\xae"
    raw = head + name.encode() + b": " + evil + b"\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
    _, answer = await statuses(house, raw)
    assert b"\x1b" not in answer
    assert "\x1b" not in caplog.text
    assert "broken" not in caplog.text


@pytest.mark.parametrize("name", ["Via", "Cookie", "X-Forwarded-For", "X-Freeloader-Session",
                                  "X-Request-Id", "Accept", "traceparent"])  # fmt: skip
async def test_h3_a_header_that_comes_twice_breaks_nothing(house: House, name: str) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += b"Authorization: Bearer " + CLIENT.encode() + b"\r\nContent-Type: application/json\r\n"
    for pair in ((name, name), (name, name.upper())):
        twice = "".join(f"{one}: {number}\r\n" for number, one in enumerate(pair)).encode()
        found, _ = await statuses(
            house, head + twice + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
        )
        assert found == [200]
        assert house.pipeline.profiles[-1].headers.get(name.lower(), "1") == "1"
        assert "authorization" not in house.pipeline.profiles[-1].headers


# ── H9: too much of it ───────────────────────────────────────────────────────────


async def test_h9_what_is_too_much_is_shed_and_the_owner_still_gets_in(house: House) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise Unavailable("1024 requests are in flight. Try again in a moment.",
                          code="overloaded", retry_after=1.0)  # fmt: skip

    house.pipeline.begin = full  # type: ignore[method-assign]
    shed = await asyncio.gather(*(house.ask(HELLO) for _ in range(50)))
    for status, body, headers in shed:
        assert status == 503
        assert well_formed(body)["code"] == "overloaded"
        assert int(headers["Retry-After"]) >= 1
    for path in ("/health", "/v1/health", "/v1/config", "/v1/accounts", "/metrics"):
        async with house.call("GET", path, ADMIN) as response:
            assert response.status == 200, path
