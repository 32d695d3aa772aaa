"""Information and management routes, the 501 table, and the document that describes them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from front_fakes import ADMIN, BOUND, CLIENT, HELLO, NOW, VIEWER, House, well_formed

from freeloader.core.model import Verdict
from freeloader.gateway.routes.later import LATER


@pytest.mark.parametrize(("method", "path", "access", "_"), LATER, ids=[r[1] for r in LATER])
async def test_later_routes_say_so(
    method: str, path: str, access: str, _: str, house: House
) -> None:
    target = path.replace("{id}", "1")
    async with house.call(method, target, None) as response:
        assert response.status == 401
    async with house.call(method, target, ADMIN) as response:
        assert response.status == 501
        assert well_formed(await response.json())["code"] == "not_implemented"
        assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "not_found"),
        ("POST", "/v1/nope", 404, "not_found"),
        ("DELETE", "/v1/chat/completions", 405, "method_not_allowed"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("PUT", "/v1/config", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/config", 405, "method_not_allowed"),
        ("GET", "/v1/accounts/groq/0", 405, "method_not_allowed"),
        ("DELETE", "/v1/accounts/groq/x", 404, "not_found"),
        ("POST", "/v1/jobs/none/run", 404, "not_found"),
        ("GET", "/v1/decisions/none", 404, "not_found"),
        ("GET", "/v1/models/none", 404, "model_not_found"),
    ],
)
async def test_every_wrong_turn_has_the_error_shape(
    method: str, path: str, status: int, code: str, house: House
) -> None:
    async with house.call(method, path, ADMIN) as response:
        assert response.status == status
        assert well_formed(await response.json())["code"] == code
        assert response.headers["X-Request-Id"]
        if status == 405:
            assert response.headers["Allow"]


async def test_health_needs_no_key_and_says_little(house: House) -> None:
    assert (await house.get("/health", None))[:2] == (200, {"status": "ok"})
    assert (await house.get("/ready", None))[:2] == (200, {"status": "ready"})
    house.state = "starting"
    assert (await house.get("/ready", None))[:2] == (503, {"status": "starting"})
    async with house.call("HEAD", "/health", None) as response:
        assert response.status == 200


async def test_the_full_health(house: House) -> None:
    status, body, _ = await house.get("/v1/health", ADMIN)
    assert status == 200
    assert body["status"] == "healthy"
    assert body["providers"] == {"groq": "ok", "mistral": "disabled", "ollama": "ok"}
    assert (body["uptime"], body["requestsToday"]) == (60, 7)
    assert body["child"]["log"] == ["line of the child"]
    assert (body["simulated"], body["problems"]) == (True, ["a.json: bad"])
    _, body, _ = await house.get("/v1/health", VIEWER)
    assert set(body["child"]) == {"state", "pid", "rssBytes", "restarts", "lastExit", "since"}
    assert "problems" not in body, "they name files of the owner"


@pytest.mark.parametrize(
    ("child", "word"),
    [("ready", "healthy"), ("starting", "degraded"), ("backoff", "degraded"), ("fatal", "down")],
)
async def test_health_without_a_child_is_no_health(child: str, word: str, house: House) -> None:
    house.owner.child_state = child
    _, body, _ = await house.get("/v1/health", ADMIN)
    assert body["status"] == word
    assert body["reason"] == (None if word == "healthy" else f"the LiteLLM child is {child}")


async def test_health_is_not_whole_while_nothing_is_paid_for(house: House) -> None:
    _, body, _ = await house.get("/v1/health", ADMIN)
    assert (body["status"], body["reason"]) == ("healthy", None)
    house.books.no_money = "freeloader.db is locked"
    _, body, _ = await house.get("/v1/health", ADMIN)
    assert body["status"] == "degraded"
    assert "freeloader.db is locked" in body["reason"]


async def test_the_503_of_a_probe_is_no_warning(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.state = "starting"
    with caplog.at_level("INFO"):
        assert (await house.get("/ready", None))[0] == 503
    assert "/ready" not in caplog.text


async def test_health_tells_spent_from_broken(house: House) -> None:
    spent = Verdict("quota", "quota_exhausted", "spent", until=NOW.wall + 60)
    house.books.quotas = {name: spent for name in house.books.deployments if "groq" in name}
    _, body, _ = await house.get("/v1/health")
    assert (body["providers"]["groq"], body["status"]) == ("quota_exceeded", "healthy")
    house.books.pauses = {
        name: Verdict("breaker", "upstream_failed", "open") for name in house.books.deployments
    }
    _, body, _ = await house.get("/v1/health")
    assert (body["providers"]["groq"], body["status"]) == ("error", "down")
    assert body["reason"].startswith("left alone after failures")
    assert "groq" in body["reason"]


MANAGED: list[tuple[str, str, Any, int, tuple[Any, ...]]] = [
    ("POST", "/v1/accounts", {"provider": "groq"}, 201,
     ("add_account", {"provider": "groq"}, "k-admin")),
    ("PATCH", "/v1/accounts/groq/1", {"enabled": False}, 200,
     ("change_account", "groq", 1, {"enabled": False}, "k-admin")),
    ("DELETE", "/v1/accounts/groq/1", None, 200, ("remove_account", "groq", 1, "k-admin")),
    ("POST", "/v1/accounts/groq/1/test", {}, 200, ("test_account", "groq", 1, "k-admin")),
    ("POST", "/v1/keys", {"role": "client"}, 201, ("create_key", {"role": "client"}, "k-admin")),
    ("DELETE", "/v1/keys/k-9", None, 200, ("revoke_key", "k-9", "k-admin")),
    ("POST", "/v1/config", {"a": 1}, 200, ("change_config", {"a": 1}, "k-admin")),
    ("POST", "/v1/config/rollback", {"version": 3}, 200, ("rollback_config", 3, "k-admin")),
    ("POST", "/v1/config/import", {"b": 1}, 200, ("import_config", {"b": 1}, "k-admin")),
    ("GET", "/v1/config/history?limit=7", None, 200, ("config_history", 7)),
    ("POST", "/v1/jobs/retention/run", {}, 200, ("run_now", "retention")),
    ("POST", "/v1/jobs/retention/run", None, 200, ("run_now", "retention")),
    ("GET", "/v1/decisions?limit=3&project=x&before=d-9", None, 200,
     ("list_decisions", "x", 3, "d-9")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "call"), MANAGED, ids=[f"{r[0]} {r[1]}" for r in MANAGED]
)
async def test_management_is_handed_on(
    method: str, path: str, body: Any, status: int, call: tuple[Any, ...], house: House
) -> None:
    options = {} if body is None else {"json": body}
    async with house.call(method, path, ADMIN, **options) as response:
        assert response.status == status
    assert house.owner.calls == [call]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/config", {}),
        ("POST", "/v1/config/rollback", {}),
        ("POST", "/v1/config/rollback", {"version": "3"}),
        ("POST", "/v1/config/rollback", {"version": True}),
        ("POST", "/v1/config/rollback", {"version": 3, "x": 1}),
        ("PATCH", "/v1/accounts/groq/1", {}),
        ("GET", "/v1/config/history?limit=0", None),
        ("GET", "/v1/decisions?limit=9999", None),
        ("GET", "/v1/decisions?limmit=1", None),
        ("GET", "/v1/budget?projekt=a", None),
    ],
)
async def test_management_bodies_are_checked(
    method: str, path: str, body: Any, house: House
) -> None:
    options = {} if body is None else {"json": body}
    async with house.call(method, path, ADMIN, **options) as response:
        assert response.status == 400
        well_formed(await response.json())
    assert house.owner.calls == []


async def test_lists_have_their_names(house: House) -> None:
    for path, name in (
        ("/v1/accounts", "accounts"), ("/v1/keys", "keys"), ("/v1/jobs", "jobs"),
        ("/v1/config/history", "history"), ("/v1/decisions", "decisions"),
        ("/v1/free-tiers", "windows"), ("/v1/config", "config"),
    ):  # fmt: skip
        status, body, _ = await house.get(path)
        assert status == 200
        assert name in body


async def test_debug_explains_and_begins_nothing(house: House) -> None:
    for body in (HELLO, {"prompt": "x"}):
        status, answer, headers = await house.ask({**body, "top_k": 1}, "/v1/router/debug")
        assert (status, answer["winner"]) == (200, "groq@0/small")
        assert headers["X-Freeloader-Dropped"] == "top_k"
    assert [p.operation for p in house.pipeline.profiles] == ["chat", "completion"]
    assert house.pipeline.runs == []


async def test_the_document_describes_exactly_what_is_there(house: House) -> None:
    status, document, _ = await house.get("/openapi.json", CLIENT)
    assert status == 200
    described = {
        (method.upper(), path) for path, row in document["paths"].items() for method in row
    }
    assert house.running is not None
    registered = {
        (route.method, re.sub(r"\{([a-z]+):[^}]*\}", r"{\1}", route.resource.canonical))
        for route in house.running.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    later = {(method, path) for method, path, *_ in LATER}
    assert described == registered - later, "what is not built is not described"
    ids = [row["operationId"] for path in document["paths"].values() for row in path.values()]
    assert len(ids) == len(set(ids))
    assert _references(document) <= {
        f"#/components/schemas/{name}" for name in document["components"]["schemas"]
    }
    open_paths = {p for p, row in document["paths"].items() for one in row.values()
                  if one.get("security") == []}  # fmt: skip
    assert open_paths == {"/health", "/ready"}


@pytest.mark.parametrize(
    ("path", "shape", "needs"),
    [("/v1/chat/completions", "ChatRequest", {"messages": [{"role": "user", "content": "hi"}]}),
     ("/v1/completions", "CompletionRequest", {"prompt": "hi"})],
)  # fmt: skip
async def test_null_says_the_same_as_nothing_and_is_described_so(
    path: str, shape: str, needs: dict[str, Any], house: House
) -> None:
    _, document, _ = await house.get("/openapi.json", CLIENT)
    described = document["components"]["schemas"][shape]
    assert described["required"] == [*needs]
    optional = {name: one for name, one in described["properties"].items() if name not in needs}
    assert all(None in one.get("enum", ()) or "null" in one["type"] for one in optional.values())
    assert (await house.ask({**dict.fromkeys(optional), **needs}, path))[0] == 200


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(_references(one) for one in value.values()))
    if isinstance(value, list):
        return set[str]().union(*(_references(one) for one in value))
    return set()


@pytest.mark.parametrize(
    ("body", "reset"),
    [({}, (None, None)), ({"provider": "groq"}, ("groq", None)),
     ({"provider": "groq", "idx": 0}, ("groq", 0))],
)  # fmt: skip
async def test_free_windows_can_be_reset(body: Any, reset: Any, house: House) -> None:
    status, answered, _ = await house.ask(body, "/v1/free-tiers/reset", key=ADMIN)
    learnt = {"learntForgotten": 0, "learntKept": 2}
    assert (status, answered) == (200, {"reset": True, "windows": 3, **learnt})
    assert house.books.resets == [reset]
    body = {**body, "learnt": True}
    status, answered, _ = await house.ask(body, "/v1/free-tiers/reset", key=ADMIN)
    assert (answered["learntForgotten"], answered["learntKept"]) == (2, 0)


@pytest.mark.parametrize("body", [{"provider": "grok"}, {"provider": "groq", "idx": 1}])
async def test_a_reset_of_what_nobody_has_is_no_success(body: Any, house: House) -> None:
    status, answered, _ = await house.ask(body, "/v1/free-tiers/reset", key=ADMIN)
    assert (status, well_formed(answered)["code"]) == (404, "not_found")
    assert house.books.resets == []


async def test_a_spike_is_confirmed_once_and_noted(house: House) -> None:
    for expected in (True, False):
        status, answered, _ = await house.ask({}, "/v1/budget/confirm", key=ADMIN)
        assert (status, answered) == (200, {"confirmed": expected})
    status, answered, _ = await house.ask({"all": 1}, "/v1/budget/confirm", key=ADMIN)
    assert (status, well_formed(answered)["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [{"idx": 1}, {"provider": 3}, {"provider": "groq", "idx": True}, {"all": True}, {"learnt": 1}],
)
async def test_a_wrong_reset_changes_nothing(body: Any, house: House) -> None:
    status, answered, _ = await house.ask(body, "/v1/free-tiers/reset", key=ADMIN)
    assert (status, well_formed(answered)["code"]) == (400, "invalid_request")
    assert house.books.resets == []


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/v1/analytics", ("analytics", "30d", None)),
        ("/v1/analytics?period=7d&project=x", ("analytics", "7d", "x")),
        ("/v1/usage?from=2026-11-01&to=2026-11-20&group=model",
         ("usage", "2026-11-01", "2026-11-20", "model", None)),
        ("/v1/audit", ("audit", 100, None, "all", None)),
        ("/v1/audit?limit=5&kind=changes&what=config&before=1.5",
         ("audit", 5, "1.5", "changes", "config")),
    ],
)  # fmt: skip
async def test_what_was_asked_of_the_past(path: str, call: tuple[Any, ...], house: House) -> None:
    status, _, _ = await house.get(path, ADMIN)
    assert status == 200
    assert house.owner.calls[-1] == call


@pytest.mark.parametrize("path", ["/v1/analytics", "/v1/usage", "/v1/decisions"])
async def test_a_bound_key_sees_its_own_project(path: str, house: House) -> None:
    assert (await house.get(path, BOUND))[0] == 200
    assert "alpha" in house.owner.calls[-1]
    status, body, _ = await house.get(f"{path}?project=beta", BOUND)
    assert (status, well_formed(body)["code"]) == (403, "forbidden")
    assert (await house.get("/v1/audit", BOUND))[0] == 403


@pytest.mark.parametrize(
    "path",
    ["/v1/analytics?perod=7d", "/v1/usage?grup=day", "/v1/audit?kind=none", "/v1/audit?limit=0",
     "/v1/decisions?from=soon", "/v1/decisions?outcme=ok"],
)  # fmt: skip
async def test_wrong_questions_are_refused(path: str, house: House) -> None:
    status, body, _ = await house.get(path, ADMIN)
    assert (status, well_formed(body)["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("path", "words"),
    [("/v1/usage?group=", "day, hour, provider"), ("/v1/audit?kind=", "all, changes, requests"),
     ("/v1/export?format=", "jsonl, csv"), ("/v1/discovery/proposals?state=", "pending, applied")],
)  # fmt: skip
async def test_an_empty_word_is_none_of_those_that_are_named(
    path: str, words: str, house: House
) -> None:
    status, body, _ = await house.get(path, ADMIN)
    error = well_formed(body)
    assert (status, error["code"]) == (400, "invalid_request")
    assert f"it is one of: {words}" in error["message"]


async def test_decisions_are_filtered(house: House) -> None:
    query = "outcome=answered&provider=groq&model=m&key=k&task=code&strategy=balanced"
    assert (await house.get(f"/v1/decisions?{query}&from=2026-11-20&limit=7"))[0] == 200
    assert house.owner.only == {
        "outcome": "answered", "provider": "groq", "model": "m", "key_id": "k", "task": "code",
        "strategy": "balanced", "since": 1_795_132_800.0,
    }  # fmt: skip


async def test_a_reset_is_written_down_before_it_is_done(house: House) -> None:
    async with house.call("POST", "/v1/free-tiers/reset", ADMIN, json={"provider": "groq"}) as got:
        assert got.status == 200
    assert ("note", "k-admin", "free-tiers.reset", "groq") in house.owner.calls
