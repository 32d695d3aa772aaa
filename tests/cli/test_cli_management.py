"""account, key, config, models and the other nouns, against a daemon's answers."""

from __future__ import annotations

import json
import shlex
import sys
import threading

import pytest
from click import UsageError
from hypothesis import given
from hypothesis import strategies as st

from freeloader.cli.commands.config import read_value, split_key

ADDED = {
    "added": True,
    "provider": "groq",
    "idx": 1,
    "verified": True,
    "modelsAvailable": ["a", "b"],
    "warnings": ["odd key"],
}


@pytest.mark.parametrize("words", [["groq", "-"], ["local", "groq", "-"]])
def test_account_add_reads_the_key_from_standard_input(xswarm, daemon, stdin, words):
    daemon.on("POST", "/v1/accounts", ADDED, 201)
    stdin("gsk_1\n")
    ran = xswarm("account", "add", *words, "--tier", "free", "--priority", "5")
    assert ran.code == 0
    assert daemon.asked[0]["body"] == {
        "provider": "groq",
        "key": "gsk_1",
        "tier": "free",
        "priority": 5,
    }
    assert daemon.asked[0]["key"] == "Bearer xsw-admin-key"
    assert "added groq@1" in ran.out
    assert "2 models: a, b" in ran.out
    assert "odd key" in ran.err
    assert "gsk_1" not in ran.out + ran.err


def test_account_add_takes_the_key_as_a_word_too(xswarm, daemon):
    daemon.on("POST", "/v1/accounts", ADDED, 201)
    assert xswarm("account", "add", "groq", "gsk_2").code == 0
    assert daemon.asked[0]["body"]["key"] == "gsk_2"


def test_account_add_sends_params_limits_and_pooling(xswarm, daemon):
    daemon.on("POST", "/v1/accounts", ADDED, 201)
    ran = xswarm("account", "add", "azure", "k", "--param", "api_version=2024", "--endpoint",
                 "https://x", "--limit", "requests=1000/1d", "--limit", "usd=0.5/month",
                 "--same-account-as", "2", "--json")  # fmt: skip
    assert ran.json == ADDED
    body = daemon.asked[0]["body"]
    assert body["params"] == {"api_version": "2024"}
    assert body["limits"] == [
        {"metric": "requests", "amount": 1000, "window": "1d"},
        {"metric": "usd", "amount": 0.5, "window": "month"},
    ]
    assert (body["endpoint"], body["sameAccountAs"]) == ("https://x", 2)


@pytest.mark.parametrize(
    "words",
    [
        ["local"],
        ["groq", "a", "b"],
        ["groq", "k", "--param", "x"],
        ["groq", "k", "--limit", "requests=many/1d"],
        ["groq", "k", "--limit", "requests=1/1y"],
    ],
)
def test_account_add_refuses_what_makes_no_sense(xswarm, daemon, words):
    ran = xswarm("account", "add", *words)
    assert ran.code == 2
    assert daemon.asked == []


def test_an_empty_key_is_refused_before_anything_is_sent(xswarm, daemon, stdin):
    stdin("")
    ran = xswarm("account", "add", "groq", "-")
    assert ran.code == 1
    assert "empty" in ran.err
    assert daemon.asked == []


def test_without_a_key_or_a_terminal_it_says_how_and_where_to_get_one(xswarm, daemon, stdin):
    stdin("")
    ran = xswarm("account", "add", "groq")
    assert ran.code == 1
    assert "https://console.groq.com/keys" in ran.err
    assert "`-`" in ran.err
    assert daemon.asked == []


def test_a_misspelt_provider_is_named_before_a_key_is_asked_for(xswarm, daemon):
    ran = xswarm("account", "add", "grok_cloud_x")
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1
    assert daemon.asked == []


def test_a_key_is_asked_for_without_echo(xswarm, daemon, monkeypatch):
    daemon.on("POST", "/v1/accounts", ADDED, 201)
    asked = []

    def prompt(text, **options):
        asked.append(options)
        return "gsk_typed"

    monkeypatch.setattr("freeloader.cli.shell.interactive", lambda: True)
    monkeypatch.setattr("click.prompt", prompt)
    assert xswarm("account", "add", "groq").code == 0
    assert daemon.asked[0]["body"]["key"] == "gsk_typed"
    assert asked[0]["hide_input"] is True


@pytest.mark.parametrize("words", [["ollama"], ["local", "ollama"]])
def test_a_local_server_needs_no_key(xswarm, daemon, words):
    daemon.on("POST", "/v1/accounts", {**ADDED, "provider": "ollama"}, 201)
    assert xswarm("account", "add", *words, "--endpoint", "http://127.0.0.1:11434").code == 0
    assert daemon.asked[0]["body"] == {
        "provider": "ollama",
        "endpoint": "http://127.0.0.1:11434",
    }


def test_every_provider_one_can_add_is_listed_without_a_daemon(xswarm, home):
    rows = xswarm("models", "--providers", "--json").json["providers"]
    assert len(rows) >= 56
    assert "groq" in xswarm("models", "--providers").out


def test_account_list_and_changes_find_the_only_account(xswarm, daemon):
    row = {"provider": "groq", "idx": 3, "tier": "free", "verified": True, "enabled": False,
           "modelsAvailable": ["a"], "secretBackend": "file"}  # fmt: skip
    daemon.on("GET", "/v1/accounts", {"accounts": [row]})
    daemon.on("PATCH", "/v1/accounts/groq/3", row)
    daemon.on("DELETE", "/v1/accounts/groq/3", {"removed": True})
    listed = xswarm("account", "list")
    assert "groq@3" in listed.out
    assert "off" in listed.out
    assert xswarm("account", "list", "--json").json == {"accounts": [row]}
    assert xswarm("account", "enable", "groq").code == 0
    assert daemon.asked[-1]["body"] == {"enabled": True}
    assert xswarm("account", "disable", "groq@3").code == 0
    assert daemon.asked[-1]["body"] == {"enabled": False}
    assert xswarm("account", "remove", "groq").out == "removed groq@3\n"


def test_an_account_that_is_not_clear_is_asked_for(xswarm, daemon):
    rows = [{"provider": "groq", "idx": 1}, {"provider": "groq", "idx": 2}]
    daemon.on("GET", "/v1/accounts", {"accounts": rows})
    ran = xswarm("account", "remove", "groq")
    assert ran.code == 1
    assert "groq@1, groq@2" in ran.err
    assert xswarm("account", "remove", "cohere").code == 1
    assert xswarm("account", "remove", "groq@x").code == 2
    assert {call["method"] for call in daemon.asked} == {"GET"}


def test_account_test_fails_when_the_key_is_not_accepted(xswarm, daemon):
    daemon.on("POST", "/v1/accounts/groq/1/test", {"verified": False, "reason": "401: no such key"})
    ran = xswarm("account", "test", "groq@1")
    assert ran.code == 1
    assert "no such key" in ran.err


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


def test_config_set_by_options(xswarm, daemon):
    daemon.on("POST", "/v1/config", {"updated": True})
    ran = xswarm("config", "set", "--strategy", "balanced", "--daily-budget", "5.00",
                 "--alias", "gpt-4.1=auto", "--alias", "old=")  # fmt: skip
    assert ran.code == 0
    assert daemon.asked[0]["body"] == {
        "routing": {"strategy": "balanced"},
        "budget": {"hard": {"daily": 5.0}},
        "models": {"aliases": {"gpt-4.1": "auto", "old": None}},
    }
    assert 'models.aliases."gpt-4.1" = "auto"' in ran.out


@pytest.mark.parametrize(
    ("name", "value", "body"),
    [
        ("server.port", "3001", {"server": {"port": 3001}}),
        ("logging.save_prompts", "true", {"logging": {"save_prompts": True}}),
        ("routing.strategy", "cost-first", {"routing": {"strategy": "cost-first"}}),
        ("server.cors_origins", '["http://a"]', {"server": {"cors_origins": ["http://a"]}}),
        ('models.aliases."a.b"', "auto", {"models": {"aliases": {"a.b": "auto"}}}),
        ("models.premium", "null", {"models": {"premium": None}}),
    ],
)
def test_config_set_by_name(xswarm, daemon, name, value, body):
    daemon.on("POST", "/v1/config", {"updated": True})
    assert xswarm("config", "set", name, value).code == 0
    assert daemon.asked[0]["body"] == body


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["server.port"],
        ["a", "b", "c"],
        ["a..b", "1"],
        ["--daily-budget", "much"],
        ["--daily-budget", "-1"],
        ["--daily-budget", "nan"],
        ["--alias", "x"],
        ["budget.hard", "1", "--daily-budget", "2"],
        ["models.aliases", "{}"],
    ],
)
def test_config_set_refuses_nonsense(xswarm, daemon, words):
    assert xswarm("config", "set", *words).code == 2
    assert daemon.asked == []


@given(st.lists(st.text(st.characters(exclude_characters='"\\', exclude_categories=("C",)),
                        min_size=1), min_size=1, max_size=4))  # fmt: skip
def test_a_quoted_key_is_read_back(parts):
    assert split_key(".".join(f'"{part}"' for part in parts)) == parts


@given(st.text(max_size=20))
def test_any_text_is_a_key_or_a_usage_error(text):
    try:
        parts = split_key(text)
    except UsageError:
        return
    assert parts
    assert all(isinstance(part, str) for part in parts)


@given(st.one_of(st.integers(-(10**9), 10**9), st.booleans(), st.lists(st.integers(0, 9))))
def test_values_are_read_as_toml(value):
    assert read_value(json.dumps(value)) == value


def test_config_get_show_history_rollback(xswarm, daemon):
    values = {"server": {"port": 3000}, "routing": {"strategy": "balanced", "maxWaitSeconds": 5}}
    daemon.on("GET", "/v1/config", {"config": values})
    daemon.on("GET", "/v1/config/history", {"history": [{"version": 2, "who": "o", "what": "w"}]})
    daemon.on("POST", "/v1/config/rollback", {"updated": True})
    assert xswarm("config", "get", "server.port").out == "3000\n"
    assert xswarm("config", "get", "routing.strategy").out == "balanced\n"
    assert xswarm("config", "get", "routing.max_wait_seconds").out == "5\n"
    assert xswarm("config", "get", "server").json == {"port": 3000}
    wrong = xswarm("config", "get", "routing.strateg")
    assert wrong.code == 1
    assert "did you mean strategy" in wrong.err
    assert xswarm("config", "get", "server.port.more").code == 1
    assert "server.port = 3000" in xswarm("config", "show").out
    assert xswarm("config", "show", "--json").json == values
    assert "2" in xswarm("config", "history").out
    assert xswarm("config", "rollback", "2").code == 0
    assert daemon.asked[-1]["body"] == {"version": 2}


def test_an_import_of_nothing_is_no_success(xswarm, daemon, tmp_path):
    file = tmp_path / "c.json"
    file.write_text('{"routng": {}}')
    left = ["not taken over: routng: has no counterpart here"]
    daemon.on("POST", "/v1/config/import", {"updated": True, "changes": left})
    found = xswarm("config", "import", str(file))
    assert found.code == 1
    assert "nothing in it was taken over" in found.err
    daemon.on(
        "POST", "/v1/config/import", {"updated": True, "changes": [*left, "routing.strategy"]}
    )
    assert xswarm("config", "import", str(file)).code == 0


def test_config_import_reads_json_and_toml(xswarm, daemon, tmp_path):
    daemon.on("POST", "/v1/config/import", {"changes": ["telemetry stays off"]})
    as_json, as_toml, broken = tmp_path / "a.json", tmp_path / "a.toml", tmp_path / "b.json"
    as_json.write_text('{"server": {"port": 1}}')
    as_toml.write_text("[server]\nport = 2\n")
    broken.write_text("{")
    assert "telemetry stays off" in xswarm("config", "import", str(as_json)).out
    assert xswarm("config", "import", str(as_toml)).code == 0
    assert [call["body"]["server"]["port"] for call in daemon.asked] == [1, 2]
    assert xswarm("config", "import", str(broken)).code == 1
    assert xswarm("config", "import", str(tmp_path / "none")).code == 2


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


@pytest.mark.parametrize(
    ("name", "code"), [("mistral", 1), ("groq@1", 1), ("groq@", 2), ("@1", 2), ("", 2), ("a@b", 2)]
)
def test_free_reset_of_what_is_not_there_resets_nothing(xswarm, daemon, name, code):
    daemon.on("GET", "/v1/accounts", {"accounts": [{"provider": "groq", "idx": 2}]})
    ran = xswarm("free", "reset", name)
    assert ran.code == code
    assert all(asked["method"] == "GET" for asked in daemon.asked)
