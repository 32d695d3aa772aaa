"""What the monitor measures, with a clock of its own."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.clock import Instant
from freeloader.core.policy.load import LoadRules
from freeloader.gateway import load
from freeloader.gateway.load import WINDOW_S, LoadMonitor


@dataclass
class Watch:
    at: Instant = field(default_factory=lambda: Instant(1e9, 100.0))

    def now(self) -> Instant:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at = Instant(self.at.wall + seconds, self.at.mono + seconds)


def test_in_flight_raises_at_once_and_cools_down() -> None:
    clock = Watch()
    monitor = LoadMonitor(clock, lambda: LoadRules(cooldown_s=10))
    for _ in range(10):
        monitor.begin()
    assert monitor.state.level == "warning"
    for _ in range(10):
        monitor.end()
    clock.pass_(1)
    assert monitor.state.level == "warning"
    clock.pass_(10)
    assert monitor.state.level == "normal"


def test_only_the_last_minute_counts_and_only_troubles() -> None:
    clock = Watch()
    monitor = LoadMonitor(clock)
    for _ in range(20):
        monitor.attempt("ok", 100.0)
        monitor.attempt("spent", None)
        monitor.attempt("client_fault", None)
    clock.pass_(1)
    assert monitor.state.level == "normal"
    assert monitor.shown()["samples"] == 20
    for _ in range(5):
        monitor.attempt("their_fault", None)
    clock.pass_(1)
    shown = monitor.shown()
    assert (shown["state"], shown["errorRate"], shown["p95Ms"]) == ("critical", 0.2, 100.0)
    assert shown["reason"] == "20% of attempts failed"
    clock.pass_(WINDOW_S)
    assert monitor.shown()["samples"] == 0


def test_each_change_of_level_is_one_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Watch()
    monitor = LoadMonitor(clock, lambda: LoadRules(cooldown_s=1))
    for _ in range(60):
        monitor.begin()
        assert monitor.state
    for _ in range(60):
        monitor.end()
    for _ in range(3):
        clock.pass_(2)
        assert monitor.state
    told = [record.fields for record in caplog.records]  # type: ignore[attr-defined]
    assert [row["state"] for row in told] == ["warning", "critical", "normal"]
    assert {row["event"] for row in told} == {"load.level"}
    assert "in flight" in told[0]["reason"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 40),
            st.none() | st.floats(0, 60_000),
            st.sampled_from(["ok", "their_fault", "overloaded", "spent"]),
        ),
        max_size=60,
    )
)
def test_what_is_kept_in_order_is_what_looking_at_all_would_find(
    told: list[tuple[float, float | None, str]],
) -> None:
    """Against a plain reckoning over the last minute's attempts, eight at most."""
    clock = Watch()
    monitor = LoadMonitor(clock)
    every: list[tuple[float, float | None, bool]] = []
    with patch.object(load, "KEPT", 8):
        for pause, first_ms, kind in told:
            clock.pass_(pause)
            monitor.attempt(kind, first_ms)
            if kind != "spent":
                every.append((clock.now().mono, first_ms, kind != "ok"))
            clock.pass_(0.5)
            kept = [one for one in every[-8:] if one[0] >= clock.now().mono - load.WINDOW_S]
            spans = sorted(ms for _, ms, _ in kept if ms is not None)
            shown = monitor.shown()
            assert shown["samples"] == len(kept)
            if kept:
                assert shown["errorRate"] == round(sum(bad for *_, bad in kept) / len(kept), 4)
            wanted = spans[math.ceil(len(spans) * 0.95) - 1] if spans else None
            assert shown["p95Ms"] == (None if wanted is None else round(wanted, 1))
