"""A planted key is nowhere: not in files, logs, databases, processes, errors or output."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import psutil
from farm import CANARY, House, Simulator, model, provider, running, until


def _holds(path: Path, needle: bytes) -> bool:
    return needle in path.read_bytes()


def test_k1_a_planted_key_is_found_nowhere(tmp_path: Path, simulator: Simulator) -> None:
    house = House(tmp_path / "home", {"SPY_API_KEY": CANARY})
    house.xswarm("init")
    spy = provider(f"{simulator.url}/alpha/v1", {"twin": model("twins")})
    spy["auth"]["env"] = ["SPY_API_KEY"]
    house.overlay("spy", {"version": "2026.11.20", "providers": {"spy": spy}})
    said = [house.xswarm("account", "add", "spy", "-", stdin=CANARY + "x\n")]
    environ: list[bytes] = []
    with running(house):
        for kind in (None, "401", "500", "reset"):
            if kind:
                simulator.fault("alpha", kind, count=2)
            said.append(json.dumps(house.chat(model="spy/twin")[2]))
        paths = ("/v1/health", "/v1/accounts", "/v1/config", "/v1/decisions", "/v1/models",
                 "/metrics", "/openapi.json", "/v1/analytics", "/v1/audit")  # fmt: skip
        said += [json.dumps(house.get(path)) for path in paths]
        said += [house.xswarm("status"), house.xswarm("account", "list", "--json")]
        for words in ("doctor --json", "decisions --json", "audit --json", "config show --json",
                      "export --format json --output -", "backup", "explain --json hi",
                      "logs --tail 1000", "service install --dry-run"):  # fmt: skip
            said.append(house.xswarm(*words.split(), ok=False))
        assert house.daemon is not None
        daemon = psutil.Process(house.daemon.pid)
        environ.append(Path(f"/proc/{daemon.pid}/environ").read_bytes())
        for process in daemon.children(recursive=True):
            said.append(" ".join(process.cmdline()))
            environ.append(Path(f"/proc/{process.pid}/environ").read_bytes())
        said.append(" ".join(daemon.cmdline()))
        crashed = daemon.children(recursive=True)
        for process in crashed:  # no core, which would hold the key: a stack of names
            assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
            process.send_signal(signal.SIGSEGV)
        psutil.wait_procs(crashed, 10)
        log = house.home / "logs" / "litellm.log"
        until(lambda: "Segmentation fault" in log.read_text("utf-8", "replace"), 10, "it says why")
        needle = CANARY.encode()
        assert any(r["key"] in (CANARY, CANARY + "x") for r in _arrivals(simulator)), "it was used"
        hits = [p for p in house.home.rglob("*") if p.is_file() and _holds(p, needle)]
        assert hits == []
    simulator.calm()
    house.start(wait=False)
    until(lambda: _answers(house), 60, "it serves again")
    house.daemon.send_signal(signal.SIGSEGV)
    assert house.daemon.wait(10) == -signal.SIGSEGV
    assert "Segmentation fault" in house.said(), "where it crashed, in names of functions"
    hits = [p for p in house.home.rglob("*") if p.is_file() and _holds(p, needle)]
    assert hits == []
    assert not list(tmp_path.rglob("core*"))
    assert not [text for text in said if CANARY in text]
    # Nor any part of it: a key is known by its last four characters at most.
    parts = {CANARY[at : at + 8] for at in range(3, len(CANARY) - 11)}
    assert not [part for part in parts for text in said if part in text]
    assert not [env for env in environ if needle in env]
    assert CANARY not in house.said()


def _answers(house: House) -> bool:
    try:
        return house.chat(model="spy/twin")[0] == 200
    except OSError:
        return False


def _arrivals(simulator: Simulator) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = simulator.requests()["requests"]
    return rows
