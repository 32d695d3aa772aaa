"""account: what is asked, sent, listed and refused; keys are never echoed."""

from __future__ import annotations

import pytest

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
                 "--limit", "cache_read=5/1d", "--same-account-as", "2", "--json")  # fmt: skip
    assert ran.json == ADDED
    body = daemon.asked[0]["body"]
    assert body["params"] == {"api_version": "2024"}
    assert body["limits"] == [
        {"metric": "requests", "amount": 1000, "window": "1d"},
        {"metric": "usd", "amount": 0.5, "window": "month"},
        {"metric": "cache_read", "amount": 5, "window": "1d"},
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


def test_how_a_limit_is_written_is_told_with_the_refusal_and_in_the_help(xswarm, daemon):
    for words in (("add", "groq", "k"), ("set", "groq@1")):
        ran = xswarm("account", *words, "--limit", "requests=1/1y")
        assert "METRIC=AMOUNT/WINDOW" in ran.err
        assert "METRIC=AMOUNT/WINDOW" in xswarm("account", words[0], "--help").out
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
