"""Metrics: what is counted, and that a scrape is Prometheus' format with few labels."""

from __future__ import annotations

from typing import Any

import pytest
from front_fakes import ADMIN, CLIENT, VIEWER, House
from prometheus_client.parser import text_string_to_metric_families

from freeloader.gateway.counting import BUCKETS, OTHER, VALUES_MAX, Counted, Counts, cumulative
from freeloader.money import Meters
from freeloader.store.rows import AttemptRow, DecisionRow


class Journal:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def decision(self, row: DecisionRow) -> None:
        self.told.append(row)

    def attempt(self, row: AttemptRow) -> None:
        self.told.append(row)

    def texts(self, decision_id: str, at: float, make: Any) -> None:
        self.told.append(decision_id)


def decision(outcome: str = "answered", ms: float = 300.0, saved: float | None = None) -> Any:
    routing = {} if saved is None else {"savings": {"saved": saved}}
    return DecisionRow(
        "d", "r", 0.0, outcome=outcome, strategy="balanced", latency_ms=ms,
        detail={"routing": routing},
    )  # fmt: skip


def attempt(provider: str = "groq", **more: Any) -> AttemptRow:
    meters = Meters(requests=1, input=10, cache_read=5, output=7)
    return AttemptRow("a", "d", "r", 1, 0.0, f"{provider}@1/m", "ok", meters=meters, **more)


def test_what_the_journal_is_told_is_counted_and_handed_on() -> None:
    counts, journal = Counts(), Journal()
    counted = Counted(journal, counts)
    counted.decision(decision(saved=0.5))
    counted.decision(decision("budget_exceeded", 40_000.0, saved=-1.0))
    counted.attempt(attempt(cost_pico=3))
    counted.attempt(attempt())
    counted.texts("d", 0.0, lambda: (None, None))
    assert len(journal.told) == 5
    assert counts.requests == {("answered", "balanced"): 1, ("budget_exceeded", "balanced"): 1}
    assert counts.attempts == {("groq", "ok"): 2}
    assert counts.tokens == {
        ("groq", "input"): 20,
        ("groq", "cached"): 10,
        ("groq", "output"): 14,
    }
    assert (counts.cost_pico, counts.saved_usd) == ({("groq",): 3}, 0.5)
    assert (sum(counts.buckets), counts.seconds) == (2, 40.3)


def test_however_much_goes_through_the_labels_stay_few() -> None:
    counts = Counts()
    for number in range(VALUES_MAX * 2):
        counts.attempt(attempt(f"p{number}"))
    assert len(counts.attempts) == VALUES_MAX + 1
    assert counts.attempts[(OTHER, OTHER)] == VALUES_MAX


def test_buckets_add_up() -> None:
    counts = Counts()
    for seconds in (0.0, 0.1, 0.100001, 5.0, 1e9):
        counts.decision(decision(ms=seconds * 1000))
    found = dict(cumulative(counts.buckets))
    assert found["0.1"] == 2
    assert found["0.25"] == 3
    assert found["5"] == 4
    assert found["+Inf"] == 5
    assert len(found) == len(BUCKETS) + 1


@pytest.mark.parametrize("key", [ADMIN, VIEWER])
async def test_a_scrape_is_what_prometheus_reads(house: House, key: str) -> None:
    house.counts.attempt(attempt(cost_pico=2 * 10**12))
    house.counts.decision(decision())
    async with house.call("GET", "/metrics", key) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        text = await answer.text()
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["freeloader_cost_usd_total", ("provider", "groq")] == 2.0
    assert samples["freeloader_child_state", ("state", "ready")] == 1.0
    assert samples["freeloader_request_seconds_count",] == 1.0
    assert samples["freeloader_tasks",] >= 2.0  # the one that serves it, and this test's
    names = {name for name, *_ in samples}
    for wanted in ("quota_remaining_ratio", "budget_usd", "in_flight", "waiting", "uptime_seconds",
                   "job_failures", "build_info", "saved_usd_total", "load_level"):  # fmt: skip
        assert f"freeloader_{wanted}" in names
    labels = {name for _, *pairs in samples for name, _ in pairs}
    assert labels <= {"provider", "outcome", "strategy", "kind", "account", "metric", "window",
                      "period", "what", "state", "job", "version", "le"}  # fmt: skip


@pytest.mark.parametrize(("key", "status"), [(None, 401), (CLIENT, 403)])
async def test_a_scrape_needs_a_key_that_may_see_everything(house, key, status) -> None:
    async with house.call("GET", "/metrics", key) as answer:
        assert answer.status == status
