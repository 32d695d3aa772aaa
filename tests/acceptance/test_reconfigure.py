"""Nothing that the owner changes costs a request: accounts, registry, settings, workers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from farm import House, Simulator, model, provider, running, until
from rush import Ask, Rush, launchers

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "benches"))
import traffic

pytestmark = pytest.mark.timeout(300)
#: Few enough for a machine that does other things too; the bench sends twenty.
RATE = 6.0


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    started = traffic.simulate(tmp_path_factory.mktemp("market"))
    yield started
    started.stop()


def test_ten_accounts_a_new_registry_and_removals_cost_no_request(
    tmp_path: Path, market: Simulator
) -> None:
    house = traffic.furnish(tmp_path / "home", market.url)
    with running(house):
        house.child_ready()
        owner = traffic.Owner(house, market, 30)
        seen = asyncio.run(Rush(house, traffic.MIX, RATE).run(owner))
        assert not seen.failures, seen.complaints()
        assert not [first for first in owner.firsts if first.problem], owner.firsts
        assert len(owner.firsts) == 7
        assert max(seen.numbers) > 1, "a new child was needed"
        assert max(seen.generations, seen.processes) <= 2
        assert seen.restarts == 0
        assert traffic.settled(house, market), "the changed address is used"
        assert house.chat(model="gamma@1/third")[0] == 404, "removed"
        assert house.chat(model="alpha@2/twin")[0] == 200, "disabled and enabled again"


def test_two_workers_share_the_load_and_one_may_die(tmp_path: Path, market: Simulator) -> None:
    house = traffic.furnish(tmp_path / "home", market.url, {"XSWARM_UPSTREAM__WORKERS": "2"})
    with running(house):
        house.child_ready()
        assert house.daemon is not None
        daemon = psutil.Process(house.daemon.pid)
        pair = launchers(daemon)
        assert len(pair) == 2
        before = {p.pid: _busy(p) for p in pair}
        killed: list[float] = []

        async def during(rush: Rush) -> None:
            await asyncio.sleep(6)
            assert all(_busy(p) - before[p.pid] > 0.05 for p in pair), "both of them answer"
            killed.append(rush.now())
            pair[0].kill()
            await asyncio.sleep(6)
            await rush.admin("POST", "/v1/accounts", _local(market))
            told = await rush.ask(Ask("lm_studio/llama-3.1-8b-instruct"))
            assert not told.problem, told

        seen = asyncio.run(Rush(house, traffic.MIX, RATE).run(during))
        hit = [t for t in seen.failures if t.at <= killed[0] + 0.1 <= t.at + t.took + 0.2]
        assert seen.failures == hit, f"only what was in flight: {seen.complaints()}"
        assert all(t.ask.stream for t in hit), "what had not begun was sent again"
        assert seen.restarts == 1
        assert seen.generations <= 2
        assert seen.processes <= 4
        until(lambda: len(launchers(daemon)) == 2, 60, "two workers again")


def _busy(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _local(market: Simulator) -> dict[str, str]:
    return {"provider": "lm_studio", "endpoint": f"{market.url}/lm_studio/v1"}


# ── settings, in the daemon that all tests share ─────────────────────────────


@pytest.fixture
def settings_file(house: House) -> Iterator[Path]:
    path = house.home / "config.toml"
    before = path.read_text()
    yield path
    path.write_text(before)
    _reload(house)
    until(lambda: not house.get("/v1/health")["problems"], 20, "the good settings are back")


def _with(text: str, table: str, line: str) -> str:
    """The file with a line more in a table, which may be there already."""
    head = f"[{table}]\n"
    before, found, after = text.partition(head)
    return f"{before}{head}{line}\n{after}" if found else f"{text}\n{head}{line}\n"


def _reload(house: House) -> None:
    assert house.daemon is not None
    os.kill(house.daemon.pid, signal.SIGHUP)


def test_config_set_holds_from_the_next_request_on(house: House, settings_file: Path) -> None:
    house.xswarm("config", "set", "--alias", "quick=alpha/twin", "--strategy", "cost-first")
    status, headers, body = house.chat(model="quick")
    assert status == 200, body
    assert body["model"] == "alpha/twin"
    assert headers["x-freeloader-strategy"] == "cost-first"
    house.xswarm("config", "set", "--strategy", "balanced")
    assert house.chat(model="quick")[1]["x-freeloader-strategy"] == "balanced"


def test_sighup_reads_the_file_again(house: House, settings_file: Path) -> None:
    text = settings_file.read_text()
    settings_file.write_text(_with(text, "models.aliases", '"by-hand" = "beta/twin-b"'))
    assert house.chat(model="by-hand")[0] == 404
    _reload(house)
    until(lambda: house.chat(model="by-hand")[0] == 200, 20, "the alias is there")


def test_a_bad_file_changes_nothing_and_is_told_everywhere(
    house: House, settings_file: Path
) -> None:
    good = settings_file.read_text()
    strategy = house.chat()[1]["x-freeloader-strategy"]
    settings_file.write_text(_with(good, "routing", 'max_wait_seconds = "for ever"'))
    _reload(house)
    told = until(lambda: house.get("/v1/health")["problems"], 20, "the problem is shown")
    assert "config.toml" in told[0]
    assert "max_wait_seconds" in told[0]
    status, headers, _ = house.chat()
    assert status == 200
    assert headers["x-freeloader-strategy"] == strategy, "the last good file holds"
    assert "config.toml" in house.xswarm("status")
    assert "config.toml" in house.xswarm("doctor", ok=False)
    assert "config.toml" in (house.home / "logs" / "freeloader.log").read_text()
    viewer = house.call("GET", "/v1/health", role="client")[2]
    assert "problems" not in viewer, "for the owner"
    settings_file.write_text(good)
    _reload(house)
    until(lambda: not house.get("/v1/health")["problems"], 20, "and it is over")


# ── a child that cannot start ────────────────────────────────────────────────


def test_a_child_that_cannot_start_is_told_at_once_and_restart_heals(
    tmp_path: Path, market: Simulator
) -> None:
    broken = {"SSL_CERT_FILE": str(tmp_path / "no-such.pem")}
    house = traffic.furnish(tmp_path / "home", market.url, broken)
    foreign = provider(f"{market.url}/alpha/v1", {"twin": model("foreigns")}, wire="other")
    house.overlay("foreign", {"version": "2026.11.21", "providers": {"foreign": foreign}})
    house.xswarm("account", "add", "foreign", "-", stdin="key-f1\n")
    house.start(wait=False)
    try:
        child = until(lambda: _fatal(house), 40, f"the child is fatal:\n{house.said()}")
        assert "SSL_CERT_FILE" in child["problem"]
        assert any("SSL_CERT_FILE" in line for line in child["logTail"])
        began = time.monotonic()
        assert house.chat()[0] == 200, "what speaks OpenAI's wire needs no child"
        assert house.get("/v1/health")["status"] == "degraded"
        status, headers, body = house.chat(model="foreign/twin")
        assert status == 503
        assert "SSL_CERT_FILE" in body["error"]["message"]
        assert "retry-after" in headers
        assert time.monotonic() - began < 5, "nobody is kept waiting"
        assert "SSL_CERT_FILE" in house.xswarm("status", ok=False)
        assert "SSL_CERT_FILE" in house.xswarm("doctor", ok=False)
        del house.env["SSL_CERT_FILE"]
        house.xswarm("restart")
        assert house.chat()[0] == 200
    finally:
        house.xswarm("stop", ok=False)
        assert house.daemon is not None
        house.daemon.wait(20)


def _fatal(house: House) -> dict[str, str] | None:
    try:
        child: dict[str, str] = house.get("/v1/health")["child"]
    except OSError:
        return None
    return child if child["state"] == "fatal" else None
