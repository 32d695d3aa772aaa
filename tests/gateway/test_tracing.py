"""Traces: one span a request and one an attempt, no text in them, and nothing imported when off."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from freeloader.gateway import tracing
from freeloader.money import Meters
from freeloader.store.rows import AttemptRow, DecisionRow

AT = 1_795_000_000.0
SECRET = "what the prompt said"


class Kept:
    def __init__(self) -> None:
        self.rows: list[Any] = []

    def decision(self, row: DecisionRow) -> None:
        self.rows.append(row)

    def attempt(self, row: AttemptRow) -> None:
        self.rows.append(row)

    def texts(self, *_: Any) -> None:
        self.rows.append("texts")


def attempt(number: int, outcome: str, decision: str = "dec_1") -> AttemptRow:
    return AttemptRow(
        f"{decision}.{number}", decision, "req_1", number, AT + number, f"p@{number}/a/b",
        outcome, 429 if outcome == "spent" else 200, SECRET, 250.0, 90.0, 5 * 10**9,
        Meters(requests=1, input=12, output=3), {"reason": SECRET},
    )  # fmt: skip


def decision(outcome: str = "ok", name: str = "dec_1") -> DecisionRow:
    return DecisionRow(
        id=name, request_id="req_1", at=AT, requested="auto", strategy="balanced", provider="p",
        model="p/a/b", outcome=outcome, reason=SECRET, attempts=2, latency_ms=3000.0,
        detail={"error": SECRET},
    )  # fmt: skip


@pytest.fixture
def traced() -> tuple[tracing.Traced, InMemorySpanExporter, Kept]:
    kept, memory, provider = Kept(), InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    return tracing.Traced(kept, provider), memory, kept


def test_a_request_is_a_span_and_each_attempt_one_inside_it(traced: Any) -> None:
    journal, memory, kept = traced
    journal.attempt(attempt(1, "spent"))
    journal.decision(decision())
    journal.attempt(attempt(2, "ok"))  # settled after the answer
    first, root, late = memory.get_finished_spans()
    assert root.parent is None
    assert {first.parent.span_id, late.parent.span_id} == {root.context.span_id}
    assert {first.context.trace_id, late.context.trace_id} == {root.context.trace_id}
    assert (root.start_time, root.end_time) == (int(AT * 1e9), int((AT + 3) * 1e9))
    assert root.attributes["gen_ai.provider.name"] == "p"
    assert root.attributes["gen_ai.response.model"] == "p/a/b"
    assert first.attributes["freeloader.outcome"] == "spent"
    assert first.attributes["freeloader.account"] == "p@1"
    assert first.attributes["gen_ai.request.model"] == "a/b"
    assert late.attributes["gen_ai.usage.output_tokens"] == 3
    assert (first.status.is_ok, root.status.is_ok) == (False, True)
    assert len(kept.rows) == 3
    assert SECRET not in "".join(span.to_json() for span in (first, root, late))


def test_what_is_kept_is_bounded(traced: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "KEPT_MAX", 3)
    journal, memory, _ = traced
    for number in range(20):
        journal.attempt(attempt(1, "ok", f"never_{number}"))
        journal.decision(decision("upstream_failed", f"dec_{number}"))
    assert (len(journal._waiting), len(journal._roots)) == (3, 3)
    assert not any(span.status.is_ok for span in memory.get_finished_spans())


def test_spans_go_to_the_endpoint_that_was_named() -> None:
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            got.append((self.path, self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        provider = tracing.connect(f"http://127.0.0.1:{server.server_port}", "0.1")
        journal = tracing.Traced(Kept(), provider)
        journal.attempt(attempt(1, "ok"))
        journal.decision(decision())
        provider.shutdown()
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert [path for path, _ in got] == ["/v1/traces"]
    sent = b"".join(body for _, body in got)
    assert b"xswarm-freeloader" in sent
    assert b"attempt p@1/a/b" in sent
    assert SECRET.encode() not in sent


def test_nothing_of_opentelemetry_is_imported_when_it_is_off() -> None:
    program = (
        "import sys; import freeloader.app.daemon, freeloader.gateway.tracing\n"
        "assert not [m for m in sys.modules if m.startswith('opentelemetry')]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
