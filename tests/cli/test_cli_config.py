"""config: values by name and by option, history, rollback, imports."""

from __future__ import annotations

import json

import pytest
from click import UsageError
from hypothesis import given
from hypothesis import strategies as st

from freeloader.cli.commands.config import read_value, split_key


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


@pytest.mark.parametrize("junk", [b"\xff\xfe", b"[" * 100_000 + b"]" * 100_000])
def test_config_import_of_what_is_none_is_one_line(xswarm, daemon, tmp_path, junk):
    file = tmp_path / "a.json"
    file.write_bytes(junk)
    ran = xswarm("config", "import", str(file))
    assert ran.code == 1
    assert "a.json cannot be read" in ran.err


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
