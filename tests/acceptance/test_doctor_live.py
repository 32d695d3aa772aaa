"""`xswarm doctor` beside a real daemon: each fault is found, said in a line, with what to do."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

from farm import House, Simulator, call, furnish, until

LANE = {"XSWARM_UPSTREAM__LANE": "auto"}


def findings(house: House) -> dict[str, dict[str, Any]]:
    """By check; of several the worst. What is not ok must say what to do."""
    rows = json.loads(house.xswarm("doctor", "--json", ok=False))["findings"]
    assert all(row["remedy"] for row in rows if row["state"] != "ok")
    ranked = sorted(rows, key=lambda row: ("ok", "warn", "fail").index(row["state"]))
    return {row["check"]: row for row in ranked}


def worse(house: House) -> set[str]:
    return {name for name, row in findings(house).items() if row["state"] != "ok"}


def test_doctor_finds_and_explains_what_is_wrong(tmp_path: Path, simulator: Simulator) -> None:
    house = House(tmp_path / "home", LANE)
    house.xswarm("init")
    furnish(house, simulator)
    house.start()
    assert house.daemon is not None
    try:
        assert worse(house) == set(), "nothing is wrong yet"

        assert call("GET", f"{house.url}/health", headers={"Host": "xswarm:3000"})[0] == 403
        found = findings(house)["door"]
        assert "xswarm:3000" in found["found"]
        assert "allowed_hosts" in found["remedy"]

        simulator.fault("alpha", "reset", forever=True)
        simulator.fault("beta", "429", forever=True)
        for name in ("alpha/twin", "alpha/alpha-only", "beta/twin-b"):
            for _ in range(6):
                house.chat(model=name)
        found = findings(house)["providers"]
        assert found["state"] == "warn"
        assert "alpha (" in found["found"], "with its reason"
        assert "until 20" in found["found"]
        assert "account test alpha" in found["remedy"]
        found = findings(house)["quota"]
        assert "beta (" in found["found"]

        settings = (house.home / "config.toml").read_text()
        (house.home / "config.toml").write_text(settings + "\n[routing]\nstratgy = 1\n")
        os.kill(house.daemon.pid, signal.SIGHUP)
        found = until(lambda: _failed(house, "settings"), 15, "the settings' fault")
        assert "stratgy" in found["found"]
        (house.home / "config.toml").write_text(settings)

        house.daemon.send_signal(signal.SIGSTOP)
        found = findings(house)["port"]
        assert "does not answer" in found["found"]
        house.kill()
        found = findings(house)["daemon"]
        assert "was killed or crashed" in found["found"]
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", house.port))
            other.listen()
            found = findings(house)["port"]
        assert found["state"] == "fail"
        assert f"pid {os.getpid()}" in found["found"]
    finally:
        if house.daemon.poll() is None:
            house.kill()


def _failed(house: House, check: str) -> dict[str, Any] | None:
    found = findings(house)[check]
    return found if found["state"] == "fail" else None
