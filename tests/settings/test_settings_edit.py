from __future__ import annotations

import os
import socket
import stat
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.errors import ConfigError, Conflict
from freeloader.settings import Home, Settings, choose_port, from_mapping, load, replace, save
from freeloader.settings.directives import parse_gates


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


WRITTEN = """\
# my settings
[server]
port = 3100  # not 3000, that is grafana

[budget]  # flat on purpose
daily = 5
# aliases, carefully chosen
[models.aliases]
"claude-*" = "auto:quality-first"
"""


def test_comments_and_order_stay(home: Home) -> None:
    home.config.write_text(WRITTEN)
    save(home, {"server": {"corsOrigins": ["http://localhost:5173"]}})
    text = home.config.read_text()
    for comment in ("# my settings", "# not 3000, that is grafana", "# aliases, carefully chosen"):
        assert comment in text
    assert text.index("[server]") < text.index("[budget]") < text.index("[models.aliases]")
    found = load(home, {})
    assert found.server.port == 3100
    assert found.server.cors_origins == ("http://localhost:5173",)
    assert float(found.budget.hard.daily or 0) == 5


def test_values_are_replaced_and_taken_out(home: Home) -> None:
    home.config.write_text(WRITTEN)
    save(home, {"server": {"port": 3200}, "budget": {"daily": None, "monthly": 9}})
    found = load(home, {})
    assert found.server.port == 3200
    assert found.budget.hard.daily is None
    assert float(found.budget.hard.monthly or 0) == 9
    save(home, {"models": {"aliases": {"claude-*": None, "x": "auto"}}})
    assert load(home, {}).models.aliases == {"x": "auto"}
    save(home, {"routing": {"qualityGates": {"minIntelligence": 3, "localOnly": True}}})
    save(home, {"routing": {"qualityGates": {"minIntelligence": None}}})
    assert load(home, {}).routing.quality_gates == {"local_only": True}
    save(home, {"models": None})
    assert load(home, {}).models.aliases == {}


def test_short_forms_and_full_ones_meet(home: Home) -> None:
    home.config.write_text('[routing]\nfallback = "quality"\n')
    save(home, {"routing": {"fallback": {"maxRetries": 1}}})
    plan = load(home, {}).level().fallback
    assert plan is not None
    assert (plan.mode, plan.max_retries) == ("quality", 1)


@pytest.mark.parametrize(
    "changes",
    [{"server": {"prot": 1}}, {"server": {"port": "x"}}, {"srever": None}, {"server": {"x": None}}],
)
def test_a_bad_change_leaves_the_file_alone(home: Home, changes: dict[str, Any]) -> None:
    home.config.write_text(WRITTEN)
    with pytest.raises(ConfigError):
        save(home, changes)
    assert home.config.read_text() == WRITTEN
    assert sorted(p.name for p in home.path.iterdir() if p.is_file()) == ["config.toml"]


def test_a_broken_file_is_not_overwritten(home: Home) -> None:
    home.config.write_text("[server\nport=1")
    with pytest.raises(ConfigError):
        save(home, {"server": {"port": 3100}})
    assert home.config.read_text() == "[server\nport=1"


def test_the_file_is_private_under_any_umask(home: Home) -> None:
    for umask in (0, 0o022, 0o777):
        old = os.umask(umask)
        try:
            save(home, {"server": {"port": 3000 + umask % 7}})
        finally:
            os.umask(old)
        assert stat.S_IMODE(home.config.stat().st_mode) == 0o600


def test_a_link_stays_a_link(home: Home, tmp_path: Path) -> None:
    elsewhere = tmp_path / "dotfiles.toml"
    elsewhere.write_text(WRITTEN)
    home.config.symlink_to(elsewhere)
    save(home, {"server": {"port": 3300}})
    assert home.config.is_symlink()
    assert "3300" in elsewhere.read_text()


def test_writers_at_once_lose_nothing(home: Home) -> None:
    threads = [
        threading.Thread(target=save, args=(home, {"models": {"aliases": {f"a{n}": "auto"}}}))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(load(home, {}).models.aliases) == {f"a{n}" for n in range(8)}


def test_replace_says_exactly_what_it_is_given(home: Home) -> None:
    home.config.write_text(WRITTEN)
    replace(home, {"logging": {"level": "debug"}})
    found = load(home, {})
    assert found == from_mapping({"logging": {"level": "debug"}})
    assert found.server.port == Settings().server.port


def test_a_taken_port_is_passed_over_and_written_down(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        if port > 65_000:
            pytest.skip("no room above")
        found = choose_port(home, from_mapping({"server": {"port": port}}))
        assert found.server.port > port
        assert load(home, {}).server.port == found.server.port
        with pytest.raises(Conflict):
            choose_port(home, from_mapping({"server": {"port": port}}), tried=1)


def test_a_free_port_is_left_alone(home: Home) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = from_mapping({"server": {"port": port}})
    assert choose_port(home, settings) is settings
    assert not home.config.exists()


GATE = st.fixed_dictionaries(
    {},
    optional={
        "minIntelligence": st.integers(0, 5),
        "blockLocal": st.booleans(),
        "noTraining": st.booleans(),
        "blockedProviders": st.lists(st.sampled_from(["groq", "openai"]), unique=True),
        "requiredCapabilities": st.lists(st.sampled_from(["tools", "json"]), unique=True),
        "allowedProviders": st.none() | st.lists(st.sampled_from(["groq"]), unique=True),
    },
)


@settings(max_examples=25)
@given(st.lists(GATE, min_size=1, max_size=4))
def test_a_gate_is_what_was_said_of_it_last_also_where_that_lifts_it(
    changes: list[dict[str, Any]],
) -> None:
    with tempfile.TemporaryDirectory() as place:
        home = Home(Path(place)).create()
        last: dict[str, Any] = {}
        for change in changes:
            save(home, {"routing": {"qualityGates": change}})
            last |= change
        found = load(home, {}).routing.quality_gates
    assert parse_gates(found) == parse_gates(last)
