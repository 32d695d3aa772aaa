"""What a body may be: type, size, time, depth, count; before anything is held."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest
from front_fakes import ADMIN, CLIENT, HELLO, House, well_formed
from hypothesis import given
from hypothesis import strategies as st

from freeloader.errors import InvalidRequest
from freeloader.gateway.guards.body import MAX_DEPTH, BodyLimits, parse_object

HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
    b"Authorization: Bearer " + CLIENT.encode() + b"\r\nContent-Type: application/json\r\n"
)

JSON_BODIES = [
    (b"", "empty"),
    (b"  ", "empty"),
    (b"{", "not valid JSON"),
    (b"[]", "must be a JSON object"),
    (b"1", "must be a JSON object"),
    (b'{"temperature": NaN}', "not valid JSON"),
    (b'{"temperature": Infinity}', "not valid JSON"),
    (b'{"temperature": 1e999}', "not valid JSON"),
    (b'{"model": "\xff"}', "not valid JSON"),
    (b'{"model": "\\ud800"}', "not valid JSON"),
    (b'{"model": "a", "model": "b"}', "twice"),
    (b'{"model":"a","model":"b"}', "twice"),
    # Written again it is as long as it was: the number grows by what the lost key was.
    (b'{"a":1,"a":2,"b":1e6}', "twice"),
    (b'{"max_tokens":90000,"max_tokens":1,"t":1e5,"u":1e5,"v":1e4,"w":1e3,"x":1e1}', "twice"),
    (b'{"a": [{"b": 1, "b": 2}], "c": "x: y"}', "twice"),
    (b'{"a\\u0062": 1, "ab": 2}', "twice"),
    (b'{"a":' * 101 + b"1" + b"}" * 101, "nested deeper"),
    (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not valid JSON"),
    (b'{"a":[' + b"1," * 200_001 + b"1]}", "more than"),
    (b'{"a":[' + b",".join([b"[" * 50 + b"]" * 50] * 5_000) + b"]}", "more than"),
    (b"{" + b",".join(b'"k%d":1' % i for i in range(200_002)) + b"}", "more than"),
]


@pytest.mark.parametrize(("raw", "why"), JSON_BODIES, ids=[why for _, why in JSON_BODIES])
def test_h2_bad_json_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        parse_object(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": "b: c", "d": "\\": \\"x\\": "}',
        b' {"a" : {"a" : 1e5, "b" : "\\u00e9:"}} ',
        b'{"a":' * (MAX_DEPTH - 1) + b"{}" + b"}" * (MAX_DEPTH - 1),
        b'{"a":"' + b"x, y: z, " * 60_000 + b'"}',
    ],
)
def test_good_json_is_read(raw: bytes) -> None:
    assert parse_object(raw) == orjson.loads(raw)


@given(st.dictionaries(st.text(max_size=6), st.text(max_size=20) | st.lists(st.text(max_size=5))))
def test_what_was_written_is_read_back(value: dict[str, Any]) -> None:
    assert parse_object(orjson.dumps(value)) == value
    assert parse_object(orjson.dumps(value, option=orjson.OPT_INDENT_2)) == value


@given(
    st.text(max_size=8),
    st.text(max_size=20),
    st.lists(st.sampled_from([b"1e1", b"1e6", b"1e15", b"2.50", b"1E-9", b'"\\u0041"', b"7"])),
)
def test_h2_a_repeated_key_is_always_found(key: str, value: str, beside: list[bytes]) -> None:
    """Whatever is beside it, which may be longer or shorter when it is written again."""
    pair = orjson.dumps({key: value})[1:-1]
    others = b'"other":[' + b",".join(beside) + b"]"
    for gap in (b",", b" , "):
        with pytest.raises(InvalidRequest, match="twice"):
            parse_object(b"{" + pair + gap + others + gap + pair + b"}")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/config", "/v1/jobs/retention/run",
                                  "/v1/accounts/groq/0/test", "/v1/embeddings"])  # fmt: skip
@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/jsonx", "text/json", "application/json; charset=utf-16"],
)  # fmt: skip
async def test_h5_only_json_is_taken(path: str, kind: str, house: House) -> None:
    async with house.call("POST", path, ADMIN, data=orjson.dumps(HELLO),
                          headers={"Content-Type": kind}) as response:  # fmt: skip
        assert response.status == 415
        assert well_formed(await response.json())["code"] == "unsupported_media_type"
    assert house.owner.calls == []


@pytest.mark.parametrize("name", ["UTF-8", "utf-8", "Utf-8", "UTF8"])
async def test_json_with_a_charset_is_taken(house: House, name: str) -> None:
    """Names of charsets have no case (RFC 9110, 8.3.2)."""
    async with house.call("POST", "/v1/chat/completions", CLIENT, data=orjson.dumps(HELLO),
                          headers={"Content-Type": f"application/json; charset={name}"},
                          ) as response:  # fmt: skip
        assert response.status == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x"])
async def test_h2_encoded_bodies_are_refused(encoding: str, house: House) -> None:
    data = gzip.compress(orjson.dumps(HELLO))
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    async with house.call("POST", "/v1/chat/completions", CLIENT, data=data,
                          headers=headers) as response:  # fmt: skip
        assert response.status == 415
        well_formed(await response.json())


async def test_h2_a_declared_size_is_refused_before_it_is_sent(house: House) -> None:
    raw = await house.raw(HEAD + b"Content-Length: 999999999\r\n\r\n")
    assert b" 413 " in raw.split(b"\r\n")[0]
    assert b"body_too_large" in raw


async def test_h2_a_chunked_body_is_counted_while_it_comes(house: House) -> None:
    async def drip() -> Any:
        for _ in range(300):
            yield b"x" * 1000

    async with house.call("POST", "/v1/chat/completions", CLIENT, data=drip(),
                          headers={"Content-Type": "application/json"}) as response:  # fmt: skip
        assert response.status == 413
        error = well_formed(await response.json())
        assert (error["code"], error["details"]) == ("body_too_large", {"maxBytes": 200_000})


async def test_h1_a_body_that_stalls_is_a_408(house: House) -> None:
    await house.stop()
    house.body_limits = BodyLimits(idle_seconds=0.02, total_seconds=5)
    await house.start()
    raw = await house.raw(HEAD + b"Content-Length: 100\r\n\r\n{")
    assert b" 408 " in raw.split(b"\r\n")[0]
    assert b"request_timeout" in raw


async def test_a_wrong_key_is_told_before_the_body_is_read(house: House) -> None:
    head = HEAD.replace(CLIENT.encode(), b"nope")
    raw = await house.raw(head + b"Connection: close\r\nContent-Length: 100\r\n\r\n{")
    assert b" 401 " in raw.split(b"\r\n")[0]


async def test_h3_smuggled_requests_are_not_answered(house: House) -> None:
    for extra in (
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n{}  ",
        b"Content-Length: +4\r\n\r\n{}  ",
        b"Content-Length: \xd9\xa4\r\n\r\n{}  ",
        b"Transfer-Encoding: gzip\r\n\r\n{}",
    ):
        raw = await house.raw(HEAD + b"Connection: close\r\n" + extra)
        assert b" 200 " not in raw.split(b"\r\n")[0], extra
    assert house.pipeline.profiles == []
