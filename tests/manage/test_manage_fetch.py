from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from manage_fakes import cloud

from freeloader.core.model import Account, Provider
from freeloader.manage import fetch
from freeloader.manage.models import NotAList, known_of, model_ids

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Server = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Server]:
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"object": "list", "data": [{"id": "a/b"}, {"id": "c:free"}]}, ("a/b", "c:free")),
        ([{"id": "togethercomputer/x", "object": "model"}], ("togethercomputer/x",)),
        ({"models": [{"name": "models/gemini-3", "version": "1"}]}, ("gemini-3",)),
        ({"models": [{"name": "command-r", "endpoints": ["chat"]}]}, ("command-r",)),
        ({"result": [{"id": "9f-uuid", "name": "@cf/meta/x"}], "success": True}, ("@cf/meta/x",)),
        ({"models": [{"name": "llama3:8b", "model": "llama3:8b"}]}, ("llama3:8b",)),
        ({"data": [{"id": "local-model", "object": "model"}], "object": "list"}, ("local-model",)),
        ({"data": [{"id": "a"}, {"id": "a"}, {"id": ""}, {"id": 3}, None, {}]}, ("a",)),
        (["x", "y"], ("x", "y")),
        ({"data": []}, ()),
        ({"data": {"m1": {"ctx": 1}, "m2": {}}}, ("m1", "m2")),
    ],
)
def test_every_shape_of_list(body: Any, ids: tuple[str, ...]) -> None:
    assert model_ids(body) == ids


@pytest.mark.parametrize("body", [{}, {"data": "x"}, "text", None, 5, {"error": {"code": 1}}])
def test_what_is_no_list(body: Any) -> None:
    with pytest.raises(NotAList):
        model_ids(body)


def test_intersection_ignores_case_and_latest() -> None:
    assert known_of(["LLaMA3:latest", "x"], ["llama3", "y"]) == ("llama3",)


def at(base: str, **changes: Any) -> Provider:
    return cloud("p", base_url=f"{base}/v1", **changes)


@pytest.mark.parametrize(
    ("wire", "header", "value"),
    [
        ("openai", "Authorization", "Bearer KEY"),
        ("anthropic", "x-api-key", "KEY"),
        ("gemini", "x-goog-api-key", "KEY"),
    ],
)
async def test_the_key_goes_in_the_wires_own_header(
    serve: Server, wire: str, header: str, value: str
) -> None:
    seen: list[dict[str, str]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        return web.json_response({"data": [{"id": "m"}]})

    base = await serve(handler)
    provider = Provider("p", "P", "cloud", "active", "p", wire, f"{base}/v1", models_path="/models")
    listing = await fetch.fetch_models(provider, Account("p", 1), {"api_key": "KEY"})
    assert listing.models == ("m",)
    assert seen[0][header] == value
    assert sum("KEY" in v for v in seen[0].values()) == 1


async def test_redirects_are_not_followed_and_no_other_host_sees_the_key(serve: Server) -> None:
    stolen: list[str] = []

    async def thief(request: web.Request) -> web.Response:
        stolen.append(request.headers.get("Authorization", ""))
        return web.json_response({"data": []})

    elsewhere = await serve(thief)

    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"{elsewhere}/models")

    base = await serve(handler)
    listing = await fetch.fetch_models(at(base), Account("p", 1), {"api_key": "KEY"})
    assert not listing.ok
    assert "redirects" in listing.reason
    assert stolen == []


@pytest.mark.parametrize(
    ("status", "body", "reason", "refused"),
    [
        (401, "{}", "refused (401)", True),
        (403, "{}", "refused (403)", True),
        (500, "oops", "answers 500", False),
        (200, "<html>", "no model list", False),
        (200, json.dumps({"error": "x"}), "no model list", False),
        (200, "[" * 200_000, "no model list", False),
    ],
)
async def test_bad_answers(
    serve: Server, status: int, body: str, reason: str, refused: bool
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    listing = await fetch.fetch_models(at(await serve(handler)), Account("p", 1), {"api_key": "K"})
    assert not listing.ok
    assert reason in listing.reason
    assert listing.refused is refused
    assert listing.reachable


async def test_endless_and_silent_answers_end(serve: Server, monkeypatch: Any) -> None:
    monkeypatch.setattr(fetch, "BODY_MAX", 1 << 20)

    async def flood(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(100):
            await answer.write(b"x" * 65_536)
        return answer

    listing = await fetch.fetch_models(at(await serve(flood)), Account("p", 1), {})
    assert "more than 1 MB" in listing.reason

    async def silent(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await asyncio.Event().wait()
        return answer

    listing = await fetch.fetch_models(at(await serve(silent)), Account("p", 1), {}, seconds=0.2)
    assert not listing.ok
    assert "in time" in listing.reason


async def test_nobody_there() -> None:
    listing = await fetch.fetch_models(
        at("http://127.0.0.1:9"), Account("p", 1), {"api_key": "SECRETKEY"}, seconds=2
    )
    assert not listing.ok
    assert not listing.reachable
    assert "SECRETKEY" not in listing.reason


async def test_a_public_list_does_not_make_a_bad_key_good(serve: Server) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/key"):
            return web.Response(status=401)
        return web.json_response({"data": [{"id": "m"}]})

    provider = at(await serve(handler), quota_path="/key")
    assert (await fetch.fetch_models(provider, Account("p", 1), {"api_key": "K"})).refused
    assert (await fetch.fetch_models(provider, Account("p", 1), {})).ok


@pytest.mark.parametrize(
    ("base", "path", "endpoint", "params", "url"),
    [
        ("https://h/v1", "/models", None, {}, "https://h/v1/models"),
        ("https://h/v1/", "models", None, {}, "https://h/v1/models"),
        ("https://h/v1", "/models", "http://mine:1/api", {}, "http://mine:1/api/models"),
        ("https://h/v1", "https://other/v1/models", None, {}, "https://other/v1/models"),
        # An own endpoint: the key must not go to the registry's address.
        ("https://h/v1", "https://other/v1/models", "http://m:1/v1", {}, "http://m:1/v1/models"),
        (
            "https://h/{account_id}",
            "/models",
            None,
            {"account_id": "a/b"},
            "https://h/a%2Fb/models",
        ),
        ("https://h/{account_id}", "/models", None, {}, None),
        (None, None, "http://m:1/v1", {}, "http://m:1/v1/models"),
        (None, None, None, {}, None),
        ("https://h", None, None, {}, None),
    ],
)
def test_where_the_list_is(
    base: str | None, path: str | None, endpoint: str | None, params: dict[str, str], url: str
) -> None:
    provider = cloud("p", base_url=base, models_path=path)
    account = Account("p", 1, endpoint=endpoint, params=params)
    assert fetch.models_url(provider, account) == url
