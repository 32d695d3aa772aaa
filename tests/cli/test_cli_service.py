"""start, stop, restart, and the greeting: with a stand-in for what the daemon serves."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from freeloader.banner import Banner
from freeloader.cli import banner as greeting
from freeloader.cli import daemon as daemons
from freeloader.cli import lifecycle, ports
from freeloader.cli.lifecycle import RunFiles
from freeloader.clock import SystemClock

ROOT = Path(__file__).parents[2]
BANNER = Banner("http://127.0.0.1:3000", "xsw-key", "/h/client.key", "/h")

# The real command line around a daemon that only answers /ready, in a process of its own.
PROGRAM = """
import os, signal, sys, threading, types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from freeloader.banner import Banner

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        ok = self.path == "/ready" and MODE not in ("never-ready", "slow")
        body = b'{"status": "x", "child": {"state": "STATE"}}'.replace(b"STATE", STATE)
        self.send_response(200 if ok or self.path == "/v1/health" else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

MODE = os.environ.get("MODE", "")
STATE = b"fatal" if MODE == "never-ready" else b"ready"

def run(home, *, announce):
    if MODE == "dies":
        print("the roof fell in", file=sys.stderr)
        return 1
    if MODE == "raises":
        from freeloader.errors import ConfigError
        raise ConfigError("no such port")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *a: stop.set())
    announce(Banner(f"http://127.0.0.1:{server.server_port}", "xsw-key", "/h/client.key"))
    stop.wait(60)
    print("stopped nicely", flush=True)
    return 0

sys.modules["freeloader.app"] = app = types.ModuleType("freeloader.app")
app.run = run
import freeloader
freeloader.app = app
from freeloader.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def cli(home):
    """Runs the program above on the home; whatever it left running is stopped afterwards."""
    (home / "config.toml").write_text("[server]\nport = 0\n")

    def run(
        *words: str, mode: str = "", output: int = subprocess.PIPE
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *words],
            cwd=ROOT,
            env={**os.environ, "XSWARM_HOME": str(home), "MODE": mode},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=90,
        )

    yield run
    record = RunFiles(home).running()
    if record is not None:
        assert lifecycle.stop(record, 10, SystemClock(), force=True)


def test_a_daemon_starts_once_restarts_and_stops(cli, home):
    first = cli("start", "--daemon")
    assert first.returncode == 0, first.stderr
    assert "curl" in first.stdout
    assert "ready (pid" in first.stderr
    record = RunFiles(home).running()
    assert record is not None
    assert record.address is not None
    assert record.address in first.stdout

    second = cli("start", "--daemon")
    assert second.returncode == 1
    assert f"pid {record.pid}" in second.stderr
    assert record.address in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert cli("start").returncode == 1

    good = (home / "config.toml").read_text()
    (home / "config.toml").write_text("[server\n")
    refused = cli("restart")
    assert refused.returncode == 1
    assert "config.toml" in refused.stderr
    assert "runs on" in refused.stderr
    assert lifecycle.alive(record), "a bad file never stops a running daemon"
    (home / "config.toml").write_text(good)

    again = cli("restart")
    assert again.returncode == 0, again.stderr
    now = RunFiles(home).running()
    assert now is not None
    assert now.pid != record.pid
    assert not lifecycle.alive(record)

    stopped = cli("stop")
    assert stopped.returncode == 0
    assert not lifecycle.alive(now)
    assert "stopped nicely" in (home / "logs" / "console.log").read_text()
    assert not (home / "run" / "daemon.json").exists()
    assert cli("stop").returncode == 3
    assert cli("status").returncode == 3


def test_a_daemon_that_dies_while_starting_says_why(cli, home):
    done = cli("start", "--daemon", mode="dies")
    assert done.returncode == 1
    assert "the roof fell in" in done.stderr
    assert RunFiles(home).running() is None


def test_an_error_of_ours_while_starting_is_one_line(cli):
    done = cli("start", "--daemon", mode="raises")
    assert done.returncode == 1
    assert "No such port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["init"], ["start"], ["config", "set", "server.port", "3001"]])
def test_a_home_that_cannot_be_made_names_the_way_out(xswarm, tmp_path, monkeypatch, words):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XSWARM_HOME", str(tmp_path / "file" / "home"))
    ran = xswarm(*words)
    assert ran.code == 1
    assert str(tmp_path / "file") in ran.err
    assert "XSWARM_HOME" in ran.err or "xswarm init" in ran.err


@pytest.mark.parametrize("words", [["start"], ["config", "show"], ["config", "set", "server.port",
                                   "3001"], ["account", "list"], ["env"]])  # fmt: skip
def test_a_broken_file_of_settings_says_where_and_what_next(xswarm, home, words):
    (home / "config.toml").write_text("[server\nport = 1\n")
    ran = xswarm(*words)
    assert ran.code == 1
    [line] = ran.err.splitlines()
    assert f"{home / 'config.toml'}: is not TOML: " in line
    assert "(at line 1" in line
    assert "correct it there" in line


def test_in_the_foreground_an_error_is_an_exit_code(cli):
    done = cli("start", mode="raises")
    assert (done.returncode, done.stderr) == (1, "xswarm: No such port.\n")


def test_in_the_foreground_it_greets_once_it_answers_and_ends_by_signal(cli, home):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "start"],
        cwd=ROOT,
        env={**os.environ, "XSWARM_HOME": str(home), "MODE": ""},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    while "curl" not in said:
        line = process.stdout.readline()
        assert line, "it ended without a greeting"
        said += line
    record = RunFiles(home).running()
    assert record is not None
    assert record.pid == process.pid
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "stopped nicely" in rest
    assert RunFiles(home).running() is None


def test_in_the_foreground_a_child_that_never_comes_is_told(home, capsys):
    told = []

    class Silent:
        def __init__(self, *_arguments):
            pass

        def wait(self, *_arguments):
            raise daemons.Failure("LiteLLM does not start")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(daemons, "Readiness", Silent)
        daemons.greet_when_ready(home, BANNER, 1, told.append)
        for thread in threading.enumerate():
            if thread.name == "greeting":
                thread.join(10)
    assert told == [BANNER]
    assert "LiteLLM does not start" in capsys.readouterr().err


def test_k1_the_key_is_printed_to_a_terminal_only(cli, home):
    into_a_file = cli("start", "--daemon")
    assert (into_a_file.returncode, "xsw-key" in into_a_file.stdout) == (0, False)
    assert "/h/client.key" in into_a_file.stdout, "where it can be read"
    cli("stop")
    assert "xsw-key" in cli("start", "--daemon", "--show-key").stdout
    cli("stop")
    here, there = os.openpty()
    try:
        cli("start", "--daemon", output=there)
        assert b"xsw-key" in os.read(here, 65_536)
    finally:
        os.close(here)
        os.close(there)


def test_k1_without_the_key_the_line_reads_it_from_its_file(tmp_path):
    file = tmp_path / "it's here" / "client.key"
    file.parent.mkdir()
    file.write_text("xsw-secret\n")
    lines = greeting.lines(Banner("http://h:1", "xsw-secret", str(file)), with_key=False)
    assert not any("xsw-secret" in line for line in lines)
    [command] = [line for line in lines if line.startswith("curl ")]
    spoken = subprocess.run(
        ["bash", "-c", f"curl() {{ printf '%s\\n' \"$@\"; }}; {command}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Authorization: Bearer xsw-secret" in spoken.stdout.splitlines()


def test_a_child_that_never_comes_ends_the_wait_but_not_the_daemon(cli, home):
    done = cli("start", "--daemon", mode="never-ready")
    assert done.returncode == 1
    assert "LiteLLM does not start" in done.stderr
    assert RunFiles(home).running() is not None


def test_the_wait_for_ready_is_bounded(cli, home):
    done = cli("start", "--daemon", "--timeout", "0.1", mode="never-ready")
    assert done.returncode == 1
    assert RunFiles(home).running() is not None


def test_a_taken_port_names_its_holder(xswarm, home):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (home / "config.toml").write_text(f"[server]\nport = {port}\n")
        assert ports.trouble("127.0.0.1", port) is not None
        ran = xswarm("start")
    assert ran.code == 1
    assert f"Port {port} is taken by" in ran.err
    assert f"pid {os.getpid()}" in ran.err
    assert "config set server.port" in ran.err
    assert ports.trouble("127.0.0.1", port) is None


@pytest.mark.usefixtures("no_names")
def test_a_host_that_is_none_is_named():
    problem = ports.trouble("no.such.host.invalid", 3000)
    assert problem is not None
    assert "no.such.host.invalid" in problem


@pytest.mark.parametrize("host", ["\udcff", "x" * 64, "a..b"])
def test_a_host_that_no_name_can_be_is_named(host):
    problem = ports.trouble(host, 3000)
    assert problem is not None
    assert "server.host" in problem


def test_leaving_a_start_in_the_background_says_that_it_goes_on(cli, home):
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "start", "--daemon"],
        cwd=ROOT,
        env={**os.environ, "XSWARM_HOME": str(home), "MODE": "slow"},
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run as a background job are started with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert started.stderr is not None
    for line in started.stderr:
        if line.startswith("starting …"):  # it listens, and is waited for
            break
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=30)
    assert started.returncode == 130
    record = RunFiles(home).running()
    assert record is not None
    assert f"(pid {record.pid}) goes on starting; `xswarm stop` ends it" in said


def test_the_greeting_has_a_curl_that_a_shell_reads_back(home):
    import shlex

    banner = Banner("http://127.0.0.1:3000", "xsw-'odd key", "/h/client.key")
    [command] = [one for one in greeting.lines(banner, with_key=True) if one.startswith("curl")]
    words = shlex.split(command)
    assert words[0] == "curl"
    assert "Authorization: Bearer xsw-'odd key" in words
    assert json.loads(words[words.index("-d") + 1])["model"] == "auto"
    assert "\n" not in command


@pytest.mark.parametrize("simulated", [True, False])
def test_the_greeting_says_when_answers_are_pretend(simulated):
    banner = Banner(
        **{
            name: getattr(BANNER, name)
            for name in ("address", "client_key", "client_key_file", "home")
        },
        found=("groq: key from GROQ_API_KEY", "ollama at 11434"),
        problems=("overlay x.json: broken",),
        simulated=simulated,
    )
    text = "\n".join(greeting.lines(banner, with_key=True))
    assert ("simulator" in text) is simulated
    for part in ("xsw-key", "GROQ_API_KEY", "ollama at 11434", "x.json", "/h/client.key"):
        assert part in text


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("::1", "http://[::1]:1"),
        ("box", "http://box:1"),
    ],
)
def test_the_address_is_one_that_can_be_called(host, url):
    assert daemons.url(host, 1) == url
