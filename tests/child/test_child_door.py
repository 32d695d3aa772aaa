"""The child's door when LiteLLM breaks on its own answer: what the provider did is still told."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import orjson
import pytest

from freeloader.child.inside.door import META_HEADER, Door
from freeloader.child.inside.tap import current

KEY = "sk-of-this-start"
SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v1/chat/completions",
    "headers": [(b"authorization", f"Bearer {KEY}".encode())],
}


async def _nothing() -> dict[str, Any]:
    return {"type": "http.disconnect"}


def _never() -> None:
    raise AssertionError("nobody said that it is warm")


async def test_an_answer_that_litellm_cannot_write_is_no_call_that_was_never_sent() -> None:
    """A lone surrogate in a model's text, say: the provider was called, and bills."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        wire = current()
        assert wire is not None
        wire.calls = 1
        wire.begin(200, {"content-type": "application/json"})
        raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(dict(message))

    with pytest.raises(UnicodeEncodeError):
        await Door(app, KEY, _never)(dict(SCOPE), _nothing, send)
    head = sent[0]
    assert head["status"] == 500
    told = orjson.loads(b64decode(dict(head["headers"])[META_HEADER]))
    assert (told["calls"], told["status"], told["class"]) == (1, 200, "UnicodeEncodeError")
    assert len(sent) == 2


async def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("later")

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(dict(message))

    with pytest.raises(RuntimeError):
        await Door(app, KEY, _never)(dict(SCOPE), _nothing, send)
    assert [message["type"] for message in sent] == ["http.response.start"]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Bearer sk-1234")],
        [(b"authorization", b"")],
        [(b"x-api-key", KEY.encode())],
        [(b"authorization", f"Bearer {KEY}".encode())] * 2,
    ],
)
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/chat/completions", 401),
        ("GET", "/health/liveliness", 401),
        ("GET", "/health/warm", 401),
        ("POST", "/health/warm", 404),
        ("GET", "/v1/chat/completions", 404),
        ("POST", "/key/generate", 404),
    ],
)
async def test_h6_nobody_gets_in_without_the_key_of_this_start(
    headers: list[Any], method: str, path: str, status: int
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("LiteLLM was asked")

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope = {**SCOPE, "method": method, "path": path, "headers": headers}
    await Door(app, KEY, _never)(scope, _nothing, send)
    assert sent[0]["status"] == status


async def test_that_it_is_warm_is_heard_at_the_door() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("LiteLLM was asked")

    sent: list[dict[str, Any]] = []
    heard: list[str] = []

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope = {**SCOPE, "method": "GET", "path": "/health/warm"}
    await Door(app, KEY, lambda: heard.append("warm"))(scope, _nothing, send)
    assert heard == ["warm"]
    assert sent[0]["status"] == 200
