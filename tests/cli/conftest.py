"""A home, and a daemon that is only a table of answers on loopback."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from freeloader.cli.entry import main
from freeloader.cli.lifecycle import RunFiles

Answer = tuple[int, Any]


class FakeDaemon:
    """Answers by (method, path); remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answer | bytes] = {}
        self.asked: list[dict[str, Any]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                path, _, query = self.path.partition("?")
                fake.asked.append(
                    {
                        "method": self.command,
                        "path": path,
                        "query": query,
                        "key": self.headers.get("Authorization"),
                        "body": json.loads(raw) if raw else None,
                    }
                )
                answer = fake.answers.get((self.command, path), (404, {"error": {"message": "no"}}))
                if isinstance(answer, bytes):
                    self._send(200, "text/event-stream", answer)
                else:
                    self._send(answer[0], "application/json", json.dumps(answer[1]).encode())

            def _send(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def on(self, method: str, path: str, body: Any, status: int = 200) -> None:
        self.answers[method, path] = body if isinstance(body, bytes) else (status, body)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An initialised home, by environment; no daemon runs."""
    path = tmp_path / "home"
    (path / "logs").mkdir(parents=True)
    path.chmod(0o700)
    (path / "config.toml").write_text("")
    for role in ("admin", "client"):
        key = path / f"{role}.key"
        key.write_text(f"xsw-{role}-key\n")
        key.chmod(0o600)
    monkeypatch.setenv("XSWARM_HOME", str(path))
    return path


@pytest.fixture
def daemon(home: Path) -> Iterator[FakeDaemon]:
    """The same home with a daemon running: this process plays it."""
    fake = FakeDaemon()
    thread = threading.Thread(target=fake.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    files = RunFiles(home)
    files.prepare()
    files.announce(files.claim("0.1.0"), fake.address)
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
    thread.join(5)


class Ran:
    """What one command line did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def xswarm(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command line in this process, through its real entry point."""

    def run(*words: str) -> Ran:
        capsys.readouterr()
        code = main(list(words))
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Lets a test write to the command's standard input."""
    opened: list[Any] = []

    def write(text: str) -> None:
        reader, writer = os.pipe()
        os.write(writer, text.encode())
        os.close(writer)
        file = os.fdopen(reader)
        opened.append(file)
        monkeypatch.setattr("sys.stdin", file)

    yield write
    for file in opened:
        file.close()
