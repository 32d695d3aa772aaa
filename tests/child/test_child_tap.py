"""What an adapter fetches beside its call is not the provider's answer."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.child.inside import tap
from freeloader.child.inside.door import meta
from freeloader.child.inside.tap import attach
from freeloader.child.inside.wire import Wire


def _answer(request: httpx.Request) -> httpx.Response:
    if request.method == "GET":
        return httpx.Response(401, json={"error": "credits exhausted"}, request=request)
    return httpx.Response(200, json={"choices": []}, request=request)


@pytest.fixture(autouse=True)
def _tapped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(httpx.AsyncClient, "send", httpx.AsyncClient.send)
    monkeypatch.setattr(httpx.Client, "send", httpx.Client.send)
    tap.install()
    yield
    tap._current.set(None)


async def test_an_image_host_cannot_speak_for_the_provider() -> None:
    """Else a client's own server could answer 401, and the account would be resting for all."""
    wire = Wire()
    attach(wire)
    async with httpx.AsyncClient(transport=httpx.MockTransport(_answer)) as client:
        await client.get("http://pictures.example/a.png")
        assert (wire.calls, wire.status) == (0, None)
        await client.post("http://provider.example/v1/chat/completions", json={})
        assert (wire.calls, wire.status) == (1, 200)
        await client.get("http://provider.example/v1/result")  # some are asked for their answer
        assert (wire.calls, wire.status) == (2, 401)


def test_the_same_where_an_adapter_blocks() -> None:
    wire = Wire()
    attach(wire)
    with httpx.Client(transport=httpx.MockTransport(_answer)) as client:
        client.get("http://pictures.example/a.png")
        assert (wire.calls, wire.status) == (0, None)
        client.post("http://provider.example/v1", json={})
        assert (wire.calls, wire.status) == (1, 200)


WORD = {"choices": [{"index": 0, "delta": {"content": 'hi "usage": {'}}]}
USED = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
BOTH = {"usage": {"prompt_tokens": 3, "completion_tokens": 2}, **WORD}
BOTH_BACKWARDS = {**WORD, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
EMPTY = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("chunks", "believed"),
    [
        ([WORD, WORD, USED], True), ([WORD, USED, EMPTY], True), ([WORD, BOTH], True),
        ([BOTH_BACKWARDS, BOTH_BACKWARDS], True), ([BOTH, BOTH, EMPTY], True),
        ([USED, WORD], False), ([WORD, USED, WORD], False), ([USED, WORD, EMPTY], False),
        ([USED, WORD, USED], True), ([WORD, EMPTY], False),
    ],
)  # fmt: skip
@given(cut=st.integers(1, 400))
@settings(max_examples=40)
def test_r6_usage_that_was_told_before_the_end_is_not_the_whole(
    chunks: list[dict[str, object]], believed: bool, cut: int
) -> None:
    """However the bytes come."""
    wire = Wire()
    wire.begin(200, {"content-type": "text/event-stream"})
    raw = b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks)
    for at in range(0, len(raw), cut):
        wire.feed(raw[at : at + cut])
    assert meta(wire)["usage"] is believed


def test_r6_a_whole_answer_may_tell_its_usage_first() -> None:
    wire = Wire()
    wire.begin(200, {"content-type": "application/json"})
    wire.feed(orjson.dumps({**USED, "choices": [{"message": {"content": "hi"}}]}))
    assert meta(wire)["usage"] is True
