"""A ledger that is locked, ruined or of a newer program, under a running daemon: what costs
is refused with the reason, what is free goes on, and no budget is new again afterwards."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from farm import House, Simulator, call, furnish, until

PAID, FREE = "gold/ingot", "alpha/twin"


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[House]:
    """A house without a LiteLLM child: it starts in a second, and again, and again."""
    built = House(
        tmp_path_factory.mktemp("direct") / "home",
        {"XSWARM_UPSTREAM__LANE": "direct", "XSWARM_BUDGET__HARD__MONTHLY": "5"},
    )
    built.xswarm("init")
    furnish(built, simulator)
    built.start()
    yield built
    if built.daemon is not None and built.daemon.poll() is None:
        built.stop()


def ask(house: House, model: str) -> tuple[int, Any]:
    status, _, body = house.chat("hello", model=model, max_tokens=20)
    return status, body


def refused(house: House, reason: str) -> None:
    """Paid calls are refused and say why; free ones go on; health stays quick."""
    status, body = ask(house, PAID)
    assert (status, body["error"]["code"]) == (503, "ledger_unavailable"), body
    assert reason in body["error"]["message"]
    assert ask(house, FREE)[0] == 200
    assert call("GET", f"{house.url}/health", timeout=1)[0] == 200
    problems = house.get("/v1/health")["problems"]
    assert any(reason in line for line in problems), problems


def health(house: House) -> Any:
    return house.get("/v1/health")


def again(house: House) -> None:
    until(lambda: ask(house, PAID)[0] == 200, 20, "paid calls go on")


def spent(house: House) -> float:
    return float(house.get("/v1/budget")["monthly"]["spent"])


def test_a_lock_while_running_is_waited_out(direct: House) -> None:
    assert ask(direct, PAID)[0] == 200
    other = sqlite3.connect(direct.home / "freeloader.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    # Nobody has to pay first for it to be noticed.
    until(lambda: health(direct)["status"] == "degraded", 20, "it is noticed")
    assert "locked by another program" in health(direct)["reason"]
    assert "locked by another program" in direct.xswarm("status")
    refused(direct, "locked by another program")
    assert "locked" in direct.xswarm("doctor", ok=False)
    other.execute("ROLLBACK")
    other.close()
    until(lambda: health(direct)["status"] == "healthy", 20, "and that it is over")
    assert health(direct)["reason"] is None
    again(direct)


#: Root writes into files that are read-only; not without these two capabilities.
HELD_TO_MODES = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
)


@pytest.mark.skipif(
    bool(HELD_TO_MODES) and shutil.which("setpriv") is None, reason="root, without setpriv"
)
def test_a_read_only_ledger_is_no_empty_budget(direct: House) -> None:
    before = spent(direct)
    direct.stop()
    path = direct.home / "freeloader.db"
    path.chmod(0o400)
    try:
        direct.start(under=HELD_TO_MODES)
        refused(direct, "read-only")
        assert health(direct)["status"] == "degraded"
        assert "read-only" in direct.xswarm("doctor", ok=False)
    finally:
        path.chmod(0o600)
    again(direct)
    assert spent(direct) > before
    direct.stop()
    direct.start()


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_FSIZE"), reason="needs Linux")
def test_a_full_disk_while_running_is_waited_out(direct: House) -> None:
    before = spent(direct)
    assert direct.daemon is not None
    process = psutil.Process(direct.daemon.pid)
    usual = process.rlimit(psutil.RLIMIT_FSIZE)
    # No file grows beyond that: logs and journal neither, as on a disk without room.
    process.rlimit(psutil.RLIMIT_FSIZE, (4096, usual[1]))
    try:
        until(lambda: ask(direct, PAID)[0] == 503, 20, "paid calls are refused")
        refused(direct, "freeloader.db")
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, usual)
    again(direct)
    assert spent(direct) >= before


def test_a_ledger_that_is_locked_at_the_start_is_read_when_it_can_be(direct: House) -> None:
    before = spent(direct)
    direct.stop()
    other = sqlite3.connect(direct.home / "freeloader.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    direct.start()
    refused(direct, "locked by another program")
    status, _, body = direct.call("GET", "/v1/budget", role="admin")
    assert (status, body["error"]["code"]) == (503, "ledger_unavailable"), "not: nothing spent"
    other.execute("ROLLBACK")
    other.close()
    again(direct)
    assert spent(direct) > before


def test_a_ruined_ledger_stops_what_costs_until_it_is_repaired(direct: House) -> None:
    before = spent(direct)
    direct.stop()
    path = direct.home / "freeloader.db"
    shutil.copy(path, direct.home / "sound")
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * 8192 + whole[12288:])
    direct.start()
    refused(direct, "damaged")
    told = direct.xswarm("doctor", ok=False)
    assert "damaged" in told
    assert "doctor --repair" in told
    assert "xswarm stop" in direct.xswarm("doctor", "--repair", ok=False), "not under a daemon"
    direct.stop()
    done = json.loads(direct.xswarm("doctor", "--repair", "--json"))
    assert done["repaired"]
    assert any("damaged-" in name for name in done["kept"])
    direct.start()
    if done["doubt"] is not None:
        refused(direct, "not known for certain")
        assert "accept-loss" in direct.xswarm("doctor", ok=False)
        direct.stop()
        direct.xswarm("doctor", "--repair", "--accept-loss")
        direct.start()
    # The journal knew what the ledger lost: the budget is not new again.
    assert spent(direct) >= before > 0
    again(direct)


def test_a_newer_ledger_is_left_alone(direct: House) -> None:
    direct.stop()
    path = direct.home / "freeloader.db"
    version = _pragma(path, "user_version")
    _pragma(path, "user_version", 99)
    direct.start()
    refused(direct, "newer version")
    assert "newer version" in direct.xswarm("doctor", ok=False)
    direct.stop()
    assert "newer version" in direct.xswarm("doctor", "--repair", ok=False)
    assert _pragma(path, "user_version") == 99
    _pragma(path, "user_version", version)
    direct.start()
    again(direct)


def test_a_backup_under_traffic_comes_back_and_forgets_no_money(
    direct: House, tmp_path: Path
) -> None:
    made = json.loads(direct.xswarm("backup", str(tmp_path), "--json"))["copies"]
    assert [Path(name).name.split("-")[0] for name in made] == ["freeloader", "journal"]
    for _ in range(3):
        assert ask(direct, PAID)[0] == 200
    after = spent(direct)
    assert "xswarm stop" in direct.xswarm("backup", "--restore", str(tmp_path), ok=False)
    direct.stop()
    direct.xswarm("backup", "--restore", str(tmp_path))
    direct.start()
    assert spent(direct) == after, "what was spent since the copy is still spent"
    again(direct)


def _pragma(path: Path, name: str, value: int | None = None) -> int:
    conn = sqlite3.connect(path)
    if value is not None:
        conn.execute(f"PRAGMA {name} = {value}")
        conn.commit()
    found = conn.execute(f"PRAGMA {name}").fetchone()[0]
    conn.close()
    return int(found)
