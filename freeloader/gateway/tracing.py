"""OpenTelemetry traces, if the owner wants them: one span a request, one for each attempt in it.

A journal in front of the journal: a span is made of the row that is written anyway, once it is
known how it ended. Names, outcomes, counts and times only: no text of a request, of an answer or
of a provider's error is in a span. Nothing of OpenTelemetry is imported before ``connect``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from freeloader.errors import ConfigError
from freeloader.gateway.ports import JournalPort
from freeloader.money import usd_from_pico
from freeloader.store.rows import AttemptRow, DecisionRow

#: Requests whose attempts are kept until their end is known, or a late attempt may belong to.
KEPT_MAX = 2048
#: Spans that wait to be sent; more are dropped: traces never hold a request up.
QUEUE_MAX = 4096
#: Seconds that sending may take, and that the end of the daemon waits for it.
SEND_S = 5.0


class Traced:
    """A journal that traces. ``provider`` is an OpenTelemetry ``TracerProvider``."""

    def __init__(self, journal: JournalPort, provider: Any) -> None:
        self._journal = journal
        self._tracer = provider.get_tracer("freeloader")
        self._waiting: OrderedDict[str, list[AttemptRow]] = OrderedDict()
        self._roots: OrderedDict[str, Any] = OrderedDict()

    def decision(self, row: DecisionRow) -> None:
        self._journal.decision(row)
        span = self._tracer.start_span(
            f"{row.operation} {row.requested[:64]}",
            start_time=_nanoseconds(row.at),
            attributes={
                "freeloader.request_id": row.request_id,
                "freeloader.decision_id": row.id,
                "freeloader.strategy": row.strategy,
                "freeloader.outcome": row.outcome,
                "freeloader.attempts": row.attempts,
                "freeloader.cost_usd": float(usd_from_pico(row.cost_pico)),
                "freeloader.cost_known": not row.unpriced,
                "gen_ai.provider.name": row.provider,
                "gen_ai.request.model": row.requested[:128],
                "gen_ai.response.model": row.model,
            },
        )
        self._roots[row.id] = span
        for attempt in self._waiting.pop(row.id, ()):
            self._child(span, attempt)
        _fail(span, row.outcome)
        span.end(_nanoseconds(row.at, row.latency_ms))
        _bound(self._roots)

    def attempt(self, row: AttemptRow) -> None:
        self._journal.attempt(row)
        root = self._roots.get(row.decision_id)
        if root is not None:  # one that ended after its request
            self._child(root, row)
            return
        self._waiting.setdefault(row.decision_id, []).append(row)
        _bound(self._waiting)

    def texts(
        self, decision_id: str, at: float, make: Callable[[], tuple[str | None, str | None]]
    ) -> None:
        self._journal.texts(decision_id, at, make)

    def _child(self, root: Any, row: AttemptRow) -> None:
        from opentelemetry.trace import set_span_in_context

        provider, _, model = row.deployment.partition("/")
        known = {
            "freeloader.deployment": row.deployment,
            "freeloader.account": provider,
            "freeloader.outcome": row.outcome,
            "freeloader.attempt": row.number,
            "freeloader.cost_usd": float(usd_from_pico(row.cost_pico)),
            "gen_ai.provider.name": provider.partition("@")[0],
            "gen_ai.request.model": model,
            "gen_ai.usage.input_tokens": row.meters.input,
            "gen_ai.usage.output_tokens": row.meters.output,
            "http.response.status_code": row.status,
            "freeloader.first_ms": row.first_ms,
        }
        span = self._tracer.start_span(
            f"attempt {row.deployment}",
            context=set_span_in_context(root),
            start_time=_nanoseconds(row.at),
            attributes={name: value for name, value in known.items() if value is not None},
        )
        _fail(span, row.outcome)
        span.end(_nanoseconds(row.at, row.latency_ms))


def connect(endpoint: str, version: str) -> Any:
    """A ``TracerProvider`` that sends to ``endpoint`` (OTLP over HTTP) from a thread of its own.

    Raises ConfigError where the extra ``otel`` is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError(
            "logging.otlp_endpoint is set, and OpenTelemetry is not installed: "
            "pip install 'xswarm-freeloader[otel]', or take the setting out",
            param="logging.otlp_endpoint",
        ) from error
    where = endpoint.rstrip("/")
    where = where if where.endswith("/v1/traces") else f"{where}/v1/traces"
    named = {"service.name": "xswarm-freeloader", "service.version": version}
    provider = TracerProvider(resource=Resource(named), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=where, timeout=SEND_S)
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=QUEUE_MAX, schedule_delay_millis=1000)
    )
    return provider


def _fail(span: Any, outcome: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    if outcome != "ok":
        span.set_status(Status(StatusCode.ERROR, outcome))


def _nanoseconds(at: float, later_ms: float | None = None) -> int:
    return int(at * 1e9) + int((later_ms or 0.0) * 1e6)


def _bound(kept: OrderedDict[str, Any]) -> None:
    while len(kept) > KEPT_MAX:
        kept.popitem(last=False)
