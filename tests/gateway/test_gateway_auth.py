"""Who may call: every registered route, every kind of key, host and origin tables."""

from __future__ import annotations

import re
from typing import Any

import pytest
from front_fakes import ADMIN, BOUND, CLIENT, HELLO, VIEWER, House, ServerPart, well_formed

from freeloader.gateway import routes as nouns
from freeloader.gateway.keys import ADMIN as FOR_ADMIN
from freeloader.gateway.keys import INFERENCE, PUBLIC
from freeloader.gateway.routes.table import Route

TABLE: list[Route] = nouns.build(House().services())
IDS = [f"{route.method} {route.path}" for route in TABLE]
BAD_KEYS: dict[str, dict[str, str]] = {
    "none": {},
    "wrong": {"Authorization": "Bearer xs-nope"},
    "empty": {"Authorization": "Bearer "},
    "no scheme": {"Authorization": CLIENT},
    "basic": {"Authorization": f"Basic {ADMIN}"},
    "overlong": {"Authorization": "Bearer " + "x" * 4000},
    "wrong x-api-key": {"x-api-key": "xs-nope"},
    "empty x-api-key": {"x-api-key": ""},
    "two different": {"Authorization": f"Bearer {ADMIN}", "x-api-key": CLIENT},
    "good beside bad": {"Authorization": "Bearer xs-nope", "x-api-key": ADMIN},
    "cookie": {"Cookie": f"key={ADMIN}; Authorization=Bearer {ADMIN}"},
    "prefix": {"Authorization": f"Bearer {ADMIN[:-1]}"},
    "longer": {"Authorization": f"Bearer {ADMIN}x"},
}


def concrete(route: Route) -> str:
    return re.sub(r"\{[^}]*\}", "1", route.path)


@pytest.mark.parametrize("route", TABLE, ids=IDS)
async def test_h6_no_route_answers_a_bad_key(route: Route, house: House) -> None:
    for name, headers in BAD_KEYS.items():
        path = concrete(route) + f"?key={ADMIN}&api_key={ADMIN}"
        async with house.call(route.method, path, None, headers=headers) as response:
            if route.access == PUBLIC:
                assert response.status != 401, name
                continue
            assert response.status == 401, name
            assert well_formed(await response.json())["code"] == "invalid_api_key"
    assert house.owner.calls == []
    assert house.pipeline.profiles == []


@pytest.mark.parametrize("route", TABLE, ids=IDS)
async def test_h6_a_lesser_role_is_refused(route: Route, house: House) -> None:
    lesser = {FOR_ADMIN: (CLIENT, VIEWER, BOUND), INFERENCE: (VIEWER,)}.get(route.access, ())
    for key in lesser:
        async with house.call(route.method, concrete(route), key, json={}) as response:
            assert response.status == 403
            assert well_formed(await response.json())["code"] == "forbidden"
    assert house.owner.calls == []


@pytest.mark.parametrize("key", [CLIENT, ADMIN])
async def test_x_api_key_is_as_good_as_bearer(key: str, house: House) -> None:
    for headers in ({"x-api-key": key}, {"Authorization": f"bearer {key}", "x-api-key": key}):
        status, _, _ = await house.ask(HELLO, key=None, headers=headers)
        assert status == 200


async def test_h6_unknown_paths_need_a_key_too(house: House) -> None:
    for path in ("/", "/nope", "/v1/../v1/config", "/health/", "/Health"):
        async with house.call("GET", path, None) as response:
            assert response.status in (400, 401), path
            well_formed(await response.json())


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("localhost", True),
        ("localhost:3000", True),
        ("LOCALHOST:1", True),
        ("localhost.", True),
        ("localhost.:3000", True),
        ("127.0.0.1", True),
        ("127.0.0.1:65535", True),
        ("127.8.9.1:3000", True),
        ("[::1]", True),
        ("[::1]:3000", True),
        ("[0:0:0:0:0:0:0:1]:3000", True),
        ("[::ffff:127.0.0.1]", True),
        ("host.docker.internal:3000", True),
        ("freeloader.lan", True),
        ("freeloader.lan:3000", True),
        ("box.lan:8080", True),
        ("box.lan:8081", False),
        ("a.wild.example", True),
        ("wild.example", False),
        ("evilwild.example", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("evil.example:3000", False),
        ("evillocalhost", False),
        ("evil.localhost", False),
        ("localhost..", False),
        ("localhost@evil.example", False),
        ("evil.example@localhost", False),
        ("localhost:3000@evil.example", False),
        ("localhost/", False),
        ("localhost/?x=", False),
        ("localhost?x", False),
        ("localhost#x", False),
        ("localhost:", False),
        ("localhost:0", False),
        ("localhost:99999", False),
        ("localhost:3000:3000", False),
        ("localhost:x", False),
        ("localhost, evil.example", False),
        ("localhost evil", False),
        ("[::1", False),
        ("::1", False),
        ("[::2]", False),
        ("[::1]evil.example", False),
        ("[::1%25lo]", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("2130706433", False),
        ("0x7f.1", False),
        ("127.1", False),
        ("host.docker.internal.evil.example", False),
        ("", False),
        ("*", False),
        (".", False),
        ("localhost\x00", False),
    ],
)
def test_h4_hosts(host: str, good: bool) -> None:
    from freeloader.gateway.guards.hosts import host_allowed, parse_host

    parsed = parse_host(host)
    allowed = ("freeloader.lan", "box.lan:8080", "*.wild.example")
    assert (parsed is not None and host_allowed(parsed, ("127.0.0.1",), allowed)) is good


async def test_h4_a_strange_host_is_refused_before_anything_else(house: House) -> None:
    for path in ("/health", "/ready", "/v1/models", "/nope"):
        status, body, _ = await house.get(path, headers={"Host": "evil.example"})
        assert status == 403
        assert well_formed(body)["code"] == "host_not_allowed"


async def test_h4_raw_requests_without_one_host_are_refused(house: House) -> None:
    end = b"Connection: close\r\n\r\n"
    good = b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + end
    assert b" 200 " in await house.raw(good)
    for head in (
        b"GET /health HTTP/1.1\r\n",
        b"GET /health HTTP/1.0\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n",
        b"GET http://localhost/health HTTP/1.1\r\nHost: evil.example\r\n",
        b"GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\n",
        b"GET //health HTTP/1.1\r\nHost: localhost\r\n",
    ):
        answered = await house.raw(head + end)
        assert b" 200 " not in answered.split(b"\r\n")[0], head


async def test_h3_dotted_and_doubled_paths_open_nothing(house: House) -> None:
    for target in (
        b"/v1/%2e%2e/v1/config",
        b"/health/../v1/config",
        b"/health/%2e%2e/v1/config",
        b"/health%2f..%2fv1/config",
        b"/v1//config",
        b"/v1/config%00",
        b"/v1/config;/health",
        b"/v1/config?/health",
        b"/v1/config#/health",
    ):
        head = b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        status = (await house.raw(head)).split(b"\r\n")[0]
        assert b" 401 " in status or b" 400 " in status, target


ORIGINS: list[tuple[str, dict[str, str], bool]] = [
    ("none", {}, True),
    ("own", {"Origin": "http://127.0.0.1:{port}"}, True),
    ("own by name", {"Origin": "http://localhost:{port}"}, True),
    ("own page", {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}, True),
    ("typed in", {"Sec-Fetch-Site": "none"}, True),
    ("listed", {"Origin": "https://app.example"}, True),
    ("listed, cross", {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}, True),
    ("other port", {"Origin": "http://localhost:1"}, False),
    ("foreign", {"Origin": "https://evil.example"}, False),
    ("null", {"Origin": "null"}, False),
    ("suffix", {"Origin": "https://app.example.evil.example"}, False),
    ("prefix", {"Origin": "https://evilapp.example"}, False),
    ("scheme", {"Origin": "http://app.example"}, False),
    ("own host, evil user", {"Origin": "http://localhost:{port}@evil.example"}, False),
    ("file", {"Origin": "file://"}, False),
    ("empty", {"Origin": ""}, False),
    ("cross without origin", {"Sec-Fetch-Site": "cross-site"}, False),
    ("cross in capitals", {"Sec-Fetch-Site": "Cross-Site"}, False),
    ("own but cross", {"Origin": "http://localhost:{port}", "Sec-Fetch-Site": "cross-site"}, False),
]


@pytest.mark.parametrize(("name", "headers", "good"), ORIGINS, ids=[row[0] for row in ORIGINS])
async def test_h5_origins(name: str, headers: dict[str, str], good: bool, house: House) -> None:
    house.server = ServerPart(cors_origins=("https://app.example",))
    filled = {key: value.replace("{port}", str(house.port)) for key, value in headers.items()}
    status, body, got = await house.ask(HELLO, headers=filled)
    if good:
        assert status == 200
        assert got.get("Access-Control-Allow-Origin") == filled.get("Origin")
    else:
        assert status == 403
        assert well_formed(body)["code"] == "origin_not_allowed"
        assert "Access-Control-Allow-Origin" not in got
        assert house.pipeline.profiles == []


async def test_h5_preflight_of_a_listed_origin_needs_no_key(house: House) -> None:
    house.server = ServerPart(cors_origins=("https://app.example",))
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os,b@d",
    }
    async with house.call("OPTIONS", "/v1/chat/completions", None, headers=asked) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
        names = response.headers["Access-Control-Allow-Headers"].split(", ")
        assert names == ["authorization", "content-type", "x-stainless-os"]
    asked["Origin"] = "https://evil.example"
    async with house.call("OPTIONS", "/v1/chat/completions", None, headers=asked) as response:
        assert response.status == 403
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_h5_no_wildcard_is_ever_sent(house: House) -> None:
    house.server = ServerPart(cors_origins=("*",))
    status, _, got = await house.ask(HELLO, headers={"Origin": "https://evil.example"})
    assert status == 403
    assert "*" not in got.values()


async def test_a_bound_key_sees_and_names_its_own_project_only(house: House) -> None:
    assert (await house.get("/v1/budget", BOUND))[0] == 200
    assert house.books.asked == ["alpha"]
    assert (await house.get("/v1/budget?project=alpha", BOUND))[0] == 200
    assert (await house.get("/v1/budget?project=beta", BOUND))[0] == 403
    assert (await house.get("/v1/decisions?project=beta", BOUND))[0] == 403
    assert (await house.get("/v1/decisions", BOUND))[0] == 200
    assert house.owner.calls[-1] == ("list_decisions", "alpha", 50, None)
    assert (await house.get("/v1/decisions/d-alpha", BOUND))[0] == 200
    assert (await house.get("/v1/decisions/d-beta", BOUND))[0] == 404
    assert (await house.get("/v1/decisions/d-beta", ADMIN))[0] == 200
    status, body, _ = await house.ask({**HELLO, "project": "beta"}, key=BOUND)
    assert (status, well_formed(body)["code"]) == (403, "forbidden")
    headers: dict[str, Any] = {"X-Freeloader-Project": "beta"}
    assert (await house.ask(HELLO, key=BOUND, headers=headers))[0] == 403
    assert (await house.ask(HELLO, key=BOUND))[0] == 200
    assert house.pipeline.profiles[-1].project == "alpha"
