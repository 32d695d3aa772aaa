"""key, models, decisions, jobs, budget, free and env, against a daemon's answers."""

from __future__ import annotations

import shlex
import sys
import threading

import pytest


def test_key_create_prints_the_key_alone(xswarm, daemon):
    daemon.on("POST", "/v1/keys", {"id": "key_1", "key": "xs-new"}, 201)
    ran = xswarm("key", "create", "--project", "p", "--rate-limit", "60", "--daily-budget", "2.5")
    assert ran.out == "xs-new\n"
    assert daemon.asked[0]["body"] == {
        "role": "client",
        "project": "p",
        "rateLimit": {"requestsPerMinute": 60},
        "budget": {"daily": 2.5},
    }


def test_a_budget_of_zero_is_a_budget(xswarm, daemon):
    daemon.on("POST", "/v1/keys", {"id": "key_1", "key": "xs-new"}, 201)
    xswarm("key", "create", "--daily-budget", "0")
    assert daemon.asked[0]["body"]["budget"] == {"daily": 0}


def test_key_list_and_revoke(xswarm, daemon):
    daemon.on("GET", "/v1/keys", {"keys": [{"id": "key_1", "role": "admin"}]})
    daemon.on("DELETE", "/v1/keys/key_1", {"revoked": True})
    assert "key_1" in xswarm("key", "list").out
    assert xswarm("key", "list", "--json").json["keys"][0]["id"] == "key_1"
    assert xswarm("key", "revoke", "key_1").code == 0


def test_models_with_filters(xswarm, daemon):
    row = {
        "provider": "groq",
        "name": "openai/gpt-oss-120b",
        "intelligence": 5.0,
        "costPer1M": {"input": 0.15, "output": 0.6},
        "available": False,
        "unavailableReason": "spent until noon",
    }
    free = {"provider": "ollama", "name": "x", "costPer1M": None, "available": True}
    daemon.on("GET", "/v1/models", {"data": [], "models": [row, free]})
    ran = xswarm("models", "--available", "--free", "--provider", "groq")
    assert "groq/openai/gpt-oss-120b" in ran.out
    assert "spent until noon" in ran.out
    assert daemon.asked[0]["query"] == "available=true&provider=groq&free=true"
    assert xswarm("models", "--json").json["models"] == [row, free]


def test_decisions_list_and_one(xswarm, daemon):
    daemon.on("GET", "/v1/decisions", {"decisions": [{"id": "d1", "model": "groq/x"}]})
    one = {"id": "d1", "reason": "why", "attempts": [{"number": 1, "outcome": "overloaded"}]}
    daemon.on("GET", "/v1/decisions/d1", one)
    assert "groq/x" in xswarm("decisions", "--tail", "5").out
    assert daemon.asked[0]["query"] == "limit=5"
    shown = xswarm("decisions", "d1")
    assert "overloaded" in shown.out
    assert "why" in shown.out
    assert xswarm("decisions", "d1", "--json").json == one


def test_a_failed_job_is_a_failure(xswarm, daemon):
    daemon.on("POST", "/v1/jobs/registry/run", {"lastResult": "failed: no", "failures": 2})
    ran = xswarm("jobs", "run", "registry")
    assert (ran.code, ran.out) == (1, "registry: failed: no\n")


def test_a_running_job_tells_how_far_it_is(xswarm, daemon, monkeypatch):
    told = threading.Event()
    jobs = sys.modules["freeloader.cli.commands.jobs"]
    monkeypatch.setattr(jobs, "_LOOK_S", 0.01)
    monkeypatch.setattr(jobs, "run_job", lambda name: told.wait(20) and {"lastResult": "done"})
    monkeypatch.setattr(jobs, "note", lambda text: (said.append(text), told.set()))
    said: list[str] = []
    daemon.on("GET", "/v1/jobs", {"jobs": [{"name": "registry", "progress": "page 2"}]})
    assert xswarm("jobs", "run", "registry").out == "registry: done\n"
    assert said == ["registry: page 2 …"]


def test_jobs(xswarm, daemon):
    daemon.on("GET", "/v1/jobs", {"jobs": [{"name": "retention", "nextDue": "soon"}]})
    daemon.on("POST", "/v1/jobs/retention/run", {"lastResult": "3 rows"})
    assert "soon" in xswarm("jobs", "list").out
    assert xswarm("jobs", "run", "retention").out == "retention: 3 rows\n"


def test_budget_and_free(xswarm, daemon):
    budget = {"daily": {"limit": 5, "spent": 1.5, "held": 0.0, "remaining": 3.5},
              "projects": {"a": {"daily": {"limit": None, "spent": 0}}},
              "alerts": [{"type": "soft", "message": "80 % is spent"}]}  # fmt: skip
    daemon.on("GET", "/v1/budget", budget)
    daemon.on(
        "GET", "/v1/free-tiers", {"windows": [{"provider": "groq", "account": 1, "limit": None}]}
    )
    ran = xswarm("budget", "show")
    assert "all daily" in ran.out
    assert "$3.50" in ran.out
    assert "a daily" in ran.out
    assert "80 % is spent" in ran.err
    shown = xswarm("free")
    assert "groq@1" in shown.out
    assert "unknown" in shown.out
    assert xswarm("free", "--json").json["windows"][0]["provider"] == "groq"


def test_env_is_for_a_shell(xswarm, daemon, home):
    (home / "client.key").write_text("xs-od'd key\n")
    ran = xswarm("env")
    words = shlex.split(ran.out)
    assert words == [
        "export",
        f"OPENAI_BASE_URL={daemon.address}/v1",
        "OPENAI_API_KEY=xs-od'd key",
    ]
    assert xswarm("env", "--json").json["OPENAI_API_KEY"] == "xs-od'd key"


def test_env_with_the_daemon_stopped_names_the_configured_address(xswarm, home):
    (home / "config.toml").write_text("[server]\nport = 3456\n")
    assert "OPENAI_BASE_URL=http://127.0.0.1:3456/v1" in xswarm("env").out


@pytest.mark.parametrize(
    ("words", "body"),
    [
        ((), {}),
        (("groq",), {"provider": "groq"}),
        (("groq@2",), {"provider": "groq", "idx": 2}),
    ],
)
def test_free_reset_forgets_what_was_named(xswarm, daemon, words, body):
    rows = [{"provider": "groq", "idx": 2}]
    daemon.on("GET", "/v1/accounts", {"accounts": rows})
    daemon.on("POST", "/v1/free-tiers/reset", {"reset": True, "windows": 3})
    ran = xswarm("free", "reset", *words)
    assert ran.code == 0, ran.err
    assert ran.out == "3 windows forgotten; no pause is left.\n"
    assert daemon.asked[-1]["body"] == body
    assert xswarm("free", "reset", *words, "--json").json == {"reset": True, "windows": 3}
    learnt = {"reset": True, "windows": 3, "learntForgotten": 0, "learntKept": 1}
    daemon.on("POST", "/v1/free-tiers/reset", learnt)
    assert "1 learnt limit kept; where wrong: xswarm free reset" in xswarm("free", "reset").err
    daemon.on("POST", "/v1/free-tiers/reset", {**learnt, "learntForgotten": 2, "learntKept": 0})
    ran = xswarm("free", "reset", *words, "--learnt")
    assert ran.out.endswith("2 learnt limits forgotten.\n")
    assert daemon.asked[-1]["body"] == {**body, "learnt": True}


@pytest.mark.parametrize(
    ("name", "code"), [("mistral", 1), ("groq@1", 1), ("groq@", 2), ("@1", 2), ("", 2), ("a@b", 2)]
)
def test_free_reset_of_what_is_not_there_resets_nothing(xswarm, daemon, name, code):
    daemon.on("GET", "/v1/accounts", {"accounts": [{"provider": "groq", "idx": 2}]})
    ran = xswarm("free", "reset", name)
    assert ran.code == code
    assert all(asked["method"] == "GET" for asked in daemon.asked)
