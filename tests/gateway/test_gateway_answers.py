"""What comes back: JSON shapes, the order of a stream, failures before and after its start."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import orjson
import pytest
from front_fakes import CLIENT, HELLO, House, ServerPart, well_formed
from front_scripts import HANG, SSE_SCRIPT, USAGE, Script, answer, piece

from freeloader import errors
from freeloader.core.events import Answer, Delta, End, Fault
from freeloader.gateway.errors_http import error_headers, error_response, status_of
from freeloader.gateway.surfaces.sse import StreamLimits

LONG = "aB" * 90_000

STREAM = {**HELLO, "stream": True}
WITH_USAGE = {**STREAM, "stream_options": {"include_usage": True}}
BROKEN = Fault(Answer(status=None, phase="stream"))


async def events(house: House, body: Any, path: str = "/v1/chat/completions") -> list[Any]:
    """A stream's events: parsed JSON, ``DONE``, or comments as bytes."""
    async with house.call("POST", path, CLIENT, json=body) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["X-Freeloader-Decision-Id"] == "d-1"
        assert response.headers["X-Freeloader-Provider"] == "groq"
        raw = await response.read()
    assert raw.endswith(b"\n\n")
    out: list[Any] = []
    for block in raw.decode().removesuffix("\n\n").split("\n\n"):
        if block.startswith(":"):
            out.append(block)
        elif block == "data: [DONE]":
            out.append("DONE")
        else:
            out.append(orjson.loads(block.removeprefix("data: ")))
    return out


async def test_a_chat_answer_carries_routing_usage_and_headers(house: House) -> None:
    status, body, headers = await house.ask(HELLO, headers={"X-Request-Id": "mine-1"})
    assert status == 200
    assert (body["id"], body["object"], body["model"]) == (
        "chatcmpl-7", "chat.completion", "groq/small")  # fmt: skip
    assert body["choices"][0]["message"]["content"] == "hi"
    assert body["routing"]["provider"] == "groq"
    usage = body["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (9, 3, 12)
    assert (usage["tokensIn"], usage["tokensOut"], usage["costUsd"]) == (9, 3, 0.0)
    assert usage["quotaUsed"] == {"requests": 1}
    assert usage["estimated"] is False
    assert headers["X-Freeloader-Decision-Id"] == "d-1"
    assert headers["X-Freeloader-Reason"] == "it is - free"
    assert headers["X-Request-Id"] == "mine-1"
    assert house.pipeline.ids == ["mine-1"]
    assert not house.pipeline.runs[0].abandoned.is_set()


@pytest.mark.parametrize("given", ["a b", "x" * 200, "ü", "", "-x", "a\tb", "<script>"])
async def test_a_strange_request_id_is_replaced(given: str, house: House) -> None:
    _, _, headers = await house.ask(HELLO, headers={"X-Request-Id": given})
    assert headers["X-Request-Id"] == "req-1"


async def test_a_completion_answer_has_both_shapes(house: House) -> None:
    script = (Delta(answer(" world"), True), USAGE, End("stop"))
    house.pipeline.script = Script(events=script)
    _, body, _ = await house.ask({"prompt": "hello", "echo": True}, "/v1/completions")
    assert body["object"] == "text_completion"
    assert body["text"] == body["choices"][0]["text"] == "hello world"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert set(body["budget"]) == {"dailySpent", "dailyRemaining", "projectSpent"}
    assert body["routing"]["provider"] == "groq"
    assert body["usage"]["tokensIn"] == 9
    assert house.pipeline.profiles[0].operation == "completion"


async def test_old_logprobs_are_made_from_new_ones(house: House) -> None:
    rows = [{"token": "a", "logprob": -1.0, "top_logprobs": [{"token": "b", "logprob": -2.0}]},
            {"token": "bc", "logprob": -3.0, "top_logprobs": []}]  # fmt: skip
    data = answer("abc")
    data["choices"][0]["logprobs"] = {"content": rows}
    house.pipeline.script = Script(events=(Delta(data, True), USAGE, End()))
    _, body, _ = await house.ask({"prompt": "x", "logprobs": 1}, "/v1/completions")
    assert body["choices"][0]["logprobs"] == {
        "tokens": ["a", "bc"], "token_logprobs": [-1.0, -3.0],
        "top_logprobs": [{"b": -2.0}, {}], "text_offset": [0, 1]}  # fmt: skip


async def test_what_the_lane_adds_for_itself_is_not_shown(house: House) -> None:
    data = answer(provider_specific_fields={"x": 1})
    data["choices"][0]["message"]["provider_specific_fields"] = {"y": 1}
    house.pipeline.script = Script(events=(Delta(data, True), USAGE, End()))
    _, body, _ = await house.ask(HELLO)
    assert b"provider_specific" not in orjson.dumps(body)


async def test_a_stream_in_order(house: House) -> None:
    house.pipeline.script = Script(events=SSE_SCRIPT)
    got = await events(house, STREAM)
    assert got[0]["routing"]["provider"] == "groq"
    assert all("routing" not in chunk for chunk in got[1:-1])
    assert [c["choices"][0]["delta"].get("content") for c in got[:-1]] == ["", "he", "llo", None]
    assert all("usage" not in chunk for chunk in got[:-1])
    assert got[-1] == "DONE"
    assert got.count("DONE") == 1
    assert not house.pipeline.runs[0].abandoned.is_set()


async def test_usage_comes_last_for_those_who_asked(house: House) -> None:
    house.pipeline.script = Script(events=SSE_SCRIPT)
    got = await events(house, WITH_USAGE)
    last = got[-2]
    assert last["choices"] == []
    assert last["object"] == "chat.completion.chunk"
    assert (last["usage"]["total_tokens"], last["usage"]["tokensOut"]) == (12, 3)
    assert all("usage" not in chunk for chunk in got[:-2])
    assert house.pipeline.profiles[0].include_usage is True


@pytest.mark.parametrize("choices", [[], [{"index": 0, "delta": {}}]])
async def test_the_upstream_usage_chunk_is_not_relayed(choices: Any, house: House) -> None:
    chunk = piece({}, usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
    chunk["choices"] = choices
    script = (*SSE_SCRIPT[:4], Delta(chunk, False), End())
    house.pipeline.script = Script(events=script)
    assert all("usage" not in one for one in (await events(house, STREAM))[:-1])
    got = await events(house, WITH_USAGE)
    assert [("usage" in one) for one in got[:-1]] == [False] * 4 + [True]
    assert got[-2]["usage"]["total_tokens"] == 3


async def test_a_completion_stream(house: House) -> None:
    house.pipeline.script = Script(events=SSE_SCRIPT)
    body = {"prompt": "x", "stream": True, "stream_options": {"include_usage": True}, "echo": True}
    got = await events(house, body, "/v1/completions")
    assert {one["object"] for one in got[:-1]} == {"text_completion"}
    texts = "".join(c["choices"][0]["text"] for c in got[:-2])
    assert texts == "xhello"
    assert got[0]["routing"]["provider"] == "groq"
    assert got[-3]["choices"][0]["finish_reason"] == "stop"
    assert got[-2]["usage"]["total_tokens"] == 12


async def test_silence_is_bridged_with_comments(house: House) -> None:
    house.pipeline.script = Script(events=SSE_SCRIPT, waits=3)
    got = await events(house, STREAM)
    assert got[:3] == [": keep-alive"] * 3
    assert got[3]["routing"]["provider"] == "groq"
    assert got[-1] == "DONE"


async def test_a_failure_after_the_head_is_an_event(house: House) -> None:
    problem = errors.UpstreamFailed("all failed, try later", details={"attempts": []})
    house.pipeline.script = Script(waits=1, error=problem)
    got = await events(house, STREAM)
    assert got[0] == ": keep-alive"
    error = well_formed(got[1])
    assert (error["code"], error["decisionId"]) == ("upstream_failed", "d-1")
    assert len(got) == 2


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (BROKEN, "upstream_failed"),
        (Fault(Answer(status=None, phase="stream", timeout=True)), "upstream_timeout"),
        (errors.UpstreamFailed("broke off, try again"), "upstream_failed"),
    ],
)
async def test_a_broken_stream_ends_in_an_error_and_no_done(
    failure: Any, code: str, house: House
) -> None:
    house.pipeline.script = Script(events=(*SSE_SCRIPT[:2], failure))
    got = await events(house, STREAM)
    assert "DONE" not in got
    assert well_formed(got[-1])["code"] == code
    assert got[-2]["choices"][0]["delta"]["content"] == "he"


async def test_a_failure_before_the_first_delta_is_an_http_error(house: House) -> None:
    problem = errors.QuotaExhausted("all windows are spent, wait", retry_after=12.2)
    house.pipeline.script = Script(error=problem)
    for body in (HELLO, STREAM):
        status, answered, headers = await house.ask(body)
        error = well_formed(answered)
        assert (status, error["code"], error["decisionId"]) == (429, "quota_exhausted", "d-1")
        assert headers["Retry-After"] == "13"
        assert headers["X-Freeloader-Decision-Id"] == "d-1"
        assert "x-should-retry" not in headers


@pytest.mark.parametrize("body", [HELLO, STREAM])
async def test_an_empty_answer_is_a_failure(body: Any, house: House) -> None:
    house.pipeline.script = Script(events=(USAGE, End()))
    status, answered, _ = await house.ask(body)
    assert (status, well_formed(answered)["code"]) == (502, "upstream_failed")


async def test_a_json_answer_that_breaks_off_is_a_502(house: House) -> None:
    house.pipeline.script = Script(events=(BROKEN,))
    status, answered, _ = await house.ask(HELLO)
    assert (status, well_formed(answered)["code"]) == (502, "upstream_failed")


@pytest.mark.parametrize(
    "script",
    [Script(hang=True), Script(events=(*SSE_SCRIPT[:2], HANG))],
    ids=["before the head", "in the stream"],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_abandons_the_run(
    script: Script, stream: bool, house: House
) -> None:
    house.pipeline.script = script
    body = orjson.dumps({**HELLO, "stream": stream})
    _, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
        b"\r\nAuthorization: Bearer " + CLIENT.encode() + b"\r\nContent-Length: "
        + str(len(body)).encode() + b"\r\n\r\n" + body
    )  # fmt: skip
    await writer.drain()
    async with asyncio.timeout(10):
        while not house.pipeline.runs:
            await asyncio.sleep(0)
        writer.transport.abort()
        await house.pipeline.runs[0].abandoned.wait()


async def test_a_reader_that_stops_reading_ends_its_stream(house: House) -> None:
    await house.stop()
    house.stream_limits = StreamLimits(write_seconds=0.05)
    await house.start()
    flood = Delta(piece({"content": "x" * 500_000}), True)
    house.pipeline.script = Script(events=(flood,) * 200)
    body = orjson.dumps(STREAM)
    _, writer = await asyncio.open_connection("127.0.0.1", house.port, limit=1024)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
        b"\r\nx-api-key: " + CLIENT.encode() + b"\r\nContent-Length: "
        + str(len(body)).encode() + b"\r\n\r\n" + body
    )  # fmt: skip
    await writer.drain()
    async with asyncio.timeout(10):
        while not house.pipeline.runs:
            await asyncio.sleep(0)
        await house.pipeline.runs[0].abandoned.wait()
    writer.transport.abort()


async def test_a_request_has_a_longest_time(house: House) -> None:
    house.server = ServerPart(request_seconds_max=0.02)
    house.pipeline.script = Script(hang=True)
    status, answered, _ = await house.ask(HELLO)
    assert (status, well_formed(answered)["code"]) == (504, "upstream_timeout")
    assert house.pipeline.runs[0].abandoned.is_set()


async def test_a_stream_has_a_longest_silence(house: House) -> None:
    house.server = ServerPart(request_seconds_max=30)
    house.pipeline.script = Script(waits=50)
    got = await events(house, STREAM)
    assert well_formed(got[-1])["code"] == "upstream_timeout"
    assert got[:-1] == [": keep-alive"]
    assert house.pipeline.runs[0].abandoned.is_set()


async def test_a_bug_is_told_in_general_words_and_logged(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.pipeline.broken = RuntimeError("secret internals")
    with caplog.at_level(logging.ERROR, "freeloader.gateway"):
        status, body, headers = await house.ask(HELLO)
    assert status == 500
    assert well_formed(body)["code"] == "internal_error"
    assert "secret" not in orjson.dumps(body).decode()
    assert headers["X-Request-Id"] in caplog.text
    assert CLIENT not in caplog.text


async def test_a_bug_in_a_stream_cuts_the_connection(house: House) -> None:
    house.pipeline.script = Script(events=(*SSE_SCRIPT[:2], Delta({"choices": object()}, True),
                                           HANG))  # fmt: skip
    house.pipeline.script.events = (*SSE_SCRIPT[:2], Explodes(), End())
    body = orjson.dumps(STREAM)
    raw = await house.raw(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
        b"\r\nx-api-key: " + CLIENT.encode() + b"\r\nContent-Length: "
        + str(len(body)).encode() + b"\r\n\r\n" + body
    )  # fmt: skip
    assert b"[DONE]" not in raw
    assert not raw.endswith(b"0\r\n\r\n")
    assert house.pipeline.runs[0].abandoned.is_set()


class Explodes(Delta):
    """A chunk that breaks whoever looks at it."""

    def __init__(self) -> None:
        super().__init__({}, True)

    def __getattribute__(self, name: str) -> Any:
        if name == "data":
            raise RuntimeError("boom")
        return super().__getattribute__(name)


@pytest.mark.parametrize("state", ["starting", "stopping"])
async def test_not_ready_is_a_503_with_a_wait(state: str, house: House) -> None:
    house.state = state
    status, body, headers = await house.ask(HELLO)
    assert status == 503
    assert well_formed(body)["code"] == ("starting" if state == "starting" else "overloaded")
    assert int(headers["Retry-After"]) >= 1
    assert house.pipeline.profiles == []


async def test_a_child_that_cannot_start_is_told_at_once_with_its_reason(house: House) -> None:
    house.state, house.owner.child_state = "starting", "fatal"
    status, body, headers = await house.ask(HELLO)
    assert status == 503
    told = well_formed(body)
    assert told["code"] == "overloaded"
    assert "no certificate" in told["message"]
    assert "xswarm restart" in told["message"]
    assert int(headers["Retry-After"]) >= 1


STATUSES: list[tuple[errors.FreeloaderError, int, str | None, str | None]] = [
    (errors.InvalidRequest("m"), 400, None, "false"),
    (errors.InvalidRequest("m", code="request_timeout"), 408, None, None),
    (errors.InvalidRequest("m", code="unsupported_media_type"), 415, None, "false"),
    (errors.InvalidRequest("m", code="method_not_allowed"), 405, None, "false"),
    (errors.AmbiguousModel("m"), 400, None, "false"),
    (errors.ModelNotFound("m"), 404, None, "false"),
    (errors.NotFound("m"), 404, None, "false"),
    (errors.BodyTooLarge("m"), 413, None, "false"),
    (errors.Unauthorized("m"), 401, None, "false"),
    (errors.Forbidden("m"), 403, None, "false"),
    (errors.Conflict("m"), 409, None, "false"),
    (errors.NoModelPassesGates("m"), 422, None, "false"),
    (errors.BudgetExceeded("m"), 402, None, "false"),
    (errors.PriceUnknown("m"), 402, None, "false"),
    (errors.QuotaExhausted("m", retry_after=3.01), 429, "4", None),
    (errors.QuotaExhausted("m", retry_after=9000), 429, "9000", "false"),
    (errors.QuotaExhausted("m"), 429, None, "false"),
    (errors.RateLimited("m", retry_after=0), 429, "1", None),
    (errors.BudgetBusy("m", retry_after=1), 429, "1", None),
    (errors.UpstreamFailed("m"), 502, None, None),
    (errors.UpstreamTimeout("m"), 504, None, None),
    (errors.Unavailable("m", retry_after=2), 503, "2", None),
    (errors.NotImplementedYet("m"), 501, None, "false"),
    (errors.ConfigError("m"), 400, None, "false"),
    (errors.SecretStoreError("m", retry_after=5), 503, "5", None),
    (errors.FreeloaderError("m"), 500, None, None),
]


@pytest.mark.parametrize(
    ("error", "status", "wait", "retry"),
    STATUSES,
    ids=[f"{type(r[0]).__name__} {r[0].code} {r[0].retry_after}" for r in STATUSES],
)
def test_errors_and_their_statuses(
    error: errors.FreeloaderError, status: int, wait: str | None, retry: str | None
) -> None:
    assert status_of(error) == status
    headers = error_headers(error)
    assert headers.get("Retry-After") == wait
    assert headers.get("x-should-retry") == retry
    response = error_response(error, "d-9")
    assert isinstance(response.body, bytes)
    assert orjson.loads(response.body)["error"]["decisionId"] == "d-9"


@pytest.mark.parametrize("place", ["weights", "qualityGates", "freeloader", "strategy"])
async def test_h2_an_error_does_not_repeat_megabytes_that_a_client_sent(
    house: House, place: str
) -> None:
    more: dict[str, Any] = {place: LONG if place == "strategy" else {LONG: 1}}
    status, body, _ = await house.ask({**HELLO, **more})
    error = well_formed(body)
    assert status == 400
    assert len(error["message"]) <= 4_000
    assert len(error["param"]) <= 256


def test_h2_of_a_long_message_the_end_is_kept_where_the_advice_is() -> None:
    told = errors.InvalidRequest(LONG + " Send less.", param=LONG)
    error = orjson.loads(bytes(error_response(told).body))["error"]  # type: ignore[arg-type]
    assert error["message"].startswith("aB")
    assert error["message"].endswith(" Send less.")
