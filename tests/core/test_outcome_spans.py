"""Refusals that name a span by a number: the window is what they say, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core.events import Answer
from freeloader.core.outcome import classify, durations, messages
from freeloader.core.periods import window_seconds

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("said", "window"),
    [
        ("Rate limit reached: requests per 5h", "5h"),
        ("You may send 30 messages every 3 hours.", "3h"),
        ("Limit: 100 requests / 10 min", "10m"),
        ("100 requests/10min", "10m"),
        ("30/5h reached", "5h"),
        ("see https://example.com/3d-models/5h/limits", None),
        ("rate limited: maker/3d-shapes", None),
        ("Too many calls in the last 15 minutes", "15m"),
        ("You have hit your 5-hour limit", "5h"),
        ("the 3 hour rolling window is full", "3h"),
        ("your 2-day request quota is used", "2d"),
        ("max 20 per 30 seconds", "30s"),
        ("Try again in 5 minutes", None),
        ("limit reached, reset in 3 hours", None),
        ("costs $0.50 per 1M tokens, rate limited", None),
        ("limit 20 per 0 hours", None),
        ("used 30 of 30", None),
        ("per 99999 days", None),
        ("model llama-3 70b per 8k context", None),
    ],
)
def test_spans_in_messages(said: str, window: str | None) -> None:
    assert messages.span(said) == window


@given(st.text(max_size=80))
def test_whatever_is_said_it_is_a_window_or_none(text: str) -> None:
    found = messages.span(f"limit per {text}")
    assert found is None or 0 < window_seconds(found) <= durations.LONGEST


@pytest.mark.parametrize(
    ("headers", "said", "kind", "window", "wait"),
    [
        ({"retry-after": "7200"}, "Rate limit reached: requests per 5h", "spent", "5h", 7200.0),
        ({"retry-after": "20"}, "Rate limit reached: requests per 5h", "spent", "5h", 20.0),
        ({"retry-after": "86400"}, "30 requests every 2 hours", "spent", "2h", 7200.0),
        ({}, "30 requests every 5 hours", "spent", "5h", 3600.0),
        ({}, "20 requests every 30 seconds", "slow_down", "30s", 30.0),
        ({"retry-after": "7200"}, "Too many requests", "spent", "1d", 7200.0),
    ],
)
def test_a_named_span_is_the_window_and_bounds_the_wait(
    headers: dict[str, str], said: str, kind: str, window: str, wait: float
) -> None:
    found = classify(Answer(429, headers, f'{{"error":{{"message":"{said}"}}}}'), (), (), NOW)
    assert found.until is not None
    assert (found.kind, found.window, found.until - NOW) == (kind, window, wait)
    assert (found.scope, found.guessed) == ("model", True)
