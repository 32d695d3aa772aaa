"""What an adapter fetches beside its call is not the provider's answer."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from freeloader.child.inside import tap
from freeloader.child.inside.tap import Wire, attach


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
