"""A provider that is misspelt in the settings is named when it is written, and when it is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from house_kit import Live, street

from freeloader import logs
from freeloader.app.daemon import Daemon
from freeloader.app.offline import offline
from freeloader.errors import ConfigError
from freeloader.settings import Home, load


async def change(live: Live, place: Path, changes: dict[str, Any]) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {Home(place).admin_key.read_text().strip()}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{live.url}/v1/config", json=changes, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


def rule(**then: Any) -> dict[str, Any]:
    return {"routing": {"rules": [{"then": then}]}}


SLIPS: list[tuple[dict[str, Any], str, str]] = [
    (rule(models=["opnai/gpt-4o"]), "routing.rules[1].then.models", "'openai'"),
    (rule(models=["grok@2/llama*"]), "routing.rules[1].then.models", "'groq'"),
    (rule(gates={"blockedProviders": ["antropic"]}), "rules[1].then.gates", "'anthropic'"),
    ({"routing": {"qualityGates": {"allowedProviders": ["alpa"]}}}, "allowedProviders", "'alpha'"),
    ({"models": {"aliases": {"best": "opnai/gpt-4o"}}}, "models.aliases.best", "'openai'"),
    ({"upstream": {"providerSeconds": {"olama": 300}}}, "provider_seconds", "'ollama'"),
    ({"budget": {"allocations": {"team": {"dayly": 3}}}}, "allocations.team.dayly", "'daily'"),
]
GOOD: list[dict[str, Any]] = [
    rule(models=["openai/gpt-oss-120b", "alpha/*", "*/m", "alpha@1/m", "twins", "*gpt*"]),
    rule(gates={"blockedProviders": ["our-own-lab"]}, models=["our-own-lab/big"]),
    {"models": {"aliases": {"best": "auto:quality-first", "other": "alpha/m"}}},
]


async def test_a_slip_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha") as (live, _):
        for changes, place, meant in SLIPS:
            status, body = await change(live, tmp_path, changes)
            assert status == 400, (changes, body)
            assert place in body["error"]["message"]
            assert f"did you mean {meant}?" in body["error"]["message"]
        assert "rules" not in Home(tmp_path).config.read_text()
        for changes in GOOD:
            status, body = await change(live, tmp_path, changes)
            assert status == 200, (changes, body)


async def test_a_slip_that_is_in_the_file_is_a_problem_and_hinders_no_other_change(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path).create()
    home.config.write_text('[[routing.rules]]\nthen = {models = ["opnai/gpt-4o"]}\n')
    async with street(tmp_path, "alpha") as (live, _):
        (line,) = [one for one in live.daemon.problems() if "opnai" in one]
        assert "did you mean 'openai'?" in line
        status, _ = await change(live, tmp_path, {"budget": {"daily": 3}})
        assert status == 200
        assert (await change(live, tmp_path, {"models": {"aliases": {"x": "grok/y"}}}))[0] == 400


async def test_the_same_where_the_daemon_is_stopped(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    environ = {"XSWARM_SECRETS__BACKEND": "file"}
    await Daemon(home, load(home, environ), environ, logs.Redactor()).store.close()
    async with offline(home) as owner:
        with pytest.raises(ConfigError, match="did you mean 'openai'"):
            await owner.config.change_config({"models": {"aliases": {"x": "opnai/gpt-4o"}}}, "me")
        await owner.config.change_config({"models": {"aliases": {"x": "openai/gpt-4o"}}}, "me")
