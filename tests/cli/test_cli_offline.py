"""A home is made, and changed with the daemon stopped, without any composition root."""

from __future__ import annotations

import socket
import sys
import types
from contextlib import asynccontextmanager
from typing import Any

import pytest

from freeloader.cli import lifecycle, offline
from freeloader.cli.lifecycle import RunFiles


class Recorder:
    """Any manager: remembers each call and answers what it was told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answers: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> Any:
            self.calls.append((name, *arguments))
            return self.answers.get(name, {})

        return call


@pytest.fixture
def managers(monkeypatch):
    """Stands in for ``freeloader.app.offline``."""
    found = types.SimpleNamespace(
        accounts=Recorder(), keys=Recorder(), config=Recorder(), opened=0, closed=0
    )

    @asynccontextmanager
    async def open_offline(home):
        found.opened += 1
        yield found
        found.closed += 1

    import freeloader

    app = types.ModuleType("freeloader.app")
    app.offline = open_offline
    monkeypatch.setitem(sys.modules, "freeloader.app", app)
    monkeypatch.setattr(freeloader, "app", app, raising=False)
    return found


def test_commands_work_with_the_daemon_stopped(xswarm, home, managers):
    managers.accounts.answers["list_accounts"] = [{"provider": "groq", "idx": 1}]
    assert xswarm("account", "disable", "groq").code == 0
    assert managers.accounts.calls == [
        ("list_accounts",),
        ("change_account", "groq", 1, {"enabled": False}, "owner"),
    ]
    assert xswarm("config", "set", "--strategy", "balanced").code == 0
    assert managers.config.calls == [
        ("change_config", {"routing": {"strategy": "balanced"}}, "owner")
    ]
    managers.keys.answers["create_key"] = {"id": "key_1", "key": "xs-new"}
    made = xswarm("key", "create", "--role", "viewer")
    assert made.out == "xs-new\n"
    assert managers.opened == managers.closed == 3


def test_nobody_changes_a_home_whose_daemon_is_just_starting(xswarm, home, managers, monkeypatch):
    monkeypatch.setattr(lifecycle, "PATIENCE_SECONDS", 0.0)
    lock = RunFiles(home).lock
    assert lock.acquire()
    ran = xswarm("config", "show")
    lock.release()
    assert ran.code == 1
    assert "try again" in ran.err
    assert managers.opened == 0
    assert xswarm("config", "show").code == 0


def test_init_makes_a_private_home_once(xswarm, tmp_path, monkeypatch, managers):
    home = tmp_path / "new" / "home"
    monkeypatch.setenv("XSWARM_HOME", str(home))
    monkeypatch.setattr(offline, "_make_keys", lambda _home: _keys(home))
    first = xswarm("init", "--json")
    assert first.code == 0, first.err
    assert first.json["created"] is True
    assert home.stat().st_mode & 0o777 == 0o700
    text = (home / "config.toml").read_text()
    again = xswarm("init", "--json")
    assert again.json == {**first.json, "created": False}
    assert (home / "config.toml").read_text() == text


async def _keys(home):
    for role in ("admin", "client"):
        (home / f"{role}.key").write_text("xs-1\n")


def test_init_takes_the_next_free_port_and_writes_it_down(xswarm, tmp_path, monkeypatch, managers):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        home = tmp_path / "home"
        monkeypatch.setenv("XSWARM_HOME", str(home))
        monkeypatch.setattr(offline, "_make_keys", lambda _home: _keys(home))
        monkeypatch.setattr(offline, "load", lambda *_a: _settings_with_port(port))
        assert xswarm("init").code == 0
    monkeypatch.undo()
    from freeloader.settings import Home, load

    assert port < load(Home(home), {}).server.port <= port + 100


def _settings_with_port(port):
    from freeloader.settings import from_mapping

    return from_mapping({"server": {"port": port}})
