"""Each fault over a real socket, and what the bill says of it."""

from __future__ import annotations

import asyncio
import errno
import random

import aiohttp
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.simulator.faults import ABSURD, GARBAGE, KINDS, FaultBook, parse_fault, parse_word
from freeloader.simulator.wire.refusals import captured_cases
from freeloader.simulator.wire.sse import Spoiler, event


def _content(raw: bytes) -> str:
    """Reads a stream as a lenient client would: any line ends, any event that parses."""
    text = ""
    for line in raw.decode().replace("\r\n", "\n").split("\n"):
        if line.startswith("data:") and "[DONE]" not in line:
            try:
                choices = orjson.loads(line[5:].strip())["choices"]
            except orjson.JSONDecodeError:
                continue
            if choices:
                text += choices[0]["delta"].get("content") or ""
    return text


@pytest.mark.parametrize("status", [401, 402, 403, 404, 429, 500, 502, 503, 529])
@pytest.mark.parametrize("provider", ["groq", "gemini", "openrouter", "anthropic", "generic"])
async def test_a_status_is_given_once_and_then_all_is_well(client, provider, status):
    model = next(iter(client.running.engine.specs[provider].models))
    client.running.fault(provider=provider, kind=str(status))
    broken = await client.chat(provider, model)
    assert broken.status == status
    assert broken.json
    assert (await client.chat(provider, model)).status == 200
    row = client.running.bill(provider)["rows"][0]
    assert (row["failed"], row["accepted"]) == (1, 1)
    assert row["output"] == client.running.bill(provider)["entries"][1]["output"]


async def test_a_429_on_demand_tells_the_wait_that_was_asked_for(client):
    client.running.fault(provider="groq", kind="day", seconds=578.016)
    got = await client.chat("groq", "openai/gpt-oss-120b")
    assert got.status == 429
    assert "(RPD)" in got.json["error"]["message"]
    assert "Please try again in 9m38.016s." in got.json["error"]["message"]
    assert got.headers["retry-after"] == "579"
    client.running.fault(provider="gemini", kind="429")
    assert "limit: 5," in (await client.chat("gemini", "gemini-3.5-flash")).json["error"]["message"]


@pytest.mark.parametrize("case", sorted(captured_cases()))
async def test_a_captured_answer_is_replayed_byte_for_byte(client, case):
    real = captured_cases()[case]
    client.running.fault(provider="generic", kind="captured", case=case)
    got = await client.chat()
    assert got.status == real["status"]
    assert real["body"] is None or got.json == real["body"]
    for name, value in real["headers"].items():
        assert got.headers[name] == value


async def test_a_given_reply_is_given(client):
    client.running.fault(
        provider="generic", kind="reply", status=418, headers={"retry-after": "3"}, body="tea"
    )
    got = await client.chat()
    assert (got.status, got.raw, got.headers["retry-after"]) == (418, b"tea", "3")


async def test_a_reset_comes_before_any_byte_and_is_a_reset(client):
    client.running.fault(provider="generic", kind="reset")
    with pytest.raises(aiohttp.ClientOSError) as caught:
        await client.chat()
    assert caught.value.errno == errno.ECONNRESET
    assert (await client.chat()).status == 200


@pytest.mark.parametrize("kind", ["hang", "reset"])
async def test_work_may_be_billed_although_the_answer_is_lost(client, kind):
    client.running.fault(provider="groq", kind=kind, seconds=0, billed=True)
    with pytest.raises(aiohttp.ClientError):
        await client.chat("groq", "openai/gpt-oss-120b")
    (entry,) = client.running.bill()["entries"]
    assert entry["state"] == "failed"
    assert entry["input"] == 3
    assert entry["picodollars"] == 3 * 150_000 + entry["output"] * 600_000
    honest = await client.chat("groq", "openai/gpt-oss-120b")
    assert honest.headers["x-ratelimit-remaining-requests"] == "998"


async def test_a_hang_lasts_until_the_client_gives_up(client):
    client.running.fault(provider="generic", kind="hang")
    with pytest.raises(asyncio.TimeoutError):
        await client.chat_with_timeout(0.2)
    while client.running.engine.running:
        await asyncio.sleep(0.01)
    assert client.running.requests()[-1]["disconnectedEarly"] is True
    assert client.running.bill()["totals"]["picodollars"] == 0


async def test_slow_is_only_slow(client):
    client.running.fault(provider="generic", kind="slow", seconds=0.01)
    assert (await client.chat()).status == 200
    client.running.fault(provider="generic", kind="slow", mode="drip", seconds=0.001)
    assert (await client.chat(stream=True)).events[-1] == "[DONE]"


@pytest.mark.parametrize("kind", ["cut", "cut_reset"])
async def test_a_cut_stream_breaks_off_and_is_billed_for_its_part(client, kind):
    client.running.fault(provider="groq", kind=kind, afterChunks=3)
    with pytest.raises(aiohttp.ClientError):
        await client.chat("groq", "openai/gpt-oss-120b", stream=True)
    (entry,) = client.running.bill()["entries"]
    assert (entry["state"], entry["input"], entry["output"]) == ("accepted", 3, 12)
    assert client.running.requests()[-1]["chunksSent"] == 3


async def test_a_cut_whole_answer_is_shorter_than_promised(client):
    client.running.fault(provider="generic", kind="cut")
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.chat()


async def test_a_stalled_stream_sends_no_more_and_a_leaving_client_is_billed(client):
    client.running.fault(provider="groq", kind="stall", afterChunks=1)
    with pytest.raises(asyncio.TimeoutError):
        await client.chat_with_timeout(0.2, "groq", "openai/gpt-oss-120b", stream=True)
    while client.running.engine.running:
        await asyncio.sleep(0.01)
    (entry,) = client.running.bill()["entries"]
    assert (entry["disconnected"], entry["output"]) == (True, 4)


@pytest.mark.parametrize(("policy", "output"), [("whole", 26), ("generated", 4), ("nothing", 0)])
async def test_how_a_leaving_client_is_billed_is_the_providers_choice(client, policy, output):
    client.running.put_provider("groq", {"billOnDisconnect": policy})
    client.running.fault(provider="groq", kind="stall", afterChunks=1)
    with pytest.raises(asyncio.TimeoutError):
        await client.chat_with_timeout(0.2, "groq", "openai/gpt-oss-120b", stream=True)
    while client.running.engine.running:
        await asyncio.sleep(0.01)
    assert client.running.bill()["entries"][0]["output"] == output


async def test_an_error_inside_a_200_stream(client):
    client.running.fault(provider="openrouter", kind="sse_error", afterChunks=2, count=2)
    model = "openai/gpt-oss-120b"
    got = await client.chat("openrouter", model, stream=True)
    assert got.status == 200
    assert got.events[-1]["error"] == {"code": 502, "message": "Provider disconnected"}
    assert got.events[-1]["choices"][0]["finish_reason"] == "error"
    whole = await client.chat("openrouter", model)
    assert (whole.status, whole.json["error"]["code"]) == (200, 502)


async def test_missing_and_absurd_usage_lie_to_the_client_not_to_the_bill(client):
    honest = (await client.chat()).json["usage"]
    client.running.fault(provider="generic", kind="missing_usage", count=2)
    assert "usage" not in (await client.chat()).json
    streamed = await client.chat(stream=True, stream_options={"include_usage": True})
    assert not any("usage" in e for e in streamed.events[:-1])
    told = {}
    for mode in ABSURD:
        client.running.fault(provider="generic", kind=mode)
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        events = (await client.chat(**asked)).events
        told[mode] = [e["usage"]["completion_tokens"] for e in events[:-1] if "usage" in e]
    true = honest["completion_tokens"]
    assert told == {
        "negative": [-true - 1],
        "huge": [10**12 + true],
        "twice": [true, true * 2],
        "zero": [0],
        "null": [None],
    }
    assert {e["output"] for e in client.running.bill()["entries"]} == {true}


@pytest.mark.parametrize("mode", sorted(set(GARBAGE) - {"bad_json", "split_utf8"}))
async def test_most_garbage_can_be_read_by_a_lenient_client(client, mode):
    whole = (await client.chat()).json["choices"][0]["message"]["content"]
    client.running.fault(provider="generic", kind="garbage", mode=mode)
    got = await client.chat(stream=True)
    assert _content(got.raw) == whole
    done = got.raw.count(b"[DONE]")
    assert done == {"no_done": 0, "double_done": 2}.get(mode, 1)
    assert (b"\r\n" in got.raw) == (mode == "crlf")
    assert (b"data: {" in got.raw) == (mode != "no_space")
    assert (len(got.raw) > 262_144) == (mode == "huge_line")
    assert (b"<html>" in got.raw) == (mode == "html")
    assert (b": keep-alive" in got.raw) == (mode == "comments")


async def test_bad_json_loses_a_piece_and_odd_characters_survive_splitting(client):
    whole = (await client.chat()).json["choices"][0]["message"]["content"]
    client.running.fault(provider="generic", kind="bad_json")
    assert len(_content((await client.chat(stream=True)).raw)) < len(whole)
    client.running.fault(provider="generic", kind="split_utf8")
    assert _content((await client.chat(stream=True)).raw) == whole + " ünïcödé 漢字 🙂"
    client.running.fault(provider="generic", kind="garbage")
    got = await client.chat()
    with pytest.raises(orjson.JSONDecodeError):
        assert got.json


@given(st.text(), st.sampled_from(["one_byte", "split_utf8"]))
def test_splitting_changes_no_byte(text, mode):
    data = event({"content": text})
    parts = list(Spoiler(mode).spoil(data))
    assert b"".join(parts) == data
    assert mode != "one_byte" or all(len(part) == 1 for part in parts)


async def test_an_empty_answer_and_a_redirect_that_should_not_be_followed(client):
    client.running.fault(provider="generic", kind="empty")
    got = await client.chat()
    assert (got.status, got.raw) == (200, b"")
    client.running.fault(provider="generic", kind="redirect", location="http://127.0.0.1:9/x")
    got = await client.chat()
    assert (got.status, got.headers["location"]) == (307, "http://127.0.0.1:9/x")


async def test_a_fault_can_be_for_one_model_one_key_or_the_model_list(client):
    client.running.fault(provider="groq", model="openai/gpt-oss-20b", kind="500", forever=True)
    client.running.fault(provider="groq", key="unlucky", kind="503", forever=True)
    client.running.fault(provider="groq", kind="403", on="models")
    assert (await client.chat("groq", "openai/gpt-oss-120b")).status == 200
    assert (await client.chat("groq", "openai/gpt-oss-20b")).status == 500
    assert (await client.chat("groq", "openai/gpt-oss-120b", key="unlucky")).status == 503
    assert (await client.call("GET", "/groq/v1/models")).status == 403
    assert (await client.call("GET", "/groq/v1/models")).status == 200


def test_probable_faults_fail_the_same_way_with_the_same_seed():
    def run(seed):
        book = FaultBook(random.Random(seed))
        book.add(parse_fault({"provider": "p", "kind": "500", "probability": 0.3, "forever": True}))
        return [book.pick("p", "m", "k") is not None for _ in range(300)]

    assert run(7) == run(7) != run(8)
    assert 50 < sum(run(7)) < 130


@given(st.integers(1, 20), st.integers(1, 40))
def test_a_counted_fault_happens_exactly_so_often(wanted, tries):
    book = FaultBook(random.Random(1))
    book.add(parse_fault({"provider": "p", "kind": "hang", "count": wanted}))
    hits = sum(book.pick("p", None, "") is not None for _ in range(tries))
    assert hits == min(wanted, tries)


@pytest.mark.parametrize("kind", sorted([*KINDS, *GARBAGE, *ABSURD, "500", "529"]))
def test_every_kind_can_be_written_on_the_command_line(kind):
    fault = parse_word(f"groq/openai/gpt-*:{kind}:forever:1.5")
    assert (fault.provider, fault.model, fault.left, fault.seconds) == (
        "groq",
        "openai/gpt-*",
        None,
        1.5,
    )
    assert kind in (fault.kind, fault.mode)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"provider": "p", "kind": "hnag"}, "hang"),
        ({"provider": "p", "kind": "500", "cuont": 3}, "count"),
        ({"provider": "p", "kind": "200"}, "between 400 and 599"),
        ({"provider": "p", "kind": "500", "count": 0}, "count"),
        ({"provider": "p", "kind": "500", "on": "sundays"}, "sundays"),
        ({"provider": "p", "kind": "reply", "status": 99}, "between 200 and 599"),
        ({"provider": "p", "kind": "reply", "headers": "x: y"}, "headers"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_with_the_nearest_word(data, said):
    with pytest.raises(ValueError, match=said):
        parse_fault(data)
