"""Real processes for acceptance tests: a simulator, and a daemon in a home of its own.

Everything listens on loopback; every wait is bounded; only processes started
here are ended.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import planted

CANARY = "sk-canary-7f3e9a1b5d2c8e4f6a0b"
START_S = 90.0
#: Dollars per million tokens of the paid pretend model.
PRICE = {"input": 1.0, "output": 2.0}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Any, seconds: float, what: str) -> Any:
    """The first true value of ``condition()``; fails with ``what`` when time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def call(
    method: str,
    url: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 60.0,
) -> tuple[int, dict[str, str], Any]:
    """One HTTP call: status, headers (lower case), JSON (or text)."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    request.add_header("Content-Type", "application/json")
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            status, got, raw = answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, got, raw = error.code, error.headers, error.read()
    lower = {k.lower(): v for k, v in got.items()}
    try:
        return status, lower, json.loads(raw)
    except ValueError:
        return status, lower, raw.decode("utf-8", "replace")


class Simulator:
    """The project's simulator as a process of its own."""

    def __init__(self, directory: Path, config: Mapping[str, Any]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        file = directory / "simulator.json"
        file.write_text(json.dumps(config))
        self._log = (directory / "simulator.log").open("wb")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "freeloader.simulator"),
                *("--port", str(self.port), "--config", str(file)),
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        until(self._answers, 20, "the simulator answers")

    def fault(self, provider: str, kind: str, **more: Any) -> None:
        """Sets one fault; see the simulator's control interface."""
        body = {"provider": provider, "kind": kind, **more}
        status, _, answer = call("POST", f"{self.url}/_sim/faults", body)
        assert status < 300, answer

    def calm(self) -> None:
        call("DELETE", f"{self.url}/_sim/faults")

    def bill(self) -> Any:
        return call("GET", f"{self.url}/_sim/bill")[2]

    def requests(self) -> Any:
        return call("GET", f"{self.url}/_sim/requests")[2]

    def state(self) -> Any:
        return call("GET", f"{self.url}/_sim/state")[2]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._log.close()

    def _answers(self) -> bool:
        try:
            return call("GET", f"{self.url}/_sim/state", timeout=1)[0] == 200
        except OSError:
            return False


class House:
    """One home and its daemon."""

    def __init__(self, home: Path, environ: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home.parent),
            "LANG": "C.UTF-8",
            "XSWARM_HOME": str(home),
            "XSWARM_SERVER__PORT": str(self.port),
            "XSWARM_SECRETS__BACKEND": "file",
            # Nothing of the machine's own is to be found by a test.
            "OLLAMA_HOST": "127.0.0.1:9",
            "LMSTUDIO_URL": "http://127.0.0.1:9",
            **(environ or {}),
        }
        self.daemon: subprocess.Popen[bytes] | None = None
        self.output = home.parent / f"{home.name}.out"
        planted.homes.append(home)

    def xswarm(self, *args: str, stdin: str = "", ok: bool = True) -> str:
        """Runs the command line; its standard output. Fails on an exit code but 0."""
        done = subprocess.run(
            [sys.executable, "-m", "freeloader", *args],
            env=self.env,
            input=planted.plant_all(stdin),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        planted.heard(f"xswarm {' '.join(args)}", done.stdout + done.stderr)
        if ok:
            assert done.returncode == 0, f"{args}: {done.stdout}\n{done.stderr}"
        return done.stdout + ("" if ok else done.stderr)

    def overlay(self, name: str, document: Mapping[str, Any]) -> None:
        folder = self.home / "registry"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(document))

    def start(self, *, wait: bool = True, under: Sequence[str] = ()) -> None:
        """``under``: a command that becomes the daemon, as ``nice`` does."""
        with self.output.open("ab") as out:
            self.daemon = subprocess.Popen(
                [*under, sys.executable, "-m", "freeloader", "start"],
                env=self.env,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if wait:
            self.ready()

    def ready(self, seconds: float = START_S) -> None:
        until(self._is_ready, seconds, f"the daemon is ready:\n{self.said()}")

    def child_ready(self, seconds: float = START_S) -> None:
        """Until LiteLLM answers too: the daemon is ready before, where it can call directly."""
        until(
            lambda: self.get("/v1/health")["child"]["state"] == "ready",
            seconds,
            f"the child is ready:\n{self.said()}",
        )

    def said(self) -> str:
        return self.output.read_text("utf-8", "replace") if self.output.exists() else ""

    def stop(self, seconds: float = 40) -> int:
        assert self.daemon is not None
        if self.daemon.poll() is None:
            planted.processes(self.daemon.pid)
            self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(seconds)

    def kill(self) -> None:
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait(10)

    def key(self, role: str = "client") -> str:
        return (self.home / f"{role}.key").read_text().strip()

    def get(self, path: str, role: str = "admin") -> Any:
        return self.call("GET", path, role=role)[2]

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str = "client",
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> tuple[int, dict[str, str], Any]:
        auth = {"Authorization": f"Bearer {self.key(role)}", **(headers or {})}
        answer = call(method, self.url + path, body, auth, timeout)
        planted.heard(f"{method} {path}", repr(answer[1:]))
        return answer

    def chat(self, text: str = "hello", **fields: Any) -> tuple[int, dict[str, str], Any]:
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}
        return self.call("POST", "/v1/chat/completions", body)

    def child_pid(self) -> int | None:
        child = self.get("/v1/health")["child"]
        return child.get("pid")

    def _is_ready(self) -> bool:
        assert self.daemon is not None
        assert self.daemon.poll() is None, f"the daemon ended:\n{self.said()}"
        try:
            if call("GET", f"{self.url}/ready", timeout=2)[0] != 200:
                return False
            health = self.get("/v1/health")
        except OSError:
            return False
        # Wire-compatible providers are served before any child is there: these tests are of both.
        return not health["lane"]["childNeeded"] or health["child"]["state"] == "ready"


@contextmanager
def running(house: House) -> Iterator[House]:
    """Starts the daemon, and ends it whatever happens."""
    house.start()
    try:
        yield house
    finally:
        if house.daemon is not None and house.daemon.poll() is None:
            house.stop()


def model(family: str, **fields: Any) -> dict[str, Any]:
    """One model of an overlay."""
    return {
        "family": family,
        "intelligence": 5.0,
        "speed": 5.0,
        "context": 32_768,
        "maxOutput": 4_096,
        "capabilities": ["streaming", "tools", "json"],
        "free": True,
        **fields,
    }


def provider(url: str, models: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """One provider of an overlay, at an OpenAI-style address."""
    return {
        "displayName": fields.pop("displayName", "Pretend"),
        "kind": "cloud",
        "status": "active",
        "litellm": {"prefix": "openai", "params": {}},
        "wire": "openai",
        "baseUrl": url,
        "auth": {"env": [], "format": None, "keyless": False, "fields": ["api_key"]},
        "endpoints": {"models": "/models", "quota": None},
        "freeTier": {"type": "recurring", "confidence": "high", "limits": []},
        "models": models,
        **fields,
    }


def pretend(names: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A simulator configuration: per provider its models (id → fields)."""
    return {
        "pace": 1.0,
        "providers": {
            name: {"style": "generic", "limits": [], "latency": {}, "models": dict(models)}
            for name, models in names.items()
        },
    }


def furnish(house: House, simulator: Simulator) -> None:
    """Two free providers that share a family, and a paid one; keys are added by hand."""
    at = simulator.url
    document = {
        "version": "2026.11.20",
        "providers": {
            "alpha": provider(
                f"{at}/alpha/v1",
                {"twin": model("twins", speed=9.0), "alpha-only": model("alone", speed=2.0)},
            ),
            "beta": provider(f"{at}/beta/v1", {"twin-b": model("twins", speed=4.0)}),
            "gold": provider(
                f"{at}/gold/v1",
                {"ingot": model("ingots", intelligence=9.0, free=False, pricing=PRICE)},
                status="paid_only",
                freeTier={"type": "none", "confidence": "high", "limits": []},
            ),
        },
    }
    house.overlay("pretend", document)
    for name in ("alpha", "beta"):
        house.xswarm("account", "add", name, "-", "--tier", "free", stdin=f"key-{name}\n")
    house.xswarm("account", "add", "gold", "-", "--tier", "paid", stdin="key-gold\n")
