"""U5 and R6 against a whole daemon that pays: whatever a provider sends, the client gets an end,
nothing stays held, and the ledger has what was told, or more where it cannot be believed.

The tables are run one after the other against one daemon: also what came before may not harm.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web
from bank_kit import IN, OUT, Town, town
from house_kit import Handler, piece, raw, refuses, street, whole

DONE = b"data: [DONE]\n\n"
MOST = 50


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def usage(prompt: Any, completion: Any) -> bytes:
    return event(
        {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}}
    )


def called(arguments: str, **more: Any) -> bytes:
    call = {"index": 0, "function": {"arguments": arguments, **more}}
    return event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})


def words(counts: list[int]) -> bytes:
    """A chunk of text for each of the counts, which it tells as the output so far."""
    return b"".join(
        event({"choices": [{"index": 0, "delta": {"content": "word "}}],
               "usage": {"prompt_tokens": 3, "completion_tokens": count}})
        for count in counts
    )  # fmt: skip


TEXT = piece("hello ") + piece("world")
END = piece(None, "stop")
TOLD = usage(3, 2)
LAST = END + TOLD + DONE
GOOD = TEXT + LAST
HELLO = "hello world"


class Row(NamedTuple):
    """What is sent; the text that comes of it; how it ends; what is booked: ``told``, or more."""

    body: bytes
    text: str = HELLO
    end: str = "done"
    booked: str = "told"


def broken(body: bytes, text: str = HELLO) -> Row:
    """After its first word it breaks."""
    return Row(body, text, "error", "more")


def nothing(body: bytes) -> Row:
    """Nobody can make anything of it: an HTTP error."""
    return Row(body, "", "refused", "more")


STREAMS = {
    "as it should be": Row(GOOD),
    # the form
    "CRLF": Row(GOOD.replace(b"\n", b"\r\n")),
    "CR alone": Row(GOOD.replace(b"\n", b"\r")),
    "all line ends": Row(TEXT.replace(b"\n", b"\r\n") + END.replace(b"\n", b"\r") + TOLD + DONE),
    "a byte-order mark": Row(b"\xef\xbb\xbf" + GOOD),
    "no space after the colon": Row(GOOD.replace(b"data: ", b"data:")),
    "data of many lines": Row(TEXT.replace(b', "', b',\ndata: "') + LAST),
    "other fields": Row(b"retry: 5\nid: 1\nevent: message\nfoo: bar\nretry\n" + GOOD),
    "empty data": Row(b"data:\n\ndata: \n\n" + TEXT + b"data\n\n" + LAST),
    "comments": Row(b": hi\n\n" + TEXT + b":\n\n: still here\r\n\r\n" + LAST),
    "NUL between": Row(b"\0\0\n" + TEXT + b"\0\n" + LAST),
    "NUL in a text": Row(piece("hello \0") + piece("world") + LAST, "hello \0world"),
    "no [DONE]": Row(TEXT + END + TOLD),
    "two [DONE]": Row(GOOD + DONE),
    "more behind [DONE]": Row(GOOD + piece("never") + usage(9, 900) + b"\0data: {"),
    "no last empty line": Row(GOOD.rstrip()),
    "bytes that are no UTF-8": Row(TEXT.replace(b"world", b"w\xffrld") + LAST, "hello w�rld"),
    "halves of a character": Row(
        TEXT.replace(b"world", b"w\\ud83drld") + LAST, "hello w�rld"
    ),
    # what is no chunk
    "lists, numbers, null": Row(event([1]) + event(5) + TEXT + event(None) + event("x") + LAST),
    "no choices": Row(event({"id": "x"}) + TEXT + event({"choices": None}) + LAST),
    "choices that are none": Row(event({"choices": [None, 5, "x", []]}) + GOOD),
    "deltas that are none": Row(
        b"".join(event({"choices": [{"index": 0, "delta": one}]}) for one in (None, [1], 5, "x"))
        + GOOD
    ),
    "bad JSON": Row(TEXT + b"data: {]\n\n" + LAST),
    "an id of a megabyte": Row(TEXT.replace(b'"x"', b'"%s"' % (b"i" * 10**6)) + LAST),
    "text behind the end": Row(TEXT + END + piece(" more") + TOLD + DONE, HELLO + " more"),
    "two ends": Row(TEXT + END + LAST),
    # usage
    "usage twice, growing": Row(piece("hello ") + usage(3, 1) + piece("world") + LAST),
    "usage twice, the same": Row(TEXT + END + TOLD + TOLD + DONE),
    "usage with every chunk": Row(words([1, 2, 2, 3]) + END + usage(3, 5) + DONE, "word " * 4),
    "usage, then noughts": Row(TEXT + END + TOLD + usage(0, 0) + DONE),
    "noughts, then usage": Row(usage(0, 0) + GOOD),
    "usage, then less": Row(TEXT + usage(3, 40) + LAST, booked="more"),
    "usage of each chunk": Row(words([1] * 30) + END + DONE, "word " * 30, booked="more"),
    "usage before the text": Row(TOLD + TEXT + END + DONE, booked="more"),
    "no usage": Row(TEXT + END + DONE, booked="more"),
    "negative usage": Row(TEXT + END + usage(-3, 2) + DONE, booked="more"),
    "huge usage": Row(TEXT + END + usage(3, 10**15) + DONE, booked="more"),
    "usage in words": Row(TEXT + END + usage("3", "two") + DONE, booked="more"),
    "usage of half a token": Row(TEXT + END + usage(3, 2.5) + DONE, booked="more"),
    "usage NaN": Row(TEXT + END + usage(float("nan"), 2) + DONE, booked="more"),
    "usage 1e400": Row(TEXT + END + usage(3, 777).replace(b"777", b"1e400") + DONE, booked="more"),
    "usage NaN at the end itself": Row(
        TEXT + END.replace(b"]}", b'],"usage":{"prompt_tokens":NaN}}') + DONE, booked="more"
    ),
    "no output for a text": Row(TEXT + END + usage(3, 0) + DONE, booked="more"),
    "usage that is a list": Row(TEXT + END + event({"choices": [], "usage": [1]}), booked="more"),
    # what breaks
    "an error in a success": nothing(event({"error": {"message": "overloaded"}}) + DONE),
    "an error of one word": nothing(event({"error": "bad"})),
    "event: error, at once": nothing(b'event: error\ndata: {"message":"boom"}\n\n' + GOOD),
    "event: error, later": broken(TEXT + b'event: error\ndata: {"message":"boom"}\n\n' + LAST),
    "event: error without JSON": broken(TEXT + b"event: error\ndata: boom\n\n"),
    "an error later": broken(TEXT + event({"error": {"message": "boom"}}) + LAST),
    "an end in the middle": broken(TEXT),
    "an end in an event": broken(TEXT + b'data: {"choices":[{"index":0,"del'),
    "an end in a tool call": broken(called("", name="f") + called('{"a":'), ""),
    "[DONE] in a tool call": Row(
        called("", name="f") + called('{"a":') + DONE, "", "done", "more"
    ),
    "a line of ten megabytes": broken(TEXT + b"data: " + b"x" * 10_485_760 + b"\n\n" + LAST),
    "nothing": nothing(b""),
    "comments alone": nothing(b": hi\n\n" * 50),
    "[DONE] alone": nothing(DONE),
    "a page of HTML": nothing(b"<html><body>busy</body></html>"),
}  # fmt: skip
ENCODED = {
    "gzip": ("gzip", Row(gzip.compress(GOOD))),
    "gzip, without its end": ("gzip", Row(gzip.compress(GOOD)[:-8])),
    "gzip that is cut": ("gzip", nothing(gzip.compress(GOOD)[:40])),
    "gzip that is none": ("gzip", nothing(GOOD)),
    "deflate": ("deflate", Row(zlib.compress(GOOD))),
    "deflate that is none": ("deflate", nothing(GOOD)),
    "br": ("br", nothing(b"\x0b\x02\x80hello\x03")),
    "zstd": ("zstd", nothing(b"\x28\xb5\x2f\xfd")),
    "twice": ("gzip, gzip", nothing(gzip.compress(gzip.compress(GOOD)))),
    "identity": ("identity", Row(GOOD)),
}
#: Whole answers.
ANSWER = json.dumps(whole(HELLO)).encode()
BODIES = {
    "as it should be": Row(ANSWER),
    "a byte that is no UTF-8": Row(ANSWER.replace(b"world", b"w\xffrld"), "hello w�rld"),
    "half a character": Row(ANSWER.replace(b"world", b"w\\ude00rld"), "hello w�rld"),
    "NaN beside the text": Row(ANSWER.replace(b'"index": 0', b'"index": 0, "logprobs": NaN')),
    "usage NaN": Row(ANSWER.replace(b'_tokens": 3', b'_tokens": NaN'), booked="more"),
    "usage 1e400": Row(ANSWER.replace(b'_tokens": 2', b'_tokens": 1e400'), booked="more"),
    "usage -Infinity": Row(ANSWER.replace(b'_tokens": 2', b'_tokens": -Infinity'), booked="more"),
    "no usage": Row(json.dumps(whole(HELLO, usage=None)).encode(), booked="more"),
    "cut": nothing(ANSWER[:-5]),
    "a list": nothing(b"[" + ANSWER + b"]"),
    "a number": nothing(b"5"),
    "nothing": nothing(b""),
    "no choices": nothing(b'{"id": "x"}'),
    "an empty list of choices": Row(
        json.dumps(whole("", choices=[])).encode(), "", "refused", "told"
    ),
    "an error in a success": nothing(b'{"error": {"message": "overloaded", "code": 529}}'),
    "HTML": nothing(b"<html>busy</html>"),
    "deep": nothing(b'{"choices":' + b"[" * 50_000),
}


def at_once(answer: bytes) -> Handler:
    """These bytes instead of an HTTP answer."""

    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(answer)
        request.transport.close()
        await asyncio.sleep(0)
        return web.Response()

    return handle


class Heard(NamedTuple):
    text: str
    end: str
    booked: str


async def heard(here: Town, handler: Handler, stream: bool) -> Heard:
    """One request that may produce ``MOST`` tokens, and what became of it."""
    here.live.calm()
    here.bank.fake.handler = handler
    before, _ = await here.day()
    asked: dict[str, Any] = {"stream": stream, "max_tokens": MOST, "fallback": "fail"}
    async with asyncio.timeout(10):
        status, _, body = await here.live.post(asked, model="alpha/m")
    after, held = await here.day()
    assert held == 0
    text, end = said(status, body)
    cost, told = after - before, (3 * IN + 2 * OUT) / 1e6
    if "word" in text:
        told = (3 * IN + 5 * OUT) / 1e6
    booked = "told" if abs(cost - told) < 1e-9 else "more" if cost > told else f"less: {cost}"
    return Heard(text, end, booked)


def said(status: int, body: Any) -> tuple[str, str]:
    """The text, and how it ended."""
    if status != 200:
        assert status in (502, 504), body
        assert body["error"]["code"] in ("upstream_failed", "upstream_timeout")
        return "", "refused"
    if isinstance(body, dict):
        return body["choices"][0]["message"]["content"], "done"
    chunks = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]
    deltas = [one["delta"] for chunk in chunks for one in chunk.get("choices", ())]
    text = "".join(delta.get("content") or "" for delta in deltas)
    failed = any("error" in chunk for chunk in chunks)
    assert failed != body.endswith("data: [DONE]\n\n"), body[-200:]
    return text, "error" if failed else "done"


async def unlike(
    place: Path, rows: dict[str, tuple[Handler, Row]], stream: bool = True
) -> dict[str, Heard]:
    """What was heard of the rows that did not end, or were not booked, as they say."""
    wrong = {}
    async with town(place, "[budget.hard]\ndaily = 1000") as here:
        for name, (handler, row) in rows.items():
            found = await heard(here, handler, stream)
            if found != row[1:]:
                wrong[name] = found
    return wrong


async def test_u5_r6_every_stream_ends_and_is_booked(tmp_path: Path) -> None:
    rows = {name: (raw(row.body), row) for name, row in STREAMS.items()}
    assert await unlike(tmp_path, rows) == {}


async def test_u5_r6_every_encoding_ends_and_is_booked(tmp_path: Path) -> None:
    rows = {
        name: (raw(row.body, **{"content-encoding": encoding}), row)
        for name, (encoding, row) in ENCODED.items()
    }
    assert await unlike(tmp_path, rows) == {}


async def test_u5_r6_every_whole_answer_ends_and_is_booked(tmp_path: Path) -> None:
    kind = {"content-type": "application/json"}
    rows = {name: (raw(row.body, **kind), row) for name, row in BODIES.items()}
    assert await unlike(tmp_path, rows, stream=False) == {}


async def test_u5_every_head_that_is_none_ends_and_is_booked(tmp_path: Path) -> None:
    ok, tail = b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5\r\n\r\nhello"
    heads = {
        "nothing": b"",
        "no HTTP": b"\x16\x03\x01\x02\x00",
        "a status that is none": b"HTTP/1.1 099 OK\r\n" + tail,
        "status 600": b"HTTP/1.1 600 OK\r\n" + tail,
        "length and chunks": ok + b"Transfer-Encoding: chunked\r\n" + tail,
        "a line of megabytes": ok + b"X: " + b"a" * 3_000_000 + b"\r\n" + tail,
        "lines without end": ok + b"X: a\r\n" * 100_000,
        "interim answers without end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000,
        "a negative chunk": ok + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello",
        "elsewhere": b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:9/\r\n" + tail,
    }
    rows = {name: (at_once(head), nothing(head)) for name, head in heads.items()}
    assert await unlike(tmp_path / "whole", rows, stream=False) == {}
    assert await unlike(tmp_path / "stream", rows) == {}


async def test_h8_a_providers_words_move_no_cursor_and_forge_no_line(tmp_path: Path) -> None:
    """They are shown to people: in errors, decisions and logs, in terminals too."""
    evil = "\x1b]0;pwned\x07 \x1b[31mred \x9b2J \u202egnp\u2028INFO forged\r\nERROR forged"
    async with street(tmp_path, "alpha") as (live, alpha):
        for status in (400, 401, 404, 429, 500):
            live.calm()
            alpha.handler = refuses(status, {"error": {"message": evil, "code": evil}})
            _, headers, body = await live.post()
            error = body["error"]
            assert "forged" in error["message"], status
            shown = [error["message"], *headers.values()]
            shown += [row["reason"] for row in (error["details"] or {}).get("attempts", ())]
            assert all(text.isprintable() for text in shown), shown
